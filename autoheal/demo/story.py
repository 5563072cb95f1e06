"""One run of the demo, from an empty folder to the report: the only place that knows the order of things.

The clock starts when everything answers. The player ends at the end of the data, or earlier: from autumn on as soon as
no incident is open, so that nothing is judged half-way. A first ctrl-c ends the play and still gives the report.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from autoheal.actions.targets.registry import Registry
from autoheal.client.connection import Connection
from autoheal.clock import ScaledClock, SystemClock
from autoheal.demo import faults, report, timeline, workspace
from autoheal.demo.feeds import START
from autoheal.demo.fleet import FLEET
from autoheal.demo.player import Player
from autoheal.demo.processes import Processes, running
from autoheal.demo.report import Report
from autoheal.demo.workspace import Workspace
from autoheal.domain.world import World
from autoheal.errors import AutohealError, DoorError

#: From then on the demo may end, as soon as nothing is open: an incident that begins later might not see its labels.
QUIET_END = datetime(2012, 11, 1, tzinfo=UTC)
#: Real seconds between the start of the daemon and the first row.
LEAD = 6.0
#: Real seconds that open incidents are waited for when the data are at their end.
PATIENCE = 6.0

T = TypeVar("T")
Watcher = Callable[[Workspace, asyncio.Event], Awaitable[None]]


@dataclass(slots=True)
class Story:
    """``say`` prints a line; ``watch`` shows the daemon meanwhile (timeline or dashboard) until the event is set."""

    root: Path
    seed: int
    speed: float
    say: Callable[[str], None]
    watch: Watcher
    keep: bool = False
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _open: bool = False

    async def run(self) -> Report:
        """Play it all; AutohealError when a process does not come up."""
        system = SystemClock()
        with self._signals():
            self.say("training the first version of each model ...")
            place = await self._unless_stopped(asyncio.to_thread(workspace.build, self.root))
            self.say(f"starting model servers, gateway and daemon in {place.root} ...")
            async with running(place, system, self.say) as processes:
                clock = await self._unless_stopped(self._daemon(place, processes, system))
                return await self._play(place, clock, system)

    async def _daemon(self, place: Workspace, processes: Processes, system: SystemClock) -> ScaledClock:
        anchor = system.now() + timedelta(seconds=LEAD)
        workspace.start_clock(place, anchor, self.speed)
        await processes.keep("daemon", "-m", "autoheal", "run", "--config", str(place.daemon_yaml))
        await processes.answers("daemon", place.telemetry)
        return ScaledClock(START, anchor, self.speed)

    async def _play(self, place: Workspace, clock: ScaledClock, system: SystemClock) -> Report:
        player = self._player(place, clock)
        done = asyncio.Event()
        playing = asyncio.create_task(player.run())
        watching = asyncio.ensure_future(self.watch(place, done))
        following = asyncio.create_task(self._follow(place, system))
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({playing, watching, stopped}, return_when=asyncio.FIRST_COMPLETED)
            complete = playing.done()
            if complete:
                playing.result()
                await self._settled(system)
            world = await self._world(place)
        finally:
            done.set()
            for task in (playing, following, stopped):
                task.cancel()
            await asyncio.wait({watching}, timeout=5)
            watching.cancel()
            await asyncio.gather(playing, watching, following, stopped, return_exceptions=True)
        if watching.done() and not watching.cancelled() and (error := watching.exception()):
            raise error
        return report.make(world, player, complete=complete)

    def _player(self, place: Workspace, clock: ScaledClock) -> Player:
        return Player(
            clock=clock,
            fleet=FLEET,
            faults=faults.plan(self.seed),
            gateway=place.gateway,
            telemetry=place.telemetry,
            registry=Registry(place.registry),
            scratch=self.root / "scratch",
            finished=lambda at: not self.keep and at >= QUIET_END and not self._open,
            say=self.say,
            endless=self.keep,
        )

    async def _follow(self, place: Workspace, system: SystemClock) -> None:
        """Know whether any incident is open; a daemon that is away leaves the last answer standing."""
        while True:
            with contextlib.suppress(DoorError):
                async with Connection(place.view) as daemon:
                    while True:
                        self._open = bool(await daemon.incidents("open"))
                        await system.sleep(0.3)
            await system.sleep(0.3)

    async def _settled(self, system: SystemClock) -> None:
        until = system.monotonic() + PATIENCE
        await system.sleep(1.0)
        while self._open and system.monotonic() < until:
            await system.sleep(0.2)

    async def _world(self, place: Workspace) -> World:
        try:
            async with Connection(place.view) as daemon:
                return (await daemon.snapshot()).world
        except DoorError as error:
            raise AutohealError(f"the daemon is gone at the end: {error}") from error

    # --- being stopped --------------------------------------------------------------------------------------------

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """The first signal ends the play, the next one everything, and so does a terminal that went away."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()

        def on_signal(number: signal.Signals) -> None:
            if task is not None and (self._stop.is_set() or number is signal.SIGHUP):
                task.cancel()
            self._stop.set()

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in numbers:
            loop.add_signal_handler(number, on_signal, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    async def _unless_stopped(self, work: Awaitable[T]) -> T:
        """The result of ``work``; AutohealError when somebody stops the demo first."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise AutohealError("stopped before it began")
            return task.result()
        finally:
            stopped.cancel()
            task.cancel()


async def print_timeline(place: Workspace, done: asyncio.Event, say: Callable[[str], None]) -> None:
    """The headless watcher: a line for each thing that matters, as it happens."""
    following = asyncio.create_task(timeline.follow(str(place.view), say))
    await done.wait()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
