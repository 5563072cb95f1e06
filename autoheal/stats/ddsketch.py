"""DDSketch: mergeable quantiles of latencies with a relative error of 1%.

Pure. A positive value belongs to the bucket i with gamma^(i-1) < x <= gamma^i, gamma = (1 + a)/(1 - a); any value of a
bucket is within a of its middle, so every quantile is within 1% of a value of exactly that rank. Counts add, so partitions
merge exactly in any order. Past ``MOST_BUCKETS`` the smallest join (a spread of 10^17 needs 2,000), as low quantiles of
latencies matter least. After Masson, Rim & Lee, "DDSketch: a fast and fully-mergeable quantile sketch" (2019).

Values are finite, any sign (negative ones have buckets of their own); NaN and infinities are left out and counted as
``skipped``. Raises ValueError for an accuracy outside (0, 1), merging unlike ones, quantiles of nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs

ACCURACY = 0.01
MOST_BUCKETS = 2048
#: Below it a value counts as zero: buckets of denormal numbers have no middle.
TINY = 1e-300
Buckets = Mapping[int, int]


@dataclass(frozen=True, slots=True)
class DDSketch:
    """Rows a bucket of the positive and the negative values, and rows that are zero."""

    accuracy: float = ACCURACY
    positive: Buckets = field(default_factory=dict)
    negative: Buckets = field(default_factory=dict)
    zeros: int = 0
    skipped: int = 0

    def __post_init__(self) -> None:
        inputs.fraction("accuracy", self.accuracy)

    @property
    def n(self) -> int:
        """Rows entered."""
        return sum(self.positive.values()) + sum(self.negative.values()) + self.zeros

    def update(self, values: ArrayLike) -> DDSketch:
        """Enter a batch (n,)."""
        x = np.asarray(values, dtype=np.float64)
        if x.ndim != 1:
            raise ValueError(f"values must be one-dimensional, got shape {x.shape}")
        kept = x[np.isfinite(x)]
        up, down = kept[kept > TINY], -kept[kept < -TINY]
        return replace(
            self,
            positive=_joined(self.positive, self._tally(up)),
            negative=_joined(self.negative, self._tally(down)),
            zeros=self.zeros + kept.size - up.size - down.size,
            skipped=self.skipped + x.size - kept.size,
        )

    def merge(self, other: DDSketch) -> DDSketch:
        """The sketch of both together."""
        if other.accuracy != self.accuracy:
            raise ValueError(f"cannot merge accuracies {self.accuracy} and {other.accuracy}")
        return replace(
            self,
            positive=_joined(self.positive, other.positive),
            negative=_joined(self.negative, other.negative),
            zeros=self.zeros + other.zeros,
            skipped=self.skipped + other.skipped,
        )

    def quantiles(self, at: ArrayLike) -> NDArray[np.float64]:
        """Values at the given shares in [0, 1], each within ``accuracy`` of the value of that rank."""
        wanted = inputs.losses("at", at)
        if self.n == 0:
            raise ValueError("the sketch is empty")
        below = [(-self._middle(i), c) for i, c in sorted(self.negative.items(), reverse=True)]
        above = [(self._middle(i), c) for i, c in sorted(self.positive.items())]
        steps = [*below, *([(0.0, self.zeros)] if self.zeros else []), *above]
        reached = np.cumsum([c for _, c in steps])
        # The value of rank floor(q (n - 1)), counted from 0.
        place = np.searchsorted(reached, np.floor(wanted * (self.n - 1)), side="right")
        return np.array([value for value, _ in steps])[place]

    def to_plain(self) -> dict[str, Any]:
        """Plain data that JSON can hold."""
        sides = {"positive": sorted(self.positive.items()), "negative": sorted(self.negative.items())}
        return {"accuracy": self.accuracy, "zeros": self.zeros, "skipped": self.skipped, **sides}

    @property
    def _gamma(self) -> float:
        return (1.0 + self.accuracy) / (1.0 - self.accuracy)

    def _middle(self, bucket: int) -> float:
        return 2.0 * math.exp(bucket * math.log(self._gamma)) / (self._gamma + 1.0)

    def _tally(self, magnitudes: NDArray[np.float64]) -> Buckets:
        if not magnitudes.size:
            return {}
        buckets = np.ceil(np.log(magnitudes) / math.log(self._gamma)).astype(np.int64)
        found, rows = np.unique(buckets, return_counts=True)
        return dict(zip(found.tolist(), rows.tolist(), strict=True))


def from_plain(plain: Mapping[str, Any]) -> DDSketch:
    """The sketch of ``to_plain``. Raises ValueError for negative rows."""
    sides = [{int(i): int(rows) for i, rows in plain[name]} for name in ("positive", "negative")]
    zeros, skipped = int(plain["zeros"]), int(plain["skipped"])
    if min([zeros, skipped, *(rows for side in sides for rows in side.values())]) < 0:
        raise ValueError("a damaged sketch: it holds negative rows")
    return DDSketch(float(plain["accuracy"]), sides[0], sides[1], zeros, skipped)


def _joined(a: Buckets, b: Buckets) -> Buckets:
    """Rows of both; past the limit the smallest buckets join the smallest that is kept."""
    both = dict(a)
    for bucket, rows in b.items():
        both[bucket] = both.get(bucket, 0) + rows
    if len(both) > MOST_BUCKETS:
        order = sorted(both)
        kept = order[-MOST_BUCKETS]
        for bucket in order[:-MOST_BUCKETS]:
            both[kept] += both.pop(bucket)
    return both
