"""A daemon's heart as a process of its own, to be killed by ``test_kill``: kernel, executor, and ten runs to finish.

usage: python worker.py STATE: prints ``ready`` when the executor starts, exits 0 when all runs have ended.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoheal.actions.contract import Done
from autoheal.clock import SystemClock
from autoheal.daemon.executor import Executor
from autoheal.daemon.kernel import Kernel
from autoheal.domain import events as ev
from autoheal.domain.names import RunState, StepKey
from autoheal.domain.specs import RunbookSpec, StepSpec
from autoheal.store.log import open_world
from tests.daemon.actions import Act, Ledger
from tests.daemon.test_executor import bare_context
from tests.engine.build import config, model

MODELS = tuple(f"m{n}" for n in range(10))


class Slow(Act):
    """Takes its time on both sides of the effect, so that kills fall everywhere."""

    async def apply(self, key: StepKey, params: Any, ctx: Any) -> Done:
        await asyncio.sleep(0.01)
        done = await super().apply(key, params, ctx)
        await asyncio.sleep(0.01)
        return done


async def main(state: Path) -> None:
    log, world = open_world(state)
    kernel = Kernel(log, SystemClock(), world)
    running = asyncio.create_task(kernel.run())
    if not world.runs:
        await _begin(kernel)
    act = Slow(Ledger(state / "ledger"))
    executor = Executor(kernel, SystemClock(), {"act": act}, bare_context(state), written=log.started)
    os.write(1, b"ready\n")
    working = asyncio.create_task(executor.run())
    while any(run.state is RunState.RUNNING for run in kernel.world.runs.values()):
        await kernel.changed(kernel.seq)
    await executor.stop()
    working.cancel()
    kernel.stop()
    await running
    log.close()


async def _begin(kernel: Kernel) -> None:
    params = {"model": "${{ model }}"}
    book = RunbookSpec("book", tuple(StepSpec(s, "act", params) for s in "abc"), {"model": "model"})
    specs = config(models=tuple(model(m) for m in MODELS))
    wishes = [ev.RunRequested("book", m, {}, "ann") for m in MODELS]  # type: ignore[arg-type]
    await asyncio.gather(
        kernel.submit(ev.ConfigApplied(replace(specs, runbooks={"book": book}, policies=()))),
        *(kernel.submit(wish) for wish in wishes),
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
