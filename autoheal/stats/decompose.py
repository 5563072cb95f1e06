"""A series as trend + seasons + rest, in the manner of MSTL, robust against outliers, for drawing.

Pure. The seasons (say 24 and 168 hours) are taken out in turn, shortest first, twice round: each step of a period is
smoothed over the cycles by local regression, and what is constant in it is given to the trend; the trend is a local
regression of what the seasons leave. Rows far from the fit lose weight (bisquare) and the whole is done again, so that an
incident lands in the rest, not in the season. After Bandara, Hyndman & Bergmeir, "MSTL" (2021), on Cleveland, Cleveland,
McRae & Terpenning, "STL" (1990).

Values (n,) at equal steps, NaN = gap; periods in steps, at least two cycles each. trend + sum(seasons) + rest = values
exactly. Raises ValueError for infinities, periods below 2 or too long for the series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
ROUNDS = 2
ROBUST_ROUNDS = 2
#: Cycles that a season's shape is smoothed over, on either side: about five count.
SEASON_SPAN = 5.0
#: The trend bends no faster than this many longest periods.
TREND_SPAN = 1.5
FAR = 6.0  # times the median absolute rest: no weight at all


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """``trend`` and ``rest`` (n,), one of ``seasons`` (n,) a period; rest is NaN at gaps."""

    trend: Floats
    seasons: tuple[Floats, ...]
    rest: Floats

    @property
    def strength(self) -> tuple[float, ...]:
        """Of each season in [0, 1]: 1 - var(rest) / var(season + rest)."""
        known = ~np.isnan(self.rest)
        rest = float(self.rest[known].var())
        together = [float((s + self.rest)[known].var()) for s in self.seasons]
        return tuple(max(1.0 - rest / both, 0.0) if both > 0 else 0.0 for both in together)


def decompose(values: ArrayLike, periods: Sequence[int]) -> Parts:
    """Take the series apart."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or np.isinf(x).any() or np.isnan(x).all():
        raise ValueError("values must be one-dimensional and finite, or NaN for gaps, and some must be known")
    spans = sorted(set(periods))
    if any(p < 2 or 2 * p > x.size for p in spans):
        raise ValueError(f"periods must be 2 to half of the {x.size} values, got {list(periods)}")
    known = ~np.isnan(x)
    weights = known.astype(np.float64)
    width = TREND_SPAN * (spans[-1] if spans else max(x.size / 5.0, 2.0))
    for _ in range(ROBUST_ROUNDS + 1):
        trend, seasons = _fit(np.where(known, x, 0.0), weights, spans, width)
        rest = x - trend - sum(seasons, np.zeros(x.size))
        weights = np.where(known, _bisquare(rest, known), 0.0)
    by_period = dict(zip(spans, seasons, strict=True))
    return Parts(trend, tuple(by_period[p] for p in periods), rest)


def _fit(x: Floats, weights: Floats, spans: list[int], width: float) -> tuple[Floats, list[Floats]]:
    seasons = [np.zeros(x.size) for _ in spans]
    trend = _local(x, weights, width)
    for _ in range(ROUNDS):
        for i, period in enumerate(spans):
            others = sum(seasons[:i] + seasons[i + 1 :], trend)
            seasons[i] = _season(x - others, weights, period)
        trend = _local(x - sum(seasons, np.zeros(x.size)), weights, width)
    return trend, seasons


def _season(x: Floats, weights: Floats, period: int) -> Floats:
    """Each step of the period smoothed over its cycles; cycles sum to about zero."""
    cycles = -(-x.size // period)
    room = cycles * period - x.size
    table = np.append(x, np.zeros(room)).reshape(cycles, period)
    mass = np.append(weights, np.zeros(room)).reshape(cycles, period)
    gap = np.abs(np.arange(cycles)[:, None] - np.arange(cycles)[None, :]) / SEASON_SPAN
    kernel = np.clip(1.0 - gap**3, 0.0, None) ** 3
    # Where outliers leave a step no weight near by, all its cycles count a little.
    kernel = kernel + 1e-6
    total = kernel @ mass
    shape = np.where(total > 0, kernel @ (table * mass) / np.where(total > 0, total, 1.0), 0.0)
    shape -= shape.mean(axis=1, keepdims=True)
    return np.asarray(shape.ravel()[: x.size])


def _local(x: Floats, weights: Floats, width: float) -> Floats:
    """Local line with the tricube kernel of half-width ``width`` steps, by sums over the kernel."""
    reach = min(int(np.ceil(width)), x.size - 1)
    step = np.arange(-reach, reach + 1)
    kernel = np.clip(1.0 - np.abs(step / max(width, 1.0)) ** 3, 0.0, None) ** 3 + 1e-9
    sums = [_around(weights * moment, kernel * step**power) for moment, power in
            ((1.0, 0), (1.0, 1), (1.0, 2), (x, 0), (x, 1))]  # fmt: skip
    s0, s1, s2, y0, y1 = sums
    spread = s0 * s2 - s1**2
    line = (s2 * y0 - s1 * y1) / np.where(spread > 0, spread, 1.0)
    flat = y0 / np.where(s0 > 0, s0, 1.0)
    # A line through one weighted row, or through none, has no slope.
    return np.where(spread > 1e-9 * np.maximum(s0 * s2, 1e-300), line, flat)


def _around(x: Floats, kernel: Floats) -> Floats:
    """sum_j kernel(j) x(i + j) at every i."""
    full: Floats = np.convolve(x, kernel[::-1])
    reach = (kernel.size - 1) // 2
    return full[reach : reach + x.size]


def _bisquare(rest: Floats, known: NDArray[np.bool_]) -> Floats:
    size = np.where(known, np.abs(rest), 0.0)
    scale = FAR * float(np.median(size[known]))
    if scale <= 0:
        return known.astype(np.float64)
    return np.asarray((1.0 - (np.minimum(size, scale) / scale) ** 2) ** 2)
