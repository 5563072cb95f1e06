"""FOCuS: the generalised likelihood ratio of a change at *any* earlier row, exactly, row by row, for a mean or a rate.

Pure. For every row the statistic is the largest log likelihood ratio (nats) over all starts and all values after the
change; for a rate that rises it is the GLR-CUSUM that changepoint.glr_profile draws at one moment. The starts that can
ever be best are the corners of the convex hull of the cumulated sums, about 2 log n of them, so a row costs O(log n)
and nothing is approximated. The level before the change is known (``before``) or estimated along.

After Romano, Eckley, Fearnhead & Rigaill, "Fast online changepoint detection via functional pruning CUSUM statistics"
(2023); for exponential families Ward, Dilillo, Eckley & Fearnhead, "Poisson-FOCuS" and its general form (2024). What
surprises: it carries no false-alarm budget (a threshold of 10.2 nats gave a mean run of 50,000 rows at a rate of 0.1)
and notices small changes later than the mixture of eprocess.py; it is for the question "when", online.

Values are finite floats, in [0, 1] for ``bernoulli``. States are plain numbers. Raises ValueError for other values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlog1py, xlogy

from autoheal.stats import inputs

Floats = NDArray[np.float64]
Family = Literal["gaussian", "bernoulli"]
Side = Literal["up", "down", "both"]
#: Corners (start, sum of the rows before it).
Hull = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Best:
    """The most likely change: its log likelihood ratio (0 = none), and the row at which the new level began."""

    log_ratio: float
    start: int


@dataclass(frozen=True, slots=True)
class Focus:
    """``before``: known mean or rate until the change, None = unknown; ``sd`` of a row (gaussian)."""

    family: Family = "gaussian"
    before: float | None = None
    sd: float = 1.0
    side: Side = "both"
    n: int = 0
    total: float = 0.0
    rising: Hull = ()
    falling: Hull = ()

    def __post_init__(self) -> None:
        inputs.positive("sd", self.sd)
        if self.before is None:
            return
        if self.family == "bernoulli":
            inputs.fraction("before", self.before)
        elif not math.isfinite(self.before):
            raise ValueError(f"before must be finite, got {self.before}")

    def update(self, x: float) -> Focus:
        """Enter one row."""
        if not math.isfinite(x) or (self.family == "bernoulli" and not 0.0 <= x <= 1.0):
            raise ValueError(f"a {self.family} row cannot be {x}")
        corner = (self.n, self.total)
        rising = _corner(self.rising, corner, 1.0, self.before) if self.side != "down" else ()
        falling = _corner(self.falling, corner, -1.0, self.before) if self.side != "up" else ()
        return replace(self, n=self.n + 1, total=self.total + x, rising=rising, falling=falling)

    @property
    def best(self) -> Best:
        """Over all starts so far and both sides watched; ties go to the earliest start."""
        found = Best(0.0, self.n)
        for hull, sign in ((self.rising, 1.0), (self.falling, -1.0)):
            if hull:
                one = self._best(np.array(hull, dtype=np.float64), sign)
                found = one if one.log_ratio > found.log_ratio else found
        return found

    def _best(self, hull: Floats, sign: float) -> Best:
        rows, sums = self.n - hull[:, 0], self.total - hull[:, 1]
        gain = _fit(self.family, rows, sums, self.sd)
        after = sums / rows
        if self.before is None:
            gain = gain + _fit(self.family, hull[:, 0], hull[:, 1], self.sd)
            gain = gain - _fit(self.family, np.array([self.n]), np.array([self.total]), self.sd)
            level = np.where(hull[:, 0] > 0, hull[:, 1] / np.maximum(hull[:, 0], 1.0), after)
        else:
            gain = gain - _known(self.family, rows, sums, self.before, self.sd)
            level = np.full(len(hull), self.before)
        gain = np.where(sign * (after - level) > 0, gain, 0.0)
        place = int(np.argmax(gain))
        return Best(max(float(gain[place]), 0.0), int(hull[place, 0]))


def trace(state: Focus, values: ArrayLike) -> tuple[Focus, Floats]:
    """The state after all rows, and the statistic after each, (n,)."""
    ratios = []
    for x in inputs.vector("values", values, least=0).tolist():
        state = state.update(x)
        ratios.append(state.best.log_ratio)
    return state, np.array(ratios)


def _corner(hull: Hull, new: tuple[int, float], sign: float, before: float | None) -> Hull:
    """The lower (``sign`` 1) or upper hull with one point more on the right."""
    corners = list(hull)
    while len(corners) > 1 and not _convex(corners[-2], corners[-1], new, sign):
        corners.pop()
    corners.append(new)
    if before is not None:
        # A start whose rows so far do not speak for a change can never be best again.
        while len(corners) > 1 and sign * (_slope(corners[0], corners[1]) - before) <= 0:
            corners.pop(0)
    return tuple(corners)


def _convex(a: tuple[int, float], b: tuple[int, float], c: tuple[int, float], sign: float) -> bool:
    return sign * (_slope(b, c) - _slope(a, b)) > 0


def _slope(a: tuple[int, float], b: tuple[int, float]) -> float:
    return (b[1] - a[1]) / (b[0] - a[0])


def _fit(family: Family, rows: Floats | NDArray[np.int64], sums: Floats, sd: float) -> Floats:
    """Log likelihood at the best level, up to what all segmentations share; 0 for no rows."""
    some = np.maximum(rows, 1.0)
    if family == "gaussian":
        return np.asarray(sums**2 / (2.0 * sd**2 * some))
    rate = np.clip(sums / some, 0.0, 1.0)
    return np.asarray(xlogy(sums, rate) + xlog1py(rows - sums, -rate))


def _known(family: Family, rows: Floats, sums: Floats, level: float, sd: float) -> Floats:
    if family == "gaussian":
        return np.asarray((2.0 * level * sums - rows * level**2) / (2.0 * sd**2))
    return np.asarray(xlogy(sums, level) + xlog1py(rows - sums, -level))
