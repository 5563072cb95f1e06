"""Domain classifier: can rows of now be told from rows of then, how well (AUC), by which features; and row weights.

Pure. Boosted trees (boosted_trees.py) learn "now" against "then" on one half of the rows and judge the other half, and the
other way round, so that the AUC is honest: 0.5 = no difference. It finds what moments and single features miss (a pair
of features whose link changed) and names the features by the loss they explain, at seventy times the cost of two moments:
on demand, for diagnosis. ``weights`` turn the chances into dP_now/dP_then of each old row, for shifted_estimate.py.

After Rabanser, Guennemann & Lipton, "Failing loudly" (2019). The halves are alternate rows, so that slow change touches
both. Rows are (n, d), NaN = missing. Raises ValueError for fewer than 40 rows on a side, other columns on each side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from autoheal.stats import boosted_trees, inputs

Floats = NDArray[np.float64]
LEAST_ROWS = 40
#: An old row counts at most so many times: beyond that a weight is noise.
MOST_WEIGHT = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """AUC in [0, 1] with the one-sided normal p of "no better than chance", importances (d,), weights of old rows."""

    auc: float
    p: float
    importance: Floats
    weights: Floats


def tell_apart(then: ArrayLike, now: ArrayLike) -> Told:
    """Compare two samples of rows."""
    old, new = np.asarray(then, dtype=np.float64), np.asarray(now, dtype=np.float64)
    if old.ndim != 2 or new.ndim != 2 or old.shape[1:] != new.shape[1:]:
        raise ValueError(f"need two matrices of the same columns, got {old.shape} and {new.shape}")
    if min(len(old), len(new)) < LEAST_ROWS:
        raise ValueError(f"need {LEAST_ROWS} rows on each side, got {len(old)} and {len(new)}")
    rows = np.concatenate([old, new])
    is_new = np.concatenate([np.zeros(len(old)), np.ones(len(new))])
    # Both sides alternate by themselves, so that each half has the same share of them.
    half = np.concatenate([np.arange(len(old)) % 2, np.arange(len(new)) % 2])
    # Sides of unlike size count the same.
    balance = np.where(is_new > 0, len(rows) / (2.0 * len(new)), len(rows) / (2.0 * len(old)))
    chance, importance = np.empty(len(rows)), np.zeros(rows.shape[1])
    for side in (0, 1):
        mine = half == side
        learned = boosted_trees.fit(rows[mine], is_new[mine], logistic=True, weights=balance[mine])
        chance[~mine] = learned.predict(rows[~mine])
        importance += learned.importance / 2.0
    found = auc(chance[is_new > 0], chance[is_new == 0])
    odds = chance[: len(old)] / np.maximum(1.0 - chance[: len(old)], 1e-9)
    return Told(found, _p(found, len(new), len(old)), importance, np.minimum(odds, MOST_WEIGHT))


def auc(high: ArrayLike, low: ArrayLike) -> float:
    """P(a score of ``high`` exceeds one of ``low``), ties by half."""
    a, b = inputs.vector("high", high), np.sort(inputs.vector("low", low))
    wins = np.searchsorted(b, a, side="left") + np.searchsorted(b, a, side="right")
    return float(wins.sum()) / (2.0 * a.size * b.size)


def _p(found: float, m: int, n: int) -> float:
    """Normal law of the Mann-Whitney statistic; ties only make it smaller."""
    return float(ndtr(-(found - 0.5) / math.sqrt((m + n + 1) / (12.0 * m * n))))
