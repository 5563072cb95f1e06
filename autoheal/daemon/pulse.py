"""The kernel's signs of life: not more often than wanted, and only from the kernel's own loop.

A timer task of its own would go on beating in a daemon whose disk hangs; that is the fault a watchdog is there for.
"""

from __future__ import annotations

from typing import Protocol

from autoheal.clock import Clock


class Watchdog(Protocol):
    """Who wants to hear that the loop lives (``systemd.Notifier``): ``ping`` every ``interval`` real seconds."""

    @property
    def interval(self) -> float | None: ...

    def ping(self) -> None: ...


class Pulse:
    """``beat`` at every turn of the loop."""

    def __init__(self, clock: Clock, watchdog: Watchdog | None) -> None:
        self._clock = clock
        self._watchdog = watchdog
        self._last = clock.monotonic()

    def beat(self) -> float | None:
        """Tell the watchdog, if it is time; the real seconds until the next, None when nobody listens."""
        if self._watchdog is None or self._watchdog.interval is None:
            return None
        now, interval = self._clock.monotonic(), self._watchdog.interval
        if (left := self._last + interval - now) > interval / 10:
            return left
        self._watchdog.ping()
        self._last = now
        return interval
