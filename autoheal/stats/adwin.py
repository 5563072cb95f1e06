"""ADWIN: a window that drops its past when the past differs from the present.

Pure. Bifet & Gavalda, "Learning from time-changing data with adaptive windowing" (2007): values are kept in an
exponential histogram (at most five buckets of each power of two); whenever two neighbouring parts of it differ
in mean by more than ``sqrt(2 v ln(2/d)/m) + 2 ln(2/d)/(3m)``, d = delta / ln(n), m the harmonic size, the older
one is dropped. A familiar name: its delta is not a rate of false alarms (0.2 gave one in 48,000 rows, 0.002 none
in 6 million), so it carries no budget.

Values in [0, 1]. The state is plain data, O(log n). Raises ValueError for values outside [0, 1] or NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from autoheal.stats import inputs

PER_SIZE = 5
CLOCK = 32  # rows between two looks, as in the authors' code
LEAST_PART = 5


@dataclass(frozen=True, slots=True)
class Bucket:
    """Rows, their sum, and their sum of squares."""

    rows: int
    total: float
    squares: float

    def __add__(self, other: Bucket) -> Bucket:
        return Bucket(self.rows + other.rows, self.total + other.total, self.squares + other.squares)


@dataclass(frozen=True, slots=True)
class Adwin:
    """The window, oldest bucket first; ``alarm``: the last update dropped some past, ``rose``: for a higher mean."""

    delta: float = 0.002
    buckets: tuple[Bucket, ...] = ()
    seen: int = 0
    alarm: bool = False
    rose: bool = False

    @property
    def whole(self) -> Bucket:
        """Sums of the window."""
        return _sum(self.buckets)

    @property
    def mean(self) -> float:
        """Mean of the window; 0 when it is empty."""
        held = self.whole
        return held.total / held.rows if held.rows else 0.0

    def update(self, x: float) -> Adwin:
        """Enter one value in [0, 1]; every 32 rows the window is examined."""
        if not 0.0 <= x <= 1.0:
            raise ValueError(f"a value must lie in [0, 1], got {x}")
        inputs.fraction("delta", self.delta)
        kept = _compress((*self.buckets, Bucket(1, float(x), float(x) ** 2)))
        after = replace(self, buckets=kept, seen=self.seen + 1, alarm=False, rose=False)
        return _examine(after) if after.seen % CLOCK == 0 else after


def _compress(buckets: tuple[Bucket, ...]) -> tuple[Bucket, ...]:
    """Merge the two oldest of a size that occurs more than five times, from the smallest size up."""
    held = list(buckets)
    size = 1
    while True:
        same = [i for i, bucket in enumerate(held) if bucket.rows == size]
        if len(same) <= PER_SIZE:
            return tuple(held)
        held[same[0] : same[0] + 2] = [held[same[0]] + held[same[0] + 1]]
        size *= 2


def _examine(state: Adwin) -> Adwin:
    """Drop the oldest bucket as long as some cut of the window shows a difference."""
    while True:
        step = _cut(state)
        if step == 0.0:
            return state
        state = replace(state, buckets=state.buckets[1:], alarm=True, rose=step > 0)


def _cut(state: Adwin) -> float:
    """Newer minus older mean at the first cut that shows a difference; 0 if none does."""
    whole, old = state.whole, Bucket(0, 0.0, 0.0)
    for bucket in state.buckets[:-1]:
        old += bucket
        rows = whole.rows - old.rows
        if min(old.rows, rows) < LEAST_PART:
            continue
        step = (whole.total - old.total) / rows - old.total / old.rows
        if abs(step) > _bound(whole, old.rows, rows, state.delta):
            return step
    return 0.0


def _bound(whole: Bucket, older: int, newer: int, delta: float) -> float:
    variance = max(whole.squares / whole.rows - (whole.total / whole.rows) ** 2, 0.0)
    size = 1.0 / (1.0 / older + 1.0 / newer)
    nats = math.log(2.0 * math.log(whole.rows) / delta)
    return math.sqrt(2.0 * variance * nats / size) + 2.0 * nats / (3.0 * size)


def _sum(buckets: tuple[Bucket, ...]) -> Bucket:
    total = Bucket(0, 0.0, 0.0)
    for bucket in buckets:
        total += bucket
    return total
