"""The kernel: the only owner of the world. Takes facts, decides, records durably, and only then shows the result.

One task runs ``queue -> step -> append -> publish``. Sources, monitors, people and the executor ``submit`` facts; the
API and the executor read ``world`` and follow the entries. What surprises:

* Facts that wait together are decided one after the other and recorded in one transaction.
* A fact that cannot be recorded, or that the engine chokes on, is refused to whoever submitted it; the rest goes on.
* If the log cannot be written the kernel stops for good: no action without a durable record.
* Time within the log never runs back: when the clock does, the log stands still until it has caught up, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, Protocol

from autoheal.clock import Clock
from autoheal.daemon.clock_news import clock_news
from autoheal.daemon.pulse import Pulse, Watchdog
from autoheal.daemon.subscription import ROOM, End, Subscription
from autoheal.daemon.turn import Decide, Fact, Turn
from autoheal.daemon.wake import Wake
from autoheal.domain.events import Entry, Event, Ticked
from autoheal.domain.world import World
from autoheal.errors import StoreError
from autoheal.store.codec import canonical

#: Facts that may wait; whoever submits more waits itself.
QUEUE: Final = 1024
#: Facts in one transaction at most, and how long (real seconds) deciding may hold the event loop.
BATCH: Final = 128
SLICE: Final = 0.05
#: Real seconds between two ticks of an engine that asks for the past.
IMPATIENCE: Final = 0.05


class KernelStoppedError(StoreError):
    """The kernel takes nothing more; the message says why."""


class Log(Protocol):
    """What the kernel needs of ``store.log.EventLog``."""

    async def append(self, batch: Sequence[Entry]) -> object: ...

    def read(self, after: int = 0, limit: int = 1000) -> list[Entry]: ...


class Kernel:
    """See the module. ``run`` is the loop; everything else may be called from any task of the same event loop."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        world: World,
        *,
        step: Decide | None = None,
        watchdog: Watchdog | None = None,
        queue: int = QUEUE,
    ) -> None:
        self.world = world
        self._log = log
        self._clock = clock
        self._step = step or _engine_step()
        self._pulse = Pulse(clock, watchdog)
        self._facts: asyncio.Queue[Fact] = asyncio.Queue(queue)
        self._bell = asyncio.Event()
        self._alarm = Wake(clock, self._bell)
        self._readers: set[Subscription] = set()
        self._waiters: set[asyncio.Future[None]] = set()
        self._stopping = False
        self._cancelled = False
        self._over: End | None = None
        self._why = ""

    # --- for everybody ------------------------------------------------------------------------------------------

    @property
    def seq(self) -> int:
        """The number of the newest published entry."""
        return self.world.seq

    @property
    def waiting(self) -> int:
        """Facts that have not been decided on yet."""
        return self._facts.qsize()

    def now(self) -> datetime:
        """Policy time as the log sees it: the clock's, but never before the newest entry."""
        return _not_before(self._clock.now(), self.world)

    async def submit(self, event: Event) -> int:
        """Hand in a fact; returns its number in the log once it and all that follows from it are on the disk.

        Waits when the queue is full. Raises UnrecordableError for a fact with no faithful form on disk, the engine's
        own error if it chokes on the fact, KernelStoppedError when the kernel has ended. Cancelling the wait does not
        take the fact back.
        """
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        fact = Fact(canonical(event), done)
        if self._stopping or self._over:
            raise self._stopped()
        await self._facts.put(fact)
        if self._over:  # it ended while we waited for room
            self._refuse_waiting()
        self._bell.set()
        return await asyncio.shield(done)

    def subscribe(self, after: int | None = None, *, room: int = ROOM) -> Subscription:
        """Entries after number ``after`` (None: from now on); a reader that falls behind is cut off."""
        return Subscription(self, self.seq if after is None else after, room)

    async def changed(self, after: int) -> World:
        """The world as soon as it is newer than entry ``after``. KernelStoppedError when there will be none."""
        while self.world.seq <= after:
            if self._over:
                raise self._stopped()
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        return self.world

    def stop(self) -> None:
        """Take no new facts, record those that wait, then leave ``run``."""
        self._stopping = True
        self._bell.set()

    # --- the loop -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until ``stop``, or StoreError when the log cannot be written."""
        try:
            while not self._cancelled and not (self._stopping and self._facts.empty()):
                await self._wait()
                await self._turn()
        except BaseException as error:
            self._why = str(error) or type(error).__name__
            self._finish(End.STOPPED if isinstance(error, asyncio.CancelledError) else End.FAILED)
            raise
        self._finish(End.STOPPED)
        if self._cancelled:
            raise asyncio.CancelledError

    async def _wait(self) -> None:
        """Until there is a fact, something is due, the watchdog wants a sign, or we are to stop."""
        self._alarm.nap(self._pulse.beat())
        if self._facts.empty() and not self._stopping and not self._alarm.due(self.now()):
            await self._bell.wait()
        self._bell.clear()

    async def _turn(self) -> None:
        """Decide on what is there, record it all in one go, then show it."""
        turn = Turn(self.world, self._step)
        started = self._clock.monotonic()
        for fact in self._due_facts():
            turn.take(fact, _not_before(self._clock.now(), turn.world))
            if self._clock.monotonic() - started > SLICE:
                break
        if not turn.decided:
            return
        try:
            await self._record(turn.entries)
        except Exception as error:
            turn.fail(KernelStoppedError(f"not recorded: {error}"))
            raise
        self._publish(turn)
        self._set_alarm(turn)

    def _due_facts(self) -> Iterator[Fact]:
        """What a turn decides on: the kernel's own facts first (the clock's health, time), then those that wait."""
        if (news := clock_news(self.world, self._clock.now())) is not None:
            yield Fact(news)
        if self._alarm.due(self.now()):
            yield Fact(Ticked())
        for _ in range(BATCH):
            if self._facts.empty():
                return
            yield self._facts.get_nowait()

    async def _record(self, entries: Sequence[Entry]) -> None:
        """A cancelled kernel still waits for its append, and shows it: nobody may close the log beneath it."""
        append = asyncio.ensure_future(self._log.append(entries))
        try:
            await asyncio.shield(append)
        except asyncio.CancelledError:
            await asyncio.wait({append})
            self._cancelled = True
            append.result()

    def _publish(self, turn: Turn) -> None:
        self.world = turn.world
        for reader in tuple(self._readers):
            reader.offer(turn.entries)
        self._wake_waiters()
        turn.tell()

    def _set_alarm(self, turn: Turn) -> None:
        self._alarm.set(turn.wake_at)
        if turn.ticked and self._alarm.due(self.now()):
            self._alarm.hold(IMPATIENCE)

    # --- the end ------------------------------------------------------------------------------------------------

    def _finish(self, how: End) -> None:
        self._over = how
        self._alarm.close()
        for reader in tuple(self._readers):
            reader.end(how)
        self._wake_waiters()
        self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        while not self._facts.empty():
            self._facts.get_nowait().fail(self._stopped())

    def _wake_waiters(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _stopped(self) -> KernelStoppedError:
        how = self._over or End.STOPPED
        return KernelStoppedError(f"{how}: {self._why}" if self._why else str(how))

    # --- what a subscription needs ------------------------------------------------------------------------------

    def past(self, after: int, limit: int) -> list[Entry]:
        return self._log.read(after, limit)

    def join(self, subscription: Subscription) -> End | None:
        if self._over is None:
            self._readers.add(subscription)
        return self._over

    def leave(self, subscription: Subscription) -> None:
        self._readers.discard(subscription)


def _not_before(now: datetime, world: World) -> datetime:
    return max(now, world.at) if world.at else now


def _engine_step() -> Decide:
    from autoheal.engine.step import step  # noqa: PLC0415 - tests of the kernel bring their own

    return step
