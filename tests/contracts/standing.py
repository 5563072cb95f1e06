"""A clock for sources that poll: data time is moved by hand, I/O and its time-outs run in real time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from autoheal.clock import SystemClock
from autoheal.telemetry.values import from_unix


@dataclass
class Standing:
    """``at``: data time in unix seconds."""

    at: float
    real: SystemClock = field(default_factory=SystemClock)

    def now(self) -> datetime:
        return from_unix(self.at)

    def monotonic(self) -> float:
        return self.real.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self.real.sleep(seconds)

    async def sleep_until(self, when: datetime) -> None:
        await asyncio.Event().wait()
