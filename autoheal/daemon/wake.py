"""When the kernel must look again without news: one bell, rung by policy time, by real time, or by whoever has a fact.

Used by the kernel only. The timers ring; what is due is decided by whoever hears the bell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime

from autoheal.clock import Clock


class Wake:
    """Rings ``bell`` at a moment of policy time and after naps of real time."""

    def __init__(self, clock: Clock, bell: asyncio.Event) -> None:
        self._clock = clock
        self._bell = bell
        self._when: datetime | None = None
        self._timer: asyncio.Task[None] | None = None
        self._nap: asyncio.Task[None] | None = None
        self._hold: asyncio.Task[None] | None = None

    def set(self, when: datetime | None) -> None:
        """Ring at ``when`` (policy time); None takes the present setting back."""
        if when == self._when:
            return
        self._when = when
        self._drop(self._timer)
        self._timer = None if when is None else self._ring_after(self._clock.sleep_until(when))

    def due(self, now: datetime) -> bool:
        """Whether the moment has come, unless it is being held."""
        holding = self._hold is not None and not self._hold.done()
        return self._when is not None and self._when <= now and not holding

    def nap(self, seconds: float | None) -> None:
        """Ring after so many real seconds, unless a nap is running already."""
        if seconds is not None and (self._nap is None or self._nap.done()):
            self._nap = self._ring_after(self._clock.sleep(seconds))

    def hold(self, seconds: float) -> None:
        """Nothing is due for so many real seconds: keeps an engine that asks for the past from spinning."""
        if self._hold is None or self._hold.done():
            self._hold = self._ring_after(self._clock.sleep(seconds))

    def close(self) -> None:
        for task in (self._timer, self._nap, self._hold):
            self._drop(task)

    def _ring_after(self, wait: Coroutine[None, None, None]) -> asyncio.Task[None]:
        async def ring() -> None:
            await wait
            self._bell.set()

        return asyncio.create_task(ring(), name="kernel-timer")

    @staticmethod
    def _drop(task: asyncio.Task[None] | None) -> None:
        if task is not None:
            task.cancel()
