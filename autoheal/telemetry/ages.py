"""How fine history is at which age: minutes for hours, hours for a month, days for a year. Pure.

Every moment of a model's time lies in exactly one bucket, whatever its width, so that a window is a sum of buckets. The
age is counted from the newest data of the model and not from the machine's clock: recorded data replays the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoheal.monitors.rows import Floats
from autoheal.telemetry.grid import Cells

MINUTE, HOUR, DAY = 60, 3_600, 86_400
#: A time further ahead of its arrival than this is a wrong clock, and ages nothing: one would make all history old.
AHEAD = HOUR


@dataclass(frozen=True, slots=True)
class Ages:
    """Seconds for which buckets of a minute, of an hour, and of a day are kept."""

    minutes: int = 6 * HOUR
    hours: int = 31 * DAY
    days: int = 400 * DAY

    def edges(self, newest: float) -> tuple[int, int, int]:
        """From when on there are minutes, hours, days: each on the border of the next wider bucket."""
        minutes = int(newest - self.minutes) // HOUR * HOUR
        hours = min(int(newest - self.hours) // DAY * DAY, minutes // DAY * DAY)
        return minutes, hours, min(int(newest - self.days) // DAY * DAY, hours)

    def bucket(self, times: Floats, newest: float) -> tuple[Cells, Cells]:
        """Width and start of the bucket of each time, in seconds. Days beyond the one that follows the newest data are of a
        wrong clock: their minutes would get old only when that time comes, so they are days at once."""
        minutes, hours, _ = self.edges(newest)
        far = (newest // DAY + 2) * DAY
        width = np.where(times >= minutes, MINUTE, np.where(times >= hours, HOUR, DAY)).astype(np.int64)
        width[times >= far] = DAY
        return width, np.floor_divide(times, width).astype(np.int64) * width


def newest_of(times: Floats, arrived: float, before: float) -> float:
    """The newest data time so far: of these times (at least one) that came at ``arrived``, and ``before``."""
    latest = float(times.max())
    if latest > arrived + AHEAD:
        sound = times[times <= arrived + AHEAD]
        latest = float(sound.max()) if len(sound) else before
    return max(latest, before)


def wider(width: int) -> int:
    """What a bucket is added up to when it gets old."""
    return HOUR if width == MINUTE else DAY


def coarse(edges: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Which widths are added up before which time: (width, before)."""
    return ((MINUTE, edges[0]), (HOUR, edges[1]))
