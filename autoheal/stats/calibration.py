"""Calibration: from scores to probabilities that mean what they say, learned on held-out rows.

Pure. With at least 1,000 rows isotonic regression by pooling adjacent violators (Zadrozny & Elkan 2002), below that a
logistic curve of the score's logit (Platt 1999). Either way the result is a rising polygon of at most 200 knots, plain
data. ``ece`` is honest: each half of the rows is judged by the curve of the other half; it is biased upwards by
about ``0.4 / sqrt(rows per bin)``, so a small sample refuses rather than flatters.

Rows may carry weights (shifted_estimate.py uses the density ratio of now to then). Scores and labels are (n,), scores in
[0, 1], labels 0 or 1, weights finite and >= 0. Raises ValueError for other values, for fewer than 20
rows, and when only one class occurs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from autoheal.stats import inputs
from autoheal.stats.estimate import ece

LEAST_ROWS = 20
ISOTONIC_ROWS = 1000
MOST_KNOTS = 200
EDGE = 1e-6
#: A step of Newton's method that is none.
STILL = 1e-9

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Knots of the polygon (ascending scores, probabilities), the cross-fitted error, and the rows behind it."""

    scores: tuple[float, ...]
    chances: tuple[float, ...]
    ece: float
    n: int

    def __call__(self, scores: ArrayLike) -> Array:
        """P(y = 1) of each score."""
        return np.interp(inputs.losses("scores", scores), self.scores, self.chances)


def fit(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> Calibration:
    """Learn the polygon from all rows, and how wrong it is from rows that it did not see."""
    s, y = inputs.losses("scores", scores), inputs.losses("labels", labels)
    if s.shape != y.shape or s.size < LEAST_ROWS:
        raise ValueError(f"need one label a score and at least {LEAST_ROWS} rows, got {s.size} and {y.size}")
    if not np.isin(y, (0.0, 1.0)).all() or y.min() == y.max():
        raise ValueError("labels must be 0 or 1, and both must occur")
    w = np.ones_like(s) if weights is None else inputs.vector("weights", weights)
    if w.shape != s.shape or (w < 0).any() or not (w[y > 0].any() and w[y == 0].any()):
        raise ValueError("need one weight >= 0 a row, some of them above 0 in both classes")
    # Weights are relative: their mean is one row.
    w = w / w.mean()
    unseen = np.empty_like(s)
    for own in (np.arange(s.size) % 2 == 0, np.arange(s.size) % 2 == 1):
        unseen[own] = np.interp(s[own], *_knots(s[~own], y[~own], w[~own]))
    x, p = _knots(s, y, w)
    return Calibration(tuple(x.tolist()), tuple(p.tolist()), ece(unseen, y, weights=w), s.size)


def _knots(s: Array, y: Array, w: Array) -> tuple[Array, Array]:
    # Judged by the rows that the weights are worth.
    worth = float(w.sum() ** 2 / max((w**2).sum(), 1e-300))
    x, p = _isotonic(s, y, w) if worth >= ISOTONIC_ROWS / 2 else _logistic(s, y, w)
    if x.size > MOST_KNOTS:
        kept = np.unique(np.linspace(0, x.size - 1, MOST_KNOTS).round().astype(np.int64))
        x, p = x[kept], p[kept]
    return x, p


def _isotonic(s: Array, y: Array, w: Array | None = None) -> tuple[Array, Array]:
    """Pools of equal probability: mean score and share of positives of each."""
    w = np.ones_like(s) if w is None else w
    s, y, w = s[w > 0], y[w > 0], w[w > 0]
    values, place = np.unique(s, return_inverse=True)
    rows, hits = np.bincount(place, weights=w), np.bincount(place, weights=w * y)
    pools: list[tuple[float, float, float]] = []  # rows, positives, sum of scores
    for n, k, v in zip(rows.tolist(), hits.tolist(), (rows * values).tolist(), strict=True):
        pool = (n, k, v)
        while pools and pools[-1][1] * pool[0] >= pool[1] * pools[-1][0]:
            n0, k0, v0 = pools.pop()
            pool = (n0 + pool[0], k0 + pool[1], v0 + pool[2])
        pools.append(pool)
    sums = np.array(pools)
    return sums[:, 2] / sums[:, 0], sums[:, 1] / sums[:, 0]


def _cost(logits: Array, soft: Array, w: Array) -> float:
    """The weighted log loss that the curve is fitted by."""
    return float((w * (np.logaddexp(0.0, logits) - soft * logits)).sum())


def _logistic(s: Array, y: Array, w: Array) -> tuple[Array, Array]:
    """Damped Newton on two numbers; Platt's softened labels keep the minimum finite."""
    x = logit(np.clip(s, EDGE, 1.0 - EDGE))
    ones = float((w * y).sum())
    soft = np.where(y > 0, (ones + 1.0) / (ones + 2.0), 1.0 / (float(w.sum()) - ones + 2.0))
    design = np.stack([np.ones_like(x), x], axis=1)
    beta = np.array([0.0, 1.0])
    cost = _cost(design @ beta, soft, w)
    for _ in range(50):
        p = expit(design @ beta)
        slope = design.T @ (w * (p - soft))
        bend = (design * (w * p * (1.0 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(bend, slope)
        # Far from the end a whole step may overshoot, for ever back and forth: half of it, until it is one downhill.
        while (lower := _cost(design @ (beta - step), soft, w)) > cost and np.abs(step).max() > STILL:
            step = step / 2.0
        if np.abs(step).max() <= STILL:
            break
        beta, cost = beta - step, lower
    # A falling curve would say that the score means the opposite of what it says.
    grid = np.linspace(EDGE, 1.0 - EDGE, 101)
    return grid, expit(beta[0] + max(float(beta[1]), 0.0) * logit(grid))
