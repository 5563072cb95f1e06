"""Distances between two distributions, for the effect sizes that people read.

Pure. From counts on the same bins: Jensen-Shannon (bits; its distance is the root, in [0, 1]; Lin 1991),
Hellinger, total variation, Wasserstein-1 (piecewise linear inside bins), bounds on Kolmogorov-Smirnov. From
raw samples: Wasserstein-1 ``integral |F - G|`` in the unit of the feature (divide by the reference IQR to
compare features) and the two-sample Kolmogorov-Smirnov D with its asymptotic p. None of them decides: at
production volume every one of them is "significant".

Raises ValueError for empty or non-finite samples, counts without mass, different shapes, edges that do not
ascend.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import kolmogorov, rel_entr

from autoheal.stats import inputs


def js_divergence(reference: ArrayLike, current: ArrayLike) -> float:
    """Jensen-Shannon divergence of two tallies in bits, in [0, 1]."""
    p, q = _shares(reference, current)
    middle = (p + q) / 2.0
    return max(0.0, float((rel_entr(p, middle) + rel_entr(q, middle)).sum()) / (2.0 * math.log(2.0)))


def js_distance(reference: ArrayLike, current: ArrayLike) -> float:
    """Square root of the Jensen-Shannon divergence in bits: a metric in [0, 1]."""
    return math.sqrt(js_divergence(reference, current))


def hellinger(reference: ArrayLike, current: ArrayLike) -> float:
    """Hellinger distance of two tallies, in [0, 1]."""
    p, q = _shares(reference, current)
    return math.sqrt(float(((np.sqrt(p) - np.sqrt(q)) ** 2).sum()) / 2.0)


def total_variation(reference: ArrayLike, current: ArrayLike) -> float:
    """Share of rows that would have to move for the tallies to agree, in [0, 1]."""
    p, q = _shares(reference, current)
    return float(np.abs(p - q).sum()) / 2.0


def wasserstein(reference: ArrayLike, current: ArrayLike) -> float:
    """Wasserstein-1 of two samples, in the unit of the values."""
    x, y = np.sort(inputs.vector("reference", reference)), np.sort(inputs.vector("current", current))
    places = np.sort(np.concatenate([x, y]))
    return float(np.abs(_steps(x, places[:-1]) - _steps(y, places[:-1])) @ np.diff(places))


def iqr(values: ArrayLike) -> float:
    """Distance between the quartiles, in the unit of the values; 0 when half of the mass is one value."""
    low, high = np.quantile(inputs.vector("values", values), [0.25, 0.75])
    return float(high - low)


def wasserstein_from_counts(edges: ArrayLike, reference: ArrayLike, current: ArrayLike) -> float:
    """Wasserstein-1 of two tallies on bins between ``edges`` (bins + 1 of them), mass spread evenly in a bin."""
    cuts = inputs.vector("edges", edges, least=2)
    p, q = _shares(reference, current)
    if cuts.size != p.size + 1 or (np.diff(cuts) <= 0).any():
        raise ValueError(f"need {p.size + 1} ascending edges for {p.size} bins, got {cuts.size}")
    gap = np.concatenate([[0.0], np.cumsum(p - q)])
    left, right = np.abs(gap[:-1]), np.abs(gap[1:])
    # Where the difference changes sign inside a bin, its absolute value is two triangles.
    both = np.where(left + right > 0, left + right, 1.0)
    crossed = gap[:-1] * gap[1:] < 0
    mean = np.where(crossed, (left**2 + right**2) / (2.0 * both), (left + right) / 2.0)
    return float(mean @ np.diff(cuts))


def ks_statistic(reference: ArrayLike, current: ArrayLike) -> float:
    """Largest difference of the two empirical distribution functions, in [0, 1]."""
    x, y = np.sort(inputs.vector("reference", reference)), np.sort(inputs.vector("current", current))
    places = np.concatenate([x, y])
    return float(np.abs(_steps(x, places) - _steps(y, places)).max())


def ks_p_value(d: float, n: float, m: float) -> float:
    """Asymptotic two-sided p of the two-sample D: Kolmogorov's law at D sqrt(n m / (n + m))."""
    if not 0.0 <= d <= 1.0:
        raise ValueError(f"D must lie in [0, 1], got {d}")
    rows = 1.0 / (1.0 / inputs.positive("n", n) + 1.0 / inputs.positive("m", m))
    return float(kolmogorov(d * math.sqrt(rows)))


def ks_bounds(reference: ArrayLike, current: ArrayLike) -> tuple[float, float]:
    """Smallest and largest Kolmogorov-Smirnov D that two tallies on ordered bins allow.

    The lower bound is D at the edges. Inside a bin the distribution functions can differ by no more than when
    one side has put all of its mass of the bin first, so the upper bound adds at most the heaviest bin.
    """
    p, q = _shares(reference, current)
    after = np.cumsum(p - q)
    before = np.concatenate([[0.0], after[:-1]])
    inside = np.maximum(before + p, q - before)
    return float(np.abs(after).max()), float(np.clip(inside.max(), np.abs(after).max(), 1.0))


def _steps(ordered: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.searchsorted(ordered, places, side="right") / ordered.size


def _shares(reference: ArrayLike, current: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r, c = inputs.tally("reference counts", reference), inputs.tally("current counts", current)
    if r.ndim != 1 or r.shape != c.shape:
        raise ValueError(f"counts must be vectors on the same bins, got shapes {r.shape} and {c.shape}")
    return r / r.sum(), c / c.sum()
