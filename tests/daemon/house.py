"""What the daemon's tests share: a small pure engine, a running kernel and its rounds, waiting with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from autoheal.actions.targets.registry import Registry
from autoheal.clock import Clock, SystemClock
from autoheal.daemon.history import History
from autoheal.daemon.kernel import Kernel
from autoheal.daemon.rounds import Rounds
from autoheal.daemon.watch import Watch
from autoheal.domain import events as ev
from autoheal.domain.events import Entry, Event
from autoheal.domain.records import Pause
from autoheal.domain.world import World
from autoheal.engine.apply import apply
from autoheal.engine.step import Step
from autoheal.store.log import EventLog, open_world
from autoheal.telemetry.reference import References
from autoheal.telemetry.service import Telemetry


def small_step(world: World, event: Event, now: datetime) -> Step:
    """Keeps books and lifts pauses when they are over; chokes on a refused configuration."""
    if isinstance(event, ev.ConfigRefused):
        raise ZeroDivisionError("the engine chokes")
    happened: list[Event] = [event]
    if isinstance(event, ev.Ticked):
        over = [p for p in world.pauses.values() if p.until and p.until <= now]
        happened += [ev.PauseLifted(p.scope, "time") for p in over]
    for each in happened:
        world = apply(world, Entry(world.seq + 1, now, each))
    return Step(
        world, tuple(happened), min((p.until for p in world.pauses.values() if p.until), default=None)
    )


def pause(scope: str, since: datetime, until: datetime | None = None) -> ev.PauseSet:
    return ev.PauseSet(Pause(scope, "ann", "because", since, until))


def news(n: int) -> ev.TaskStateChanged:
    return ev.TaskStateChanged(f"task-{n}", "running", f"news {n}")


@asynccontextmanager
async def living(
    path: Path, clock: Clock | None = None, step: Any = small_step, **options: Any
) -> AsyncIterator[tuple[Kernel, EventLog]]:
    """A kernel on a real log, running; stopped in good order at the end."""
    log, world = open_world(path)
    kernel = Kernel(log, clock or SystemClock(), world, step=step, **options)
    task = asyncio.create_task(kernel.run())
    try:
        yield kernel, log
    finally:
        kernel.stop()
        with suppress(Exception):
            await asyncio.wait_for(task, 10)
        log.close()


async def eventually(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Until it holds; AssertionError when the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.005)


HOUR = timedelta(hours=1)


@asynccontextmanager
async def watching(
    folder: Path, registry: Registry, kernel: Kernel, telemetry: Telemetry
) -> AsyncIterator[Rounds]:
    """The rounds of a daemon, twenty a second, ended with the block."""
    clock = SystemClock()
    rounds = Rounds(
        clock=clock,
        world=lambda: kernel.world,
        submit=kernel.submit,
        telemetry=telemetry,
        references=References(registry.reference_path),
        watch=Watch(clock, registry, None, telemetry, timedelta(days=1)),
        history=History(),
        state_file=folder / "monitors.json",
        beat=0.05,
    )
    task = asyncio.create_task(rounds.run())
    try:
        yield rounds
    finally:
        task.cancel()
        await asyncio.wait({task})
