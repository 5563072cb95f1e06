"""kill -9 of the real daemon before and after the effect of every step of rollback and retrain, then a restart: the run
ends as it would have, and no effect is lost or done twice."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import httpx
import pytest

from autoheal.actions.targets.champion import Moved
from tests.integration.place import MODEL, Place, place, wait_for

ROLLBACK = ("target", "prove", "switch", "pin", "tell")
RETRAIN = ("data", "train", "gate", "register", "switch", "pin", "tell")
CASES = [
    (runbook, step, when)
    for runbook, steps in (("rollback", ROLLBACK), ("retrain", RETRAIN))
    for step in steps
    for when in ("before", "after")
]


def ask_for(here: Place, runbook: str) -> None:
    """Ask a daemon that is about to die. The request is written down before it is answered, so the run may begin, and
    kill the daemon, while the answer is still on its way; that it began is seen by the daemon's death."""
    with here.control() as control, contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError):
        answer = control.post("/v1/runs", json={"runbook": runbook, "model": MODEL, "inputs": {}})
        assert answer.status_code < 300, answer.text


@pytest.mark.parametrize(("runbook", "step", "when"), CASES, ids=["-".join(c) for c in CASES])
def test_killed_at(tmp_path: Path, runbook: str, step: str, when: str) -> None:
    with place(tmp_path) as here:
        first = here.start_daemon(step, when)
        assert here.push(here.telemetry()).status_code == 202
        ask_for(here, runbook)
        wait_for(lambda: first.poll() is not None, "it was not killed")
        assert first.returncode == -signal.SIGKILL

        here.start_daemon()
        ended = wait_for(lambda: here.of_kind("run_ended"), "the run does not end")
        assert [e.state for e in ended] == ["succeeded"], (ended, here.of_kind("step_finished"))
        expect_once(here, runbook)


def expect_once(here: Place, runbook: str) -> None:
    """The world outside, after it all."""
    moves = [m for m in here.registry.history(MODEL) if isinstance(m, Moved)][2:]
    new = {v.version for v in here.registry.versions(MODEL)} - {"v1", "v2", "stand-in"}
    champion = here.registry.champion(MODEL)
    assert champion is not None
    if runbook == "rollback":
        assert (champion.version, new) == ("v1", set())
    else:
        assert new == {champion.version}
    assert [m.version for m in moves] == [champion.version]
    route = here.route()
    assert route["weights"] == {champion.version: 100.0}
    assert len(route["moves"]) == 1
    done = [e.step for e in here.of_kind("step_finished") if e.outcome == "done"]
    assert sorted(done) == sorted(set(done)) == sorted(ROLLBACK if runbook == "rollback" else RETRAIN)
    settled = wait_for(
        lambda: list((here.root / "state" / "outbox" / "settled").iterdir()), "nobody was told"
    )
    assert len(settled) == 1
