"""Each command against a living daemon: what it prints, what it does, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autoheal.cli import INTERRUPTED, NO, OK, UNREACHABLE, USAGE
from tests.cli.conftest import Neighbour, Outcome

Autoheal = Callable[..., Outcome]


def test_status_of_a_fleet_that_is_well_and_one_that_is_not(autoheal: Autoheal, next_door: Neighbour) -> None:
    well = autoheal("status")
    assert well.status == OK
    assert "test-house" in well.out
    assert "fraud" in well.out
    next_door.ask(next_door.home.breach)
    ill = autoheal("status")
    assert ill.status == NO
    first = next(line for line in ill.out.splitlines() if "fraud" in line)
    assert first.startswith("✖")
    assert "INC-" in first
    assert ill.out.index("fraud") < ill.out.index("eta"), "the worst comes first"
    assert max(map(len, ill.out.splitlines())) <= 100


def test_status_for_programs_and_for_old_terminals(autoheal: Autoheal, next_door: Neighbour) -> None:
    next_door.ask(next_door.home.breach)
    told = json.loads(autoheal("status", "--json").out)
    assert told["ok"] is False
    assert [i["target"] for i in told["incidents"]] == ["fraud"]
    assert told["seq"] == next_door.home.kernel.world.seq
    for command in (("status",), ("incidents",), ("why",)):
        assert autoheal(*command, "--ascii").out.isascii()


def test_why_prints_the_tree_with_yaml_positions(autoheal: Autoheal, next_door: Neighbour) -> None:
    next_door.ask(next_door.home.breach)
    by_default = autoheal("why")
    incident = next(iter(next_door.home.kernel.world.incidents))
    assert autoheal("why", incident).out.splitlines()[2:] == by_default.out.splitlines()[2:]
    for part in (
        incident,
        "ASKED",
        "policy watch",
        "trigger",
        "ladder",
        "guards",
        "policies/fraud.yaml:6",
        "outcome",
    ):
        assert part in by_default.out, part
    assert max(map(len, by_default.out.splitlines())) <= 100
    quiet = autoheal("why", "eta")
    assert quiet.status == OK
    assert "no incident" in quiet.out
    assert json.loads(autoheal("why", "fraud", "--json").out)["incident"]["id"] == incident
    missing = autoheal("why", "INC-77")
    assert missing.status == NO
    assert missing.err.startswith("autoheal why: there is no incident or model 'INC-77'")


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_why_tells_the_run_and_fits(
    autoheal: Autoheal, next_door: Neighbour, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    next_door.ask(next_door.home.breach)
    incident = next(iter(next_door.home.kernel.world.incidents))
    assert autoheal("approve", incident, "--note", "two \x1b[31m lines\nof it").status == OK
    monkeypatch.setenv("COLUMNS", str(columns))
    for command in (("why", incident), ("status",), ("incidents",)):
        lines = autoheal(*command).out.splitlines()
        assert all(len(line) <= columns and line.isprintable() for line in lines), command
    told = " ".join(autoheal("why", incident).out.split())
    for part in (
        "R-0001 tell on fraud",
        "traffic.fallback",
        "runbooks/tell.yaml:5",
        "given by",
        "rung 1 tell",
    ):
        assert part in told, part


def test_why_before_anything_happened(autoheal: Autoheal, next_door: Neighbour) -> None:
    told = autoheal("why")
    assert told.status == NO
    assert "no incident yet" in told.err


def test_incidents(autoheal: Autoheal, next_door: Neighbour) -> None:
    assert autoheal("incidents").out == "no incidents\n"
    next_door.ask(next_door.home.breach)
    assert "fraud" in autoheal("incidents").out
    assert [i["target"] for i in json.loads(autoheal("incidents", "--json", "--all").out)] == ["fraud"]


@pytest.mark.parametrize(("command", "state"), [("approve", "given"), ("reject", "refused")])
def test_answers(autoheal: Autoheal, next_door: Neighbour, command: str, state: str) -> None:
    next_door.ask(next_door.home.breach)
    incident = next(iter(next_door.home.kernel.world.incidents))
    stale = autoheal(command, incident, "--plan-hash", "beef")
    assert stale.status == NO
    assert "another plan" in stale.err
    told = autoheal(command, incident, "--note", "seen")
    assert told.status == OK, told.err
    approval = next(iter(next_door.home.kernel.world.approvals.values()))
    assert (approval.state, approval.note) == (state, "seen")
    assert approval.id in told.out
    unknown = autoheal(command, "A-99")
    assert unknown.status == NO
    assert "there is no approval" in unknown.err


def test_pause_and_resume(autoheal: Autoheal, next_door: Neighbour) -> None:
    assert autoheal("pause", "--reason", "db upgrade", "--for", "1h30m").status == OK
    pause = next_door.home.kernel.world.pauses["fleet"]
    assert pause.until is not None
    assert (pause.until - pause.since).total_seconds() == pytest.approx(5400, abs=5)
    assert "PAUSED fleet" in autoheal("status").out
    assert autoheal("resume").status == OK
    assert autoheal("resume").status == NO
    assert autoheal("pause", "nobody", "--reason", "x").status == NO
    assert autoheal("pause").status == USAGE


def test_silence(autoheal: Autoheal, next_door: Neighbour) -> None:
    next_door.ask(next_door.home.breach)
    told = autoheal("silence", "fra*", "--path", "serving/*", "--for", "2h", "--reason", "drill")
    assert told.status == OK
    assert "hides 1 " in told.out
    name = next(iter(next_door.home.kernel.world.silences))
    assert autoheal("silence", "--expire", name).status == OK
    assert autoheal("silence", "fra*").status == USAGE


def test_reload(autoheal: Autoheal, next_door: Neighbour) -> None:
    assert autoheal("reload").status == OK
    next_door.home.reload_problems.append("conf/a.yaml:3:1: error: no such action")
    told = autoheal("reload")
    assert told.status == USAGE
    assert "conf/a.yaml:3:1" in told.err
    assert "last good" in told.err


@pytest.mark.parametrize(
    "argv",
    [
        ("status",),
        ("why",),
        ("incidents",),
        ("reload",),
        ("pause", "--reason", "x"),
        ("resume",),
        ("approve", "A-1"),
        ("silence", "x", "--for", "1h", "--reason", "x"),
    ],
)
def test_nobody_at_home(autoheal: Autoheal, tmp_path: Path, argv: tuple[str, ...]) -> None:
    told = autoheal(*argv, "--socket", str(tmp_path / "none.sock"))
    assert told.status == UNREACHABLE
    assert told.err.count("\n") == 1
    assert "none.sock" in told.err
    assert "autoheal run" in told.err


def test_the_view_socket_leads_to_its_control_socket(autoheal: Autoheal, next_door: Neighbour) -> None:
    told = autoheal("pause", "--reason", "x", "--socket", str(next_door.folder / "view.sock"))
    assert told.status == OK, told.err


def test_ctrl_c_is_quiet(autoheal: Autoheal, next_door: Neighbour, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("autoheal.cli.status.talk", interrupted)
    told = autoheal("status")
    assert (told.status, told.out, told.err) == (INTERRUPTED, "", "")
