"""kill -9 of kernel and executor at any moment, again and again: every effect once, none lost, one history."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autoheal.domain.names import RunState
from autoheal.store.log import open_world, rebuild
from tests.daemon.actions import Ledger
from tests.daemon.worker import MODELS

WORKER = Path(__file__).with_name("worker.py")
ROOT = Path(__file__).parents[2]


def one_life(state: Path, traces: int, seconds: float) -> int:
    """Start the process and kill it so long after it left so many new traces outside; how it ended."""
    ledger = Ledger(state / "ledger")
    process = subprocess.Popen(
        [sys.executable, str(WORKER), str(state)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    with process.stdout as out:
        assert out.readline() == b"ready\n"
        wanted = len(ledger.lines()) + traces
        while process.poll() is None and len(ledger.lines()) < wanted:
            time.sleep(0.001)
        time.sleep(seconds)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        return process.wait(timeout=30)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_effect_happens_once_over_many_deaths(tmp_path: Path, seed: int) -> None:
    moments = random.Random(seed)
    deaths = 0
    while one_life(tmp_path, moments.randrange(12), moments.uniform(0.0, 0.02)) == -signal.SIGKILL:
        deaths += 1
        assert deaths < 60, "it makes no headway"
    assert deaths >= 4, "it was not really tried"
    log, world = open_world(tmp_path)
    with log:
        assert log.verify() is None
        assert rebuild(log, snapshot=False) == world
        assert sorted(run.model for run in world.runs.values()) == sorted(MODELS)
        assert {run.state for run in world.runs.values()} == {RunState.SUCCEEDED}
        done = [e.event.key for e in log.scan() if e.event.kind == "step_finished"]
    wanted = sorted(f"{run}/{step}" for run in world.runs for step in "abc")
    assert sorted(done) == wanted
    assert sorted(line[1] for line in Ledger(tmp_path / "ledger").effects()) == wanted
