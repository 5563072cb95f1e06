"""The table, the JSON and the verdict, from worlds as the daemon leaves them; the timeline's sentences."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autoheal.actions.targets.registry import Registry
from autoheal.clock import VirtualClock
from autoheal.demo import report, timeline
from autoheal.demo.faults import BadRelease, Faults, UpstreamFault
from autoheal.demo.feeds import Row
from autoheal.demo.fleet import FLEET
from autoheal.demo.player import Player
from autoheal.domain import events as ev
from autoheal.domain.names import Cause, IncidentId, IncidentState, ModelName, Severity, Target, alarm_key
from autoheal.domain.reason import Reason
from autoheal.domain.records import Attempt, Hypothesis, Incident
from autoheal.domain.world import World

T0 = datetime(2011, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
FAULTS = Faults(
    BadRelease("loan-repayment", T0, "driver_tenure", 12.0),
    UpstreamFault("temp", T0 + 300 * DAY, T0 + 330 * DAY),
)
BIKES = ("bike-demand", "bike-busy")


def incident(
    number: int, target: str, models: tuple[str, ...], cause: Cause, day: int, *tried: str, **rest
) -> Incident:
    """One that opened on ``day`` and closed ten days later; ``tried`` are runbooks, ``x`` behind one that failed."""
    at = T0 + day * DAY
    attempts = tuple(
        Attempt(n, "p", t.rstrip("x"), (), at + timedelta(hours=n), "failed" if t.endswith("x") else "healed")
        for n, t in enumerate(tried)
    )
    made = Incident(
        id=IncidentId(f"INC-{number:04d}"),
        target=Target(target),
        models=tuple(ModelName(m) for m in models),
        state=IncidentState.CLOSED,
        opened_at=at,
        started_at=at - 4 * DAY,
        alarms=(alarm_key(target, "performance", "mae"),),
        severity=Severity.WARNING,
        causes=(Hypothesis(cause, 0.8, Reason("because", holds=True)),),
        attempts=attempts,
        verified=True,
        closed_at=at + 10 * DAY,
        outcome="healed",
    )
    return replace(made, **rest)


def whole() -> list[Incident]:
    loan = ("loan-repayment",)
    return [
        incident(1, "loan-repayment", loan, Cause.BAD_RELEASE, 7, "rollback"),
        incident(2, "bike-demand", ("bike-demand",), Cause.CONCEPT_DRIFT, 90, "retrainx", "retrain"),
        incident(3, "loan-repayment", loan, Cause.COVARIATE_DRIFT, 160, "notifyx", "retrain"),
        incident(4, "upstream:weather", BIKES, Cause.UPSTREAM_FAULT, 302, "fallback", "restore"),
        incident(
            5,
            "bike-busy",
            ("bike-busy",),
            Cause.CONCEPT_DRIFT,
            302,
            outcome="part of INC-0004",
            verified=False,
        ),
    ]


@pytest.fixture
def player(tmp_path: Path) -> Player:
    """With books of a row a day: off by 1 with healing, by 3 without."""
    found = Player(
        VirtualClock(), FLEET, FAULTS, "", "", Registry.open(tmp_path), tmp_path, lambda _at: False
    )
    found.released_at = T0 + timedelta(hours=2)
    for model in FLEET:
        for day in range(400):
            row = Row(T0 + day * DAY, str(day), {}, 1.0)
            healed = None if day == 50 else 2.0 if model.metric == "mae" else 1.0
            found.books.note(model.name, row, healed, 4.0 if model.metric == "mae" else 0.0)
    return found


def made(player: Player, incidents: list[Incident]) -> report.Report:
    return report.make(World(incidents={i.id: i for i in incidents}), player)


def test_everything_healed_is_good(player: Player) -> None:
    found = made(player, whole())
    assert found.good
    assert [(line.incident, line.model) for line in found.lines] == [
        ("INC-0001", "loan-repayment"),
        ("INC-0002", "bike-demand"),
        ("INC-0003", "loan-repayment"),
        ("INC-0004", "bike-demand"),
        ("INC-0004", "bike-busy"),
    ]
    assert [line.action for line in found.lines[:4]] == [
        "rollback ✓",
        "retrain ✗✓",
        "notify, retrain ✓",
        "fallback ✓, restore ✓",
    ]
    assert found.lines[1].healed == 1.0
    assert found.lines[1].alone == 3.0


def test_what_the_player_broke_is_dated_by_the_player(player: Player) -> None:
    lines = made(player, whole()).lines
    assert [line.dated_by for line in lines] == ["player", "autoheal", "autoheal", "player", "player"]
    assert [line.detect for line in lines[:4]] == [7 * DAY - timedelta(hours=2), 4 * DAY, 4 * DAY, 2 * DAY]


@pytest.mark.parametrize(
    ("spoil", "missing"),
    [
        (lambda i: i[1:], "bad release"),
        (lambda i: [replace(i[0], attempts=i[1].attempts), *i[1:]], "bad release"),
        (lambda i: [*i[:3], i[4]], "broken feed made 0"),
        (lambda i: [*i, replace(i[3], id=IncidentId("INC-0009"))], "broken feed made 2"),
        (lambda i: [*i[:3], replace(i[3], attempts=i[1].attempts)], "retrained on broken data"),
        (lambda i: [i[0], *i[2:]], "no drift of the bikes"),
        (lambda i: [*i[:2], *i[3:]], "shift of loan-repayment"),
        (lambda i: [*i, incident(8, "bike-demand", BIKES[:1], Cause.CONCEPT_DRIFT, 200, verified=False)], ""),
        (lambda i: [replace(i[0], state=IncidentState.VERIFYING, closed_at=None), *i[1:]], ""),
        (lambda i: [], "bad release"),
    ],
)
def test_anything_less_is_not(player: Player, spoil, missing: str) -> None:
    found = made(player, spoil(whole()))
    assert not found.good
    assert missing in " ".join(found.missing)
    assert "NOT everything healed" in report.table(found)


def test_what_was_stopped_is_not_good_and_misses_nothing(player: Player) -> None:
    incidents = whole()[:1]
    found = report.make(World(incidents={i.id: i for i in incidents}), player, complete=False)
    assert not found.good
    assert not found.missing
    assert "stopped before the end" in report.table(found)


def test_the_table_and_the_json_say_the_same(player: Player) -> None:
    found = made(player, whole())
    text = report.table(found)
    data = json.loads(json.dumps(report.as_json(found)))
    assert "every incident healed and was verified" in text
    assert max(map(len, text.splitlines())) <= 140
    for line in data["incidents"]:
        row = next(r for r in text.splitlines() if r.startswith(line["incident"]) and line["model"] in r)
        assert line["cause"].replace("_", " ") in row
        assert line["action"] in row
        assert ("✓ yes" in row) == line["verified"]
    narrow = report.table(found, 80)
    assert max(map(len, narrow.splitlines())) <= 80
    assert all(line["incident"] in narrow for line in data["incidents"])
    assert [m["unanswered"] for m in data["overall"]] == [1, 1, 1]
    assert data["injected"]["bad_release"]["column"] == "driver_tenure"
    assert data["good"] is True


def test_the_timeline_tells_what_matters_and_falls_over_nothing() -> None:
    first = whole()[0]
    told = [
        (ev.DaemonStarted("1"), "daemon started"),
        (ev.IncidentOpened(first), "INC-0001 opened on loan-repayment"),
        (ev.CauseAssessed(first.id, first.causes), "cause: bad_release"),
        (ev.AttemptFailed(first.id, "not_healed", "still bad"), "not healed: still bad"),
        (ev.IncidentEscalated(first.id, "help"), "needs a person"),
        (ev.IncidentClosed(first.id, "healed", verified=True), "(verified)"),
        (ev.AlarmResolved(first.alarms[0]), "performance/mae is quiet again"),
        (ev.IncidentEscalated(first.id, "x" * 500), "…"),
    ]
    for event, part in told:
        assert part in timeline.sentence(event)
        assert len(timeline.sentence(event)) <= timeline.WIDTH
    assert timeline.sentence(ev.Ticked()) == ""


def test_the_timeline_does_not_repeat_itself() -> None:
    said: set[str] = set()
    again = ev.IncidentEscalated(IncidentId("INC-0001"), "help")
    assert [bool(timeline.news(again, said)) for _ in range(3)] == [True, False, False]
    champion = ev.DaemonStarted("1")
    assert [bool(timeline.news(champion, said)) for _ in range(2)] == [True, True]
