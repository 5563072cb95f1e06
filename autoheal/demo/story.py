"""One run of the demo, from an empty folder to the report: the only place that knows the order of things.

The clock starts when everything answers. The player ends at the end of the data, or earlier: from late autumn on as
soon as no incident is open, so that nothing is judged half-way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

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

#: From then on the demo may end, as soon as nothing is open.
QUIET_END = datetime(2012, 11, 15, tzinfo=UTC)
#: Real seconds between the clock's start and the first row.
LEAD = 5.0

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
    _open: bool = False
    _world: World = field(default_factory=World)

    async def run(self) -> Report:
        """Play it all; AutohealError when a process does not come up."""
        system = SystemClock()
        self.say("training the first version of each model on the first half-year ...")
        place = await asyncio.to_thread(workspace.build, self.root)
        self.say(f"starting model servers, gateway and daemon in {place.root} ...")
        async with running(place, system, self.say) as processes:
            clock = await self._daemon(place, processes, system)
            done = asyncio.Event()
            watching = asyncio.ensure_future(self.watch(place, done))
            following = asyncio.create_task(self._follow(place, system))
            try:
                player = await self._play(place, clock, watching)
                await asyncio.sleep(1.0)
                world = await self._final(place)
            finally:
                done.set()
                following.cancel()
                await asyncio.wait({watching}, timeout=5)
                watching.cancel()
                await asyncio.gather(watching, following, return_exceptions=True)
        return report.make(world, player.books, player.faults)

    async def _daemon(self, place: Workspace, processes: Processes, system: SystemClock) -> ScaledClock:
        anchor = system.now() + timedelta(seconds=LEAD)
        workspace.start_clock(place, anchor, self.speed)
        await processes.keep("daemon", "-m", "autoheal", "run", "--config", str(place.daemon_yaml))
        await processes.answers("daemon", place.telemetry)
        return ScaledClock(START, anchor, self.speed)

    async def _play(self, place: Workspace, clock: ScaledClock, watching: asyncio.Future[None]) -> Player:
        player = Player(
            clock=clock,
            fleet=FLEET,
            faults=faults.plan(self.seed),
            gateway=place.gateway,
            telemetry=place.telemetry,
            registry=Registry(place.registry),
            scratch=self.root / "scratch",
            finished=lambda at: not self.keep and at >= QUIET_END and not self._open,
        )
        playing = asyncio.create_task(player.run())
        await asyncio.wait({playing, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            self.say("the dashboard was closed; the demo ends here")
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await playing
        else:
            await playing
        if self.keep:
            self.say("the data are played out; ctrl-c ends the demo")
            await asyncio.Event().wait()
        return player

    async def _follow(self, place: Workspace, system: SystemClock) -> None:
        """Know whether anything is open, and keep the last world seen."""
        while True:
            with contextlib.suppress(DoorError):
                async with Connection(str(place.view)) as daemon:
                    while True:
                        self._world = (await daemon.snapshot()).world
                        self._open = any(i.open for i in self._world.incidents.values())
                        await system.sleep(0.5)
            await system.sleep(0.5)

    async def _final(self, place: Workspace) -> World:
        try:
            async with Connection(str(place.view)) as daemon:
                return (await daemon.snapshot()).world
        except DoorError as error:
            raise AutohealError(f"the daemon is gone at the end: {error}") from error


async def print_timeline(place: Workspace, done: asyncio.Event, say: Callable[[str], None]) -> None:
    """The headless watcher: a line for each thing that matters, as it happens."""
    following = asyncio.create_task(timeline.follow(str(place.view), say))
    await done.wait()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
