"""Intervals for the mean of values in [0, 1] by betting: as short as their variance allows, for display.

Pure. For every candidate mean m two players bet that the values lie above, or below, on average; a candidate at which one
of them would have become rich is excluded. ``sequence`` holds at all times together (and once a candidate is out it stays
out), ``interval`` at the one number of rows that was fixed beforehand, and is shorter. Bets: predictable plug-in, each
cut at half of what could ruin the player. After Waudby-Smith & Ramdas, "Estimating means of bounded random variables by
betting" (2024), the hedged capital process.

What surprises: the order of rows enters (another order, another valid interval), and only the mean *given the past* is
covered, so rows that follow each other in a season are no sample. Values (n,) in [0, 1]; ``alpha`` in (0, 1). No values
give (0, 1). Raises ValueError for others.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs

Floats = NDArray[np.float64]
#: Share of the largest bet that cannot ruin; the paper's 1/2.
CAUTION = 0.5
_HALVINGS = 40


def sequence(values: ArrayLike, alpha: float = 0.05) -> tuple[float, float]:
    """Limits after the last value, valid at all times together."""
    x, limit = _checked(values, alpha)
    return _limits(x, _plug_in(x, alpha, None), limit)


def interval(values: ArrayLike, alpha: float = 0.05) -> tuple[float, float]:
    """Limits for a number of values that was fixed beforehand."""
    x, limit = _checked(values, alpha)
    return _limits(x, _plug_in(x, alpha, x.size), limit)


def band(values: ArrayLike, at: ArrayLike, alpha: float = 0.05) -> Floats:
    """``sequence`` after each of the row counts ``at``, (counts, 2), for drawing: it only ever narrows."""
    x, _ = _checked(values, alpha)
    counts = np.asarray(at, dtype=np.int64)
    if counts.ndim != 1 or (counts < 0).any() or (counts > x.size).any():
        raise ValueError(f"row counts must lie in 0 to {x.size}")
    return np.array([sequence(x[:n], alpha) for n in counts.tolist()]).reshape(-1, 2)


def log_capital(values: ArrayLike, mean: float, alpha: float = 0.05) -> float:
    """Log of the hedged capital against one candidate mean after the last value: an e-value for "the mean is m"."""
    x, _ = _checked(values, alpha)
    inputs.fraction("mean", mean)
    bets = _plug_in(x, alpha, None)
    up, down = float(_up(x, bets, mean).sum()), float(_down(x, bets, mean).sum())
    return float(np.logaddexp(up, down)) - math.log(2.0)


def _plug_in(x: Floats, alpha: float, n: int | None) -> Floats:
    """Bet of each row, from the rows before it: sqrt(2 ln(2/alpha) / (variance t ln(1 + t))), or n for t ln(1 + t)."""
    t = np.arange(1.0, x.size + 1.0)
    means = (0.5 + np.cumsum(x)) / (t + 1.0)
    variance = (0.25 + np.cumsum((x - means) ** 2)) / (t + 1.0)
    before = np.concatenate([[0.25], variance])[:-1] if x.size else variance
    horizon = t * np.log1p(t) if n is None else np.full(x.size, float(n))
    return np.asarray(np.sqrt(2.0 * math.log(2.0 / alpha) / (before * horizon)))


def _limits(x: Floats, bets: Floats, limit: float) -> tuple[float, float]:
    """The smallest mean that "it is above" has not made rich, and the largest for the other side."""

    def above(m: float) -> bool:
        return _richest(_up(x, bets, m)) >= limit

    def below(m: float) -> bool:
        return _richest(_down(x, bets, m)) >= limit

    low, high = _edge(above, 0.0, 1.0), _edge(below, 1.0, 0.0)
    # Both players may win where a season broke the assumption; then the average of both is shown.
    return (low, high) if low <= high else ((low + high) / 2.0, (low + high) / 2.0)


def _edge(excluded: Callable[[float], bool], outer: float, inner: float) -> float:
    if not excluded(outer + (inner - outer) * 1e-9):
        return outer
    for _ in range(_HALVINGS):
        middle = (outer + inner) / 2.0
        if excluded(middle):
            outer = middle
        else:
            inner = middle
    return outer


def _richest(log_gains: Floats) -> float:
    """Log capital at its best moment: by Ville's inequality that counts, also for a fixed number of rows."""
    return float(np.cumsum(log_gains).max(initial=0.0))


def _up(x: Floats, bets: Floats, m: float) -> Floats:
    return np.log1p(np.minimum(bets, CAUTION / m) * (x - m))


def _down(x: Floats, bets: Floats, m: float) -> Floats:
    return np.log1p(-np.minimum(bets, CAUTION / (1.0 - m)) * (x - m))


def _checked(values: ArrayLike, alpha: float) -> tuple[Floats, float]:
    """The values, and log(2 / alpha): each of the two players has half the stake."""
    return inputs.losses("values", values), math.log(2.0 / inputs.fraction("alpha", alpha))
