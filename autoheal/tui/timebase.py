"""What time it is for the daemon, between two of its messages. Pure.

The daemon's clock may stand wrong, or run 400,000 times as fast (a demo, a replay). Each snapshot shows it once; from
two of them follows its speed, so that ages on the screen go on while nothing arrives. Surprise: a speed near one is
taken as one, because a jitter of the network is no change of speed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

#: Real seconds between two readings that a speed may be derived from.
_APART = 0.4
_NEARLY_ONE = (0.8, 1.25)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Timebase:
    """``now`` was the daemon's time at real second ``moment``; it runs at ``speed``."""

    now: datetime = _EPOCH
    moment: float = 0.0
    speed: float = 1.0
    known: bool = False

    def observed(self, now: datetime, moment: float) -> Timebase:
        """After the daemon said ``now`` at real second ``moment``."""
        if not self.known:
            return Timebase(now, moment, 1.0, known=True)
        passed = moment - self.moment
        if passed < _APART:
            return self
        speed = max(0.0, (now - self.now).total_seconds() / passed)
        if _NEARLY_ONE[0] <= speed <= _NEARLY_ONE[1]:
            speed = 1.0
        return Timebase(now, moment, speed, known=True)

    def at(self, moment: float) -> datetime:
        """The daemon's time at real second ``moment``; it never goes back behind what was said."""
        passed = max(0.0, moment - self.moment) * self.speed
        return self.now + timedelta(seconds=min(passed, 1e9))
