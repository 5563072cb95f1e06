"""Is anything still arriving? The one rule by which monitors say no_data. Pure.

Silence is measured on the daemon's clock since the last arrival, not by the age of the data, so that a feed which is
always a day behind, or comes in batches, is not taken for a dead one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from autoheal.monitors.rows import Floats

#: A feed is late after this many of its usual intervals, but never before LEAST seconds.
INTERVALS = 10.0
LEAST = 300.0
#: Before a feed has an interval (fewer than two arrivals), it may be silent this long, in seconds.
UNKNOWN = 3_600.0
#: How many of the newest rows and arrivals tell the interval.
MEMORY = 500


@dataclass(frozen=True, slots=True)
class Freshness:
    """``silent``: seconds since the last arrival; ``limit``: how many are too many; ``interval``: the usual."""

    silent: float
    limit: float
    interval: float | None

    @property
    def late(self) -> bool:
        return self.silent > self.limit


def freshness(time: Floats, arrived: Floats, as_of: float, stale_after: timedelta | None) -> Freshness | None:
    """How fresh a feed is whose items have these data times and arrivals; None when it never had any."""
    if not len(time):
        return None
    silent = max(as_of - float(arrived.max()), 0.0)
    interval = _interval(time[-MEMORY:], arrived[-MEMORY:])
    if stale_after is not None:
        limit = stale_after.total_seconds()
    else:
        limit = UNKNOWN if interval is None else max(INTERVALS * interval, LEAST)
    return Freshness(silent, limit, interval)


def _interval(time: Floats, arrived: Floats) -> float | None:
    """The usual seconds from item to item, or from batch to batch where items come in batches."""
    arrivals = np.unique(arrived)
    if len(arrivals) < 2:
        return None
    return max(_quantile(np.diff(arrivals), 0.95), _quantile(np.diff(np.sort(time)), 0.5))


def _quantile(values: Floats, at: float) -> float:
    """As ``numpy.quantile``, which takes ten times as long on so few values."""
    ordered = np.sort(values)
    place = at * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (place - low) * (ordered[high] - ordered[low]))
