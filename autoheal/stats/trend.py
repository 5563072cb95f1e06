"""Trend of a series over days: least squares with its t test, and the robust pair Theil-Sen and Mann-Kendall.

Pure. *Least squares*: slope, standard error, t with n - 2 degrees of freedom. *Theil-Sen* (Sen 1968): median
of all pairwise slopes. *Mann-Kendall* (Mann 1945, Kendall 1975): normal p of Kendall's S with ties. One look
each: a slope test repeated every day on a healthy metric alarms about nine days a year, so a trend explains
an alarm, it does not raise one.

``x`` in days (or any unit), ``y`` in the metric's unit, both (n,), finite; slope is y per x. Raises ValueError
for fewer than 3 points, shapes that differ, NaN, or x all equal. The pairwise methods are O(n^2): at most
2,000 points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtr

from autoheal.stats import inputs

MOST_POINTS = 2000


@dataclass(frozen=True, slots=True)
class Trend:
    """A fitted line: ``slope`` (y per x) with its standard error, ``intercept`` at x = 0, two-sided ``p``."""

    slope: float
    intercept: float
    stderr: float
    p: float
    n: int

    def p_falling(self) -> float:
        """One-sided p of "the slope is below 0"."""
        return self.p / 2.0 if self.slope < 0 else 1.0 - self.p / 2.0


def least_squares(x: ArrayLike, y: ArrayLike) -> Trend:
    """Ordinary least squares of ``y`` on ``x``. A perfect line has p = 0, a constant p = 1."""
    xs, ys = _pairs(x, y)
    n = xs.size
    dx, dy = xs - xs.mean(), ys - ys.mean()
    spread = float(dx @ dx)
    slope = float(dx @ dy) / spread
    intercept = float(ys.mean()) - slope * float(xs.mean())
    rest = float(((dy - slope * dx) ** 2).sum())
    # Below rounding error of the data a residual is no residual.
    if rest <= n * (np.finfo(float).eps * float(np.abs(ys).max())) ** 2:
        level = abs(slope) * math.sqrt(spread) <= n * np.finfo(float).eps * float(np.abs(ys).max())
        return Trend(0.0 if level else slope, intercept, 0.0, 1.0 if level else 0.0, n)
    stderr = math.sqrt(rest / (n - 2) / spread)
    p = 2.0 * float(stdtr(n - 2, -abs(slope / stderr)))
    return Trend(slope, intercept, stderr, min(p, 1.0), n)


def theil_sen(x: ArrayLike, y: ArrayLike) -> float:
    """Median of the slopes of all pairs of points with different x."""
    xs, ys = _few(*_pairs(x, y))
    i, j = np.triu_indices(xs.size, k=1)
    run = xs[j] - xs[i]
    steep: NDArray[np.float64] = (ys[j] - ys[i])[run != 0] / run[run != 0]
    return float(np.median(steep))


def mann_kendall(y: ArrayLike) -> tuple[float, float]:
    """Kendall's S of a series in time order, and its two-sided normal p (ties, continuity corrected)."""
    _, ys = _few(np.empty(0), inputs.vector("y", y, least=3))
    n = ys.size
    i, j = np.triu_indices(n, k=1)
    s = float(np.sign(ys[j] - ys[i]).sum())
    ties = np.unique(ys, return_counts=True)[1].astype(np.float64)
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18.0
    if variance <= 0 or s == 0:
        return s, 1.0
    return s, min(1.0, 2.0 * float(ndtr(-(abs(s) - 1.0) / math.sqrt(variance))))


def _pairs(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    xs, ys = inputs.vector("x", x, least=3), inputs.vector("y", y, least=3)
    if xs.shape != ys.shape:
        raise ValueError(f"x and y must have the same length, got {xs.size} and {ys.size}")
    # Spreads whose squares vanish have no slope that a float could hold.
    if float(((xs - xs.mean()) ** 2).sum()) <= 0.0:
        raise ValueError("all x are equal: there is no trend")
    return xs, ys


def _few(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if ys.size > MOST_POINTS:
        raise ValueError(f"at most {MOST_POINTS} points, got {ys.size}: aggregate by day first")
    return xs, ys
