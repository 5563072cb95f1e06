"""Time, handed in from outside: the only module that asks the machine what time it is.

``Clock`` is what the shell takes; deciding code gets a plain ``now``. ``SystemClock`` is the wall,
``ScaledClock`` runs at a multiple of it from a chosen origin (so that recorded history plays in minutes, and a
restart goes on at the right place), ``VirtualClock`` moves only when told to (tests, backtests).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

#: Never sleep longer than this in one go: a wall clock that was set is noticed within it.
LONGEST_NAP = 5.0


class Clock(Protocol):
    """What the shell needs to know about time."""

    def now(self) -> datetime:
        """The present, timezone-aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds of *real* time from an arbitrary origin: for time-outs of I/O only."""
        ...

    async def sleep_until(self, when: datetime) -> None:
        """Return at ``when`` on this clock, at once if it has passed."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait this many seconds of *real* time (back-off, polling)."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep_until(self, when: datetime) -> None:
        while (left := (when - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - time itself is waited for
            await asyncio.sleep(min(left, LONGEST_NAP))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class ScaledClock:
    """History's clock: at wall time ``anchor`` it shows ``origin``, and it runs ``speed`` times as fast."""

    origin: datetime
    anchor: datetime
    speed: float

    def now(self) -> datetime:
        return self.origin + (datetime.now(UTC) - self.anchor) * self.speed

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep_until(self, when: datetime) -> None:
        while (left := (when - self.now()).total_seconds() / self.speed) > 0:  # noqa: ASYNC110 - as above
            await asyncio.sleep(min(left, LONGEST_NAP))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(slots=True)
class VirtualClock:
    """A clock that stands still until ``advance``; sleepers wake in the order of their times."""

    current: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    _sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def now(self) -> datetime:
        return self.current

    def monotonic(self) -> float:
        return self.current.timestamp()

    async def sleep_until(self, when: datetime) -> None:
        if when <= self.current:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (when, next(self._order), future))
        await future

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.current + timedelta(seconds=seconds))

    async def advance(self, by: timedelta) -> None:
        """Move on by ``by``, waking each sleeper at its own time and letting it run."""
        target = self.current + by
        while self._sleepers and self._sleepers[0][0] <= target:
            when, _, future = heapq.heappop(self._sleepers)
            self.current = max(self.current, when)
            if not future.done():
                future.set_result(None)
            await self.settle()
        self.current = target
        await self.settle()

    @staticmethod
    async def settle(rounds: int = 20) -> None:
        """Let ready tasks run until nothing moves (as far as the loop alone can tell)."""
        for _ in range(rounds):
            await asyncio.sleep(0)
