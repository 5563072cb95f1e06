"""How surprising is a value beside its own past: ranks inside, a fitted tail outside. Pure.

For each row in time order the p-value of its size among the sizes of the last thousand rows before it. Below the
98% quantile that is the rank; above it a Pareto tail (peaks over threshold, after Siffer, Fouque, Termier & Largouet,
"Anomaly detection in streams with extreme value theory", 2017; Hill 1975). Its index is not known but estimated, from
twenty excesses and ten imagined ones of a light tail, and the p-value is the predictive one under that posterior
(Arnold & Press, "Bayesian estimation and prediction for Pareto data", 1989): putting the estimate in as if it were the
truth promises too much just where alarms are decided. What is entered into the past is cut where p = e^-7: an outage
must not teach the detector that outages are usual at once, but ten of a kind do.

Sizes are >= 0, NaN where nothing is known. Answers are ``-ln p`` >= 0, and 0 while fewer than 30 sizes are known.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PAST = 1000
LEAST_PAST = 30
TOP_SHARE = 0.02
LEAST_TOP = 5
PRIOR_INDEX = 0.15  # about that of a normal tail above the 98% quantile
PRIOR_ROWS = 10
CUT = 7.0
MOST_EXCESS = 5.0
MOST = 700.0


class Past:
    """The last sizes, kept sorted: what a new one is compared with."""

    __slots__ = ("_order", "_sorted", "floor")

    def __init__(self, floor: float) -> None:
        self.floor = max(floor, 1e-300)
        self._order: deque[float] = deque()
        self._sorted: list[float] = []

    @classmethod
    def of(cls, sizes: Iterable[float], floor: float) -> Past:
        """A past that holds these sizes, oldest first, as ``sizes`` gave them."""
        past = cls(floor)
        past._order.extend(sizes)
        past._sorted.extend(sorted(past._order))
        return past

    @property
    def sizes(self) -> tuple[float, ...]:
        """What it holds, oldest first."""
        return tuple(self._order)

    def enter(self, size: float) -> float:
        """-ln p of this size among those before it, which then joins them."""
        nats, kept = self._nats(size)
        self._order.append(kept)
        insort(self._sorted, kept)
        if len(self._order) > PAST:
            oldest = self._order.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]
        return nats

    def _nats(self, size: float) -> tuple[float, float]:
        known = self._sorted
        n = len(known)
        if n < LEAST_PAST:
            return 0.0, size
        top = max(int(TOP_SHARE * n), LEAST_TOP)
        edge = max(known[-top - 1], self.floor)
        share = (top + 1) / (n + 1)
        if size <= edge:
            return -math.log(max((n - bisect_left(known, size) + 1) / (n + 1), share)), size
        excess = sum(min(math.log(max(s, edge)) - math.log(edge), MOST_EXCESS) for s in known[-top:])
        # log(size / edge) is exponential with a Gamma posterior of rate: its predictive tail is (1 + y / total)^-rows.
        rows, total = PRIOR_ROWS + top, PRIOR_INDEX * PRIOR_ROWS + excess
        nats = -math.log(share) + rows * math.log1p((math.log(size) - math.log(edge)) / total)
        cut = edge * math.exp(total * math.expm1(max(CUT + math.log(share), 0.0) / rows))
        return min(nats, MOST), min(size, cut)


def surprises(sizes: Floats, floors: Floats) -> Floats:
    """-ln p of each size, (n,). ``floors``: below this nothing is surprising (the resolution of the metric)."""
    nats = np.zeros(len(sizes))
    past = Past(0.0)
    for i, (size, floor) in enumerate(zip(sizes.tolist(), floors.tolist(), strict=True)):
        if math.isfinite(size):
            past.floor = max(floor, 1e-300)
            nats[i] = past.enter(size)
    return nats
