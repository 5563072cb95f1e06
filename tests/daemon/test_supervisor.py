"""Supervised tasks on a clock that tests move: back-off, what is told, and that nobody falls with a neighbour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from autoheal.clock import SystemClock, VirtualClock
from autoheal.daemon.supervisor import Supervisor
from autoheal.domain.events import Event, TaskStateChanged
from autoheal.errors import ConfigError, Problem, StoreError
from tests.daemon.house import eventually, living


async def moved(clock: VirtualClock, seconds: float) -> None:
    """Let everybody lie down first, then move the clock."""
    await clock.settle()
    await clock.advance(timedelta(seconds=seconds))


class Desk:
    """Hears what is reported."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str]] = []
        self.broken = False

    async def report(self, event: Event) -> int:
        if self.broken:
            raise StoreError("the kernel has ended")
        assert isinstance(event, TaskStateChanged)
        self.heard.append((event.task, event.state, event.detail))
        return len(self.heard)

    def states(self, task: str) -> list[str]:
        return [state for name, state, _ in self.heard if name == task]


@asynccontextmanager
async def supervised() -> AsyncIterator[tuple[Supervisor, VirtualClock, Desk]]:
    clock, desk = VirtualClock(), Desk()
    supervisor = Supervisor(clock, desk.report)
    try:
        yield supervisor, clock, desk
    finally:
        await supervisor.stop()


class Work:
    """Breaks as often as told, then works on."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures = failures
        self.error = error or OSError("target is away")
        self.starts: list[float] = []
        self.clock = VirtualClock()

    async def __call__(self) -> None:
        self.starts.append(self.clock.monotonic())
        if len(self.starts) <= self.failures:
            raise self.error
        await asyncio.Event().wait()


async def test_pauses_double_from_one_second_to_a_minute() -> None:
    async with supervised() as (supervisor, clock, _):
        work = Work(10**6)
        work.clock = clock
        supervisor.add("source", work)
        await moved(clock, 250)
        gaps = [b - a for a, b in zip(work.starts, work.starts[1:], strict=False)]
        assert gaps == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_a_task_that_recovers_says_so_once_it_has_held_out() -> None:
    async with supervised() as (supervisor, clock, desk):
        supervisor.add("source", Work(3))
        await moved(clock, 8)
        assert desk.heard == [
            ("source", "backing_off", "OSError: target is away")
        ]  # told once, not three times
        await moved(clock, 5)
        assert desk.states("source") == ["backing_off", "running"]
        assert supervisor.states == {"source": "running"}


async def test_a_long_good_life_forgets_old_failures() -> None:
    async with supervised() as (supervisor, clock, _):
        ends: list[asyncio.Event] = []
        starts: list[float] = []

        async def work() -> None:
            starts.append(clock.monotonic())
            ends.append(asyncio.Event())
            if len(starts) > 4:
                await ends[-1].wait()
            raise OSError("away")

        supervisor.add("source", work)
        await moved(clock, 300)
        assert len(starts) == 5
        ends[-1].set()
        await clock.settle()
        await moved(clock, 1)
        assert len(starts) == 6


async def test_one_that_breaks_takes_nobody_along() -> None:
    async with supervised() as (supervisor, clock, desk):
        well = Work(0)
        supervisor.add("well", well)
        supervisor.add("broken", Work(10**6))
        await moved(clock, 3600)
        assert len(well.starts) == 1
        assert desk.states("well") == ["running"]


async def test_a_task_that_is_done_is_not_started_again() -> None:
    async with supervised() as (supervisor, clock, desk):
        count = 0

        async def once() -> None:
            nonlocal count
            count += 1

        supervisor.add("once", once)
        await moved(clock, 3600)
        assert count == 1
        assert desk.states("once")[-1] == "stopped"


async def test_a_wrong_configuration_is_not_tried_again() -> None:
    async with supervised() as (supervisor, clock, desk):
        work = Work(10**6, ConfigError((Problem("a.yaml", 3, 1, "no such topic"),)))
        supervisor.add("source", work)
        await moved(clock, 3600)
        assert len(work.starts) == 1
        assert desk.heard[-1][1:] == ("failed", "ConfigError: a.yaml:3:1: error: no such topic")


async def test_a_task_that_cancels_itself_is_a_failure_like_any_other() -> None:
    async with supervised() as (supervisor, clock, desk):
        work = Work(1, asyncio.CancelledError())  # type: ignore[arg-type]
        supervisor.add("source", work)
        await moved(clock, 10)
        assert len(work.starts) == 2
        assert desk.states("source") == ["backing_off", "running"]


async def test_stop_ends_all_and_a_removed_one_can_come_back() -> None:
    async with supervised() as (supervisor, clock, desk):
        ended: list[str] = []

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("x")

        supervisor.add("source", work)
        await clock.settle()
        await supervisor.remove("source")
        assert ended == ["x"]
        assert desk.states("source") == ["running", "stopped"]
        supervisor.add("source", work)
        await clock.settle()
        await supervisor.stop()
        assert ended == ["x", "x"]


async def test_it_goes_on_though_nobody_can_be_told() -> None:
    async with supervised() as (supervisor, clock, desk):
        desk.broken = True
        work = Work(2)
        supervisor.add("source", work)
        await moved(clock, 60)
        assert len(work.starts) == 3


async def test_states_reach_the_log_and_the_world(tmp_path: Path) -> None:
    async with living(tmp_path) as (kernel, _):
        supervisor = Supervisor(SystemClock(), kernel.submit)
        supervisor.add("well", Work(0))
        supervisor.add("away", Work(10**6, OSError("no route 🛰")))
        await eventually(lambda: len(kernel.world.tasks) == 2)
        assert kernel.world.tasks["well"].state == "running"
        assert kernel.world.tasks["away"].state == "backing_off"
        assert kernel.world.tasks["away"].detail == "OSError: no route 🛰"
        await supervisor.stop()
