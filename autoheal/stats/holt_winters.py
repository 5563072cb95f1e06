"""Holt-Winters: level, trend and season by exponential smoothing, for drawing and for the forecast with a band.

Pure. Additive, with a damped trend; the three smoothing weights and the damping are those of a fixed grid, then refined,
that forecast one step ahead best. The band grows with the horizon as the additive model's variance does. A detector made of
it would chase a fault into its level, so none is: seasonal.py watches. After Winters, "Forecasting sales by exponentially
weighted moving averages" (1960), Gardner & McKenzie, "Forecasting trends in time series" (1985) and the variance of Hyndman,
Koehler, Ord & Snyder (2008).

Values (n,) at equal steps, NaN = gap (the forecast stands in for it); ``period`` in steps, 1 = no season. Raises ValueError
for infinities, fewer than two periods or 10 values, a horizon below 1.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from autoheal.stats import inputs

Floats = NDArray[np.float64]
LEAST_VALUES = 10
#: Weights of level, trend and season, and the damping of the trend, that are tried first.
GRID = ((0.05, 0.2, 0.6), (0.0, 0.02, 0.1), (0.02, 0.1, 0.3), (0.9, 0.98))
REFINE = (0.5, 1.0, 1.6)


@dataclass(frozen=True, slots=True)
class Weights:
    """Smoothing of level, trend and season in [0, 1), damping of the trend in (0, 1]."""

    level: float
    trend: float
    season: float
    damping: float


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """State after the last value: level, trend (per step), ``season`` (period,) beginning with the next step.

    ``fitted`` (n,) are the forecasts one step ahead, ``sd`` the spread of their errors.
    """

    weights: Weights
    level: float
    trend: float
    season: Floats
    fitted: Floats
    sd: float


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Means and the limits of the band, (horizon,) each."""

    mean: Floats
    low: Floats
    high: Floats


def fit(values: ArrayLike, period: int) -> Fit:
    """Choose the weights and smooth the whole series."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or np.isinf(x).any():
        raise ValueError("values must be one-dimensional and finite, or NaN for gaps")
    if period < 1 or x.size < max(2 * period, LEAST_VALUES) or np.isnan(x[: 2 * period]).all():
        raise ValueError(f"need two periods of values and at least {LEAST_VALUES}, got {x.size}")
    seasons = GRID[2] if period > 1 else (0.0,)
    tried = [Weights(*w) for w in itertools.product(GRID[0], GRID[1], seasons, GRID[3])]
    best = _best(x, period, tried)
    near = itertools.product(REFINE, REFINE, REFINE)
    best = _best(x, period, [_scaled(best, *factors) for factors in near])
    (level, trend, season), fitted = _smooth(x, period, [best])
    errors = (x - fitted[0])[~np.isnan(x)]
    # The first period was fitted, not forecast.
    sd = float(np.sqrt(np.mean(errors[min(period, errors.size // 2) :] ** 2)))
    return Fit(best, float(level[0]), float(trend[0]), np.roll(season[0], -(x.size % period)), fitted[0], sd)


def forecast(fitted: Fit, horizon: int, alpha: float = 0.05) -> Forecast:
    """The next ``horizon`` steps with their 1 - alpha band."""
    if horizon < 1:
        raise ValueError(f"the horizon must be at least 1 step, got {horizon}")
    w, step = fitted.weights, np.arange(1, horizon + 1)
    damped = np.cumsum(w.damping**step)
    period = fitted.season.size
    mean = fitted.level + damped * fitted.trend + fitted.season[(step - 1) % period]
    # Weight of the error j steps ago in the forecast: level, trend so far, and season when a period has passed.
    weight = (
        w.level + w.level * w.trend * damped + np.where(step % period == 0, w.season * (1.0 - w.level), 0.0)
    )
    variance = 1.0 + np.concatenate([[0.0], np.cumsum(weight[:-1] ** 2)])
    half = float(ndtri(1.0 - inputs.fraction("alpha", alpha) / 2.0)) * fitted.sd * np.sqrt(variance)
    return Forecast(mean, mean - half, mean + half)


def _scaled(w: Weights, level: float, trend: float, season: float) -> Weights:
    return Weights(
        min(w.level * level, 0.95), min(w.trend * trend, 0.95), min(w.season * season, 0.95), w.damping
    )


def _best(x: Floats, period: int, tried: list[Weights]) -> Weights:
    _, fitted = _smooth(x, period, tried)
    errors = np.where(np.isnan(x), 0.0, x - fitted)[:, period:]
    return tried[int(np.argmin((errors**2).sum(axis=1)))]


def _smooth(x: Floats, period: int, tried: list[Weights]) -> tuple[tuple[Floats, Floats, Floats], Floats]:
    """All weights at once: the last states, (weights,) and (weights, period), and the one-step forecasts (weights, n)."""
    a, b, c, d = (
        np.array([getattr(w, name) for w in tried]) for name in ("level", "trend", "season", "damping")
    )
    first = x[:period]
    start, then = float(np.nanmean(x[: 2 * period])), x[period : 2 * period]
    level = np.full(len(tried), start)
    trend = np.full(len(tried), _slope(first, then, period))
    seen = np.stack([first, then])
    counts = (~np.isnan(seen)).sum(axis=0)
    shape = np.where(counts > 0, np.nansum(seen - start, axis=0) / np.maximum(counts, 1), 0.0)
    shape = shape if period > 1 else np.zeros(1)
    season = np.tile(shape - shape.mean(), (len(tried), 1))
    fitted = np.empty((len(tried), x.size))
    for i, value in enumerate(x.tolist()):
        at = i % period
        ahead = level + d * trend
        fitted[:, i] = ahead + season[:, at]
        error = np.zeros(len(tried)) if np.isnan(value) else value - fitted[:, i]
        level = ahead + a * error
        trend = d * trend + a * b * error
        season[:, at] += c * (1.0 - a) * error
    return (level, trend, season), fitted


def _slope(first: Floats, then: Floats, period: int) -> float:
    """Mean step from the first period to the second; 0 where gaps leave nothing to compare."""
    gaps = then - first
    known = gaps[~np.isnan(gaps)]
    return float(known.mean()) / period if known.size else 0.0
