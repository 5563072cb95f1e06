"""Did the level step somewhere in the recent past? Bayes factors over all starts, summed as Shiryaev-Roberts does. Pure.

At each row, every possible start of a step in the rows since the last one is compared with "one straight line, no step":
a line with a step against the line alone, as a Bayes factor with a g-prior on the step (Liang, Paulo, Molina, Clyde &
Berger, "Mixtures of g priors", 2008). Rows that resemble their neighbours count for less: the effective number is cut by
(1 + r)/(1 - r), r = lag-1 correlation of what the lines leave over, so a trend or a random walk is no step. The sum over
starts, each with its weight in days, is the statistic M; its posterior median says when the step began. The factors are
e-values only for Gaussian noise of that correlation: the promise was measured (benchmarks/RESULTS.md), not proved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_BEFORE = 30
LEAST_AFTER = 3
LONGEST = 400
PRIOR = 5.0
MOST_ALIKE = 0.99
GROWTH = 1.15


@dataclass(frozen=True, slots=True)
class Step:
    """A step noticed at ``row`` that began at ``start``; ``size`` in sds of the noise; log M in log days."""

    row: int
    start: int
    size: float
    log_m: float


class _Sums:
    """Running sums from which the fit of a line to any stretch costs nothing."""

    def __init__(self, values: Floats) -> None:
        u = np.arange(len(values), dtype=np.float64)
        y = values - (np.median(values) if len(values) else 0.0)
        moves = np.diff(y, prepend=y[:1])
        parts = (u, u * u, y, u * y, y * y, moves, moves * moves)
        self.u, self.uu, self.y, self.uy, self.yy, self.d, self.dd = (
            np.concatenate([[0.0], np.cumsum(part)]) for part in parts
        )

    def cross(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """Centred sums uu, uy, yy of rows a..b-1."""
        n, su, sy = b - a, self.u[b] - self.u[a], self.y[b] - self.y[a]
        return (
            self.uu[b] - self.uu[a] - su * su / n,
            self.uy[b] - self.uy[a] - su * sy / n,
            self.yy[b] - self.yy[a] - sy * sy / n,
        )

    def move_variance(self, a: int, b: int) -> float:
        """Variance of the moves from row to row within a..b-1."""
        n = b - a - 1
        return float((self.dd[b] - self.dd[a + 1]) / n - ((self.d[b] - self.d[a + 1]) / n) ** 2)


_AFTER = np.unique(np.round(LEAST_AFTER * GROWTH ** np.arange(60)).astype(np.int64))
_WIDTH = np.log(np.diff(np.append(_AFTER, round(_AFTER[-1] * GROWTH))).astype(np.float64))


def steps(values: Floats, row_days: float, threshold_days: float) -> list[Step]:
    """All steps of a series without gaps; after each, the rows since its start are the new normal."""
    sums, found, since = _Sums(values), [], 0
    limit = math.log(threshold_days / row_days)
    for row in range(LEAST_BEFORE + LEAST_AFTER - 1, len(values)):
        since = max(since, row + 1 - LONGEST)
        seen = _look(sums, since, row)
        if seen is not None and seen.log_m >= limit:
            found.append(Step(row, seen.start, seen.size, seen.log_m + math.log(row_days)))
            since = seen.start
    return found


def _look(sums: _Sums, since: int, row: int) -> Step | None:
    length = row + 1 - since
    kinds = int(np.searchsorted(_AFTER, length - LEAST_BEFORE, side="right"))
    if kinds == 0:
        return None
    after = _AFTER[:kinds]
    start, end, first = row + 1 - after, np.full(kinds, row + 1), np.full(kinds, since)
    uu, uy, yy = sums.cross(first[:1], end[:1])
    left, right = sums.cross(first, start), sums.cross(start, end)
    # Below this, what is left of the squares is rounding.
    least = 1e-12 * length * max(float(sums.yy[row + 1]) / (row + 1), 1e-280)
    line = max(float((yy - uy * uy / uu)[0]), least)
    slope = (left[1] + right[1]) / (left[0] + right[0])
    stepped = np.maximum(left[2] + right[2] - slope * (left[1] + right[1]), least)
    share = np.minimum(stepped / line, 1.0)
    noise = stepped / (length - 3)
    r = np.clip(1.0 - sums.move_variance(since, row + 1) / (2.0 * noise), 0.0, MOST_ALIKE)
    alike = (1.0 + r) / (1.0 - r)
    weight = PRIOR * (length - after) * after / length / alike
    free = np.maximum((length - 3) / alike, 1.0)
    factor = free / 2.0 * np.log1p(weight) - (free + 1.0) / 2.0 * np.log1p(weight * share) + _WIDTH[:kinds]
    top = float(factor.max())
    mass = np.exp(factor - top)
    at = int(np.searchsorted(np.cumsum(mass), mass.sum() / 2.0))
    behind, ahead = float(after[at]), float(length - after[at])
    # What the step explains beyond the line: the spread of "after the start" that no slope mimics.
    own = ahead * behind / length - (ahead * behind / 2.0) ** 2 / float(uu[0])
    size = math.sqrt(max(line - float(stepped[at]), 0.0) / (float(noise[at]) * own))
    return Step(row, int(start[at]), size, top + math.log(float(mass.sum())))
