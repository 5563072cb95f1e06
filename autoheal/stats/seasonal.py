"""Regression of an hourly metric against its own habit: hour-of-week baseline, whitening, rank e-values.

Pure. Baseline = median of the same hour of the week over the last eight weeks (at least three values; else of
the same hour of day over weekdays or weekend days). Residual ``r = ln(x / baseline)``, whitened as
``v_t = r_t - phi r_{t-1}`` since correlated residuals break the budget eight times over. The one-sided rank p
of v among the last 672 gives six e-values ``k u^(k-1)`` (power calibrators, Vovk & Wang 2021): approximate, as
the history is reused. Conformal ranks after Vovk et al., "Retrain or not retrain" (2021).

Weeks are a matrix (weeks, 168), hour 0 = Monday 00:00, NaN = gap, incident or holiday; residuals (n,) in nats,
in time order, NaN where unknown. Raises ValueError for shapes that do not fit, infinities, negative values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs

HOURS = 168
WEEKS = 8
LEAST_VALUES = 3
HISTORY = 672
MOST_PHI = 0.95
POWERS = np.array([0.1, 0.2, 0.3, 0.5, 0.7, 0.9])
LEAST_EFFECT = math.log(1.1)
FLOOR = -20.0  # log ratio of a metric that fell to zero
MAD_SCALE = 1.4826


@dataclass(frozen=True, slots=True)
class Robust:
    """Median and scaled median absolute deviation of a history."""

    median: float
    mad: float

    def z(self, value: float) -> float:
        """Robust z score; a history without spread gives +-infinity, or 0 for the median itself."""
        gap = value - self.median
        if self.mad > 0:
            return gap / self.mad
        return 0.0 if gap == 0 else math.copysign(math.inf, gap)


def robust(history: ArrayLike) -> Robust:
    """Median and 1.4826 MAD of a history."""
    values = inputs.vector("history", history)
    median = float(np.median(values))
    return Robust(median, MAD_SCALE * float(np.median(np.abs(values - median))))


def baseline(weeks: ArrayLike) -> NDArray[np.float64]:
    """The usual value of each hour of the week, (168,), from at most the last eight rows; NaN = no habit yet."""
    table = np.asarray(weeks, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != HOURS or np.isinf(table).any() or (table < 0).any():
        raise ValueError(f"weeks must be (weeks, {HOURS}) of finite values >= 0 or NaN, got {table.shape}")
    recent = table[-WEEKS:]
    usual = _medians(recent)
    # Days 0-4 and 5-6 pooled: the same hour of day where the hour of the week is too new.
    days = recent.reshape(-1, 7, 24)
    for first, last in ((0, 5), (5, 7)):
        pooled = _medians(days[:, first:last].reshape(-1, 24))
        part = usual.reshape(7, 24)[first:last]
        part[:] = np.where(np.isnan(part), pooled, part)
    return usual


def usual_at(weeks: ArrayLike, hour: int) -> float:
    """``baseline`` of one hour of the week (0 = Monday 00:00) alone, much cheaper; NaN = no habit yet."""
    table = np.asarray(weeks, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != HOURS or not 0 <= hour < HOURS:
        raise ValueError(
            f"weeks must be (weeks, {HOURS}) and hour below {HOURS}, got {table.shape} and {hour}"
        )
    own = table[-WEEKS:, hour]
    if (~np.isnan(own)).sum() < LEAST_VALUES:
        first, last = (0, 120) if hour < 120 else (120, HOURS)
        own = table[-WEEKS:, first + hour % 24 : last : 24].ravel()
    known = own[~np.isnan(own)]
    return float(np.median(known)) if known.size >= LEAST_VALUES else math.nan


def log_ratio(value: ArrayLike, usual: ArrayLike) -> NDArray[np.float64]:
    """ln(value / usual), elementwise; -20 for a value of 0, NaN where either is unknown or the habit is 0."""
    x, b = np.broadcast_arrays(np.asarray(value, dtype=np.float64), np.asarray(usual, dtype=np.float64))
    if (x < 0).any() or (b < 0).any() or np.isinf(x).any() or np.isinf(b).any():
        raise ValueError("values and habits must be finite and >= 0, or NaN")
    known = (b > 0) & ~np.isnan(x)
    positive = known & (x > 0)
    # Difference of logs: the ratio itself may overflow.
    ratio = np.log(np.where(positive, x, 1.0)) - np.log(np.where(known, b, 1.0))
    return np.where(known, np.where(positive, np.maximum(ratio, FLOOR), FLOOR), np.nan)


def lag_one(residuals: ArrayLike) -> float:
    """Lag-1 autocorrelation of the last 672 residuals, cut to [0, 0.95]; 0 with fewer than 3 pairs or no spread."""
    r = _series(residuals)[-HISTORY:]
    known = ~np.isnan(r)
    pairs = known[1:] & known[:-1]
    if pairs.sum() < 3:
        return 0.0
    centred = r - r[known].mean()
    spread = float((centred[known] ** 2).mean())
    if spread <= 1e-18:
        return 0.0
    together = float((centred[1:] * np.where(np.isnan(centred[:-1]), 0.0, centred[:-1]))[pairs].mean())
    return min(max(together / spread, 0.0), MOST_PHI)


def whiten(residuals: ArrayLike, phi: float) -> NDArray[np.float64]:
    """v_t = r_t - phi r_{t-1}, (n,). After a gap, r_t shrunk to the spread of v; NaN where r_t is unknown."""
    if not 0.0 <= phi <= MOST_PHI:
        raise ValueError(f"phi must lie in [0, {MOST_PHI}], got {phi}")
    r = _series(residuals)
    before = np.concatenate([[np.nan], r[:-1]]) if r.size else r
    return np.where(np.isnan(before), r * math.sqrt(1.0 - phi**2), r - phi * before)


def rank_p(value: float, history: ArrayLike) -> float:
    """(1 + #{history >= value}) / (1 + n): the share of the past that was at least as high; NaNs left out."""
    if math.isnan(value):
        raise ValueError("the value is NaN: a gap is no step")
    past = _series(history)
    past = past[~np.isnan(past)]
    return (1.0 + float((past >= value).sum())) / (1.0 + past.size)


def log_e_rank(u: float) -> NDArray[np.float64]:
    """Log e of a rank p in (0, 1] for the six calibrators, (6,): ln k + (k - 1) ln u."""
    if not 0.0 < u <= 1.0:
        raise ValueError(f"a rank p must lie in (0, 1], got {u}")
    return np.asarray(np.log(POWERS) + (POWERS - 1.0) * math.log(u))


def _series(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or np.isinf(array).any():
        raise ValueError("a series must be one-dimensional, finite or NaN")
    return array


def _medians(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Column medians where at least three values are known, else NaN."""
    enough = (~np.isnan(table)).sum(axis=0) >= LEAST_VALUES
    usual = np.full(table.shape[1], np.nan)
    if enough.any():
        usual[enough] = np.nanmedian(table[:, enough], axis=0)
    return usual
