"""Gradient-boosted trees of three levels on binned features: the small learner behind diagnosis and loss estimates.

Pure. Features are cut once into at most 32 bins by their quantiles (missing values have a bin of their own); each tree
adds one Newton step of the logistic or squared loss, grown level by level from histograms, with a quarter learning rate.
Three levels find pairs and triples of features that only mean something together. Everything is counting, so the same rows
give the same trees: no randomness. After Friedman, "Greedy function approximation: a gradient boosting machine" (2001),
and the histogram form of Ke et al., "LightGBM" (2017).

Written in numpy because it runs inside the daemon, where scikit-learn would cost 100 MB for a job of a moment: 10,000
rows of 20 features take a third of a second. Not meant as a model to serve. Rows (n, d), NaN = missing; targets (n,), 0/1 or
finite. Raises ValueError for infinities, shapes that do not fit, fewer than 20 rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from autoheal.stats import inputs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS, LEVELS, TREES, RATE, RIDGE = 32, 3, 60, 0.25, 5.0
LEAST_ROWS = 20
LEAST_IN_LEAF = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """Complete tree: feature and last bin that goes left of each inner node (2^L - 1,), value of each leaf (2^L,)."""

    feature: Ints
    cut: Ints
    leaf: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Boosted:
    """Bin edges a feature, first guess, trees, and the share of the loss that each feature took away (d,)."""

    edges: tuple[Floats, ...]
    base: float
    trees: tuple[Tree, ...]
    importance: Floats
    logistic: bool

    def predict(self, rows: ArrayLike) -> Floats:
        """Chance of 1 (logistic) or the value, (n,)."""
        binned = _binned(_rows(rows), self.edges)
        raw = np.full(len(binned), self.base)
        for tree in self.trees:
            raw += tree.leaf[_leaf_of(tree, binned)]
        return np.asarray(expit(raw)) if self.logistic else raw


def fit(
    rows: ArrayLike,
    targets: ArrayLike,
    *,
    logistic: bool,
    weights: ArrayLike | None = None,
    trees: int = TREES,
) -> Boosted:
    """Learn from all rows; ``weights`` (n,) >= 0."""
    x, y = _rows(rows), inputs.vector("targets", targets)
    w = np.ones(y.size) if weights is None else inputs.vector("weights", weights)
    if len(x) != y.size or y.size != w.size or y.size < LEAST_ROWS or (w < 0).any() or w.sum() <= 0:
        raise ValueError(
            f"need a target and a weight >= 0 a row, at least {LEAST_ROWS}; got {len(x)}, {y.size}, {w.size}"
        )
    if logistic and not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("targets must be 0 or 1")
    w = w / w.mean()
    edges = tuple(_edges(column) for column in x.T)
    binned = _binned(x, edges)
    mean = float(np.average(y, weights=w))
    base = float(logit(np.clip(mean, 1e-6, 1.0 - 1e-6))) if logistic else mean
    raw, grown, gains = np.full(y.size, base), list[Tree](), np.zeros(x.shape[1])
    for _ in range(trees):
        p = expit(raw) if logistic else raw
        bend = w * np.maximum(p * (1.0 - p), 1e-6) if logistic else w
        tree, gain = _grow(binned, w * (y - p), bend)
        if not gain.any():
            break
        raw += tree.leaf[_leaf_of(tree, binned)]
        gains += gain
        grown.append(tree)
    total = gains.sum()
    return Boosted(edges, base, tuple(grown), gains / total if total > 0 else gains, logistic)


def _grow(binned: Ints, slope: Floats, bend: Floats) -> tuple[Tree, Floats]:
    """One tree by levels; the gain of each feature."""
    n, d = binned.shape
    width = BINS + 2
    place = binned + np.arange(d) * width
    node, gains = np.zeros(n, dtype=np.int64), np.zeros(d)
    features, cuts = [], []
    for level in range(LEVELS):
        many = 1 << level
        keys = (place + (node * (d * width))[:, None]).ravel()
        shape = (many, d, width)
        size = many * d * width
        sums, masses = (_totals(keys, np.repeat(v, d), size).reshape(shape) for v in (slope, bend))
        feature, cut, gain = _splits(sums, masses)
        np.add.at(gains, feature, gain)
        features.append(feature)
        cuts.append(cut)
        node = 2 * node + (binned[np.arange(n), feature[node]] > cut[node])
    leaves = 1 << LEVELS
    top, bottom = _totals(node, slope, leaves), _totals(node, bend, leaves)
    leaf = RATE * top / (bottom + RIDGE)
    return Tree(np.concatenate(features), np.concatenate(cuts), leaf), gains


def _totals(keys: Ints, weights: Floats, size: int) -> Floats:
    return np.asarray(np.bincount(keys, weights, size), dtype=np.float64)


def _splits(sums: Floats, masses: Floats) -> tuple[Ints, Ints, Floats]:
    """The best feature and bin of each node; without a gain everything goes left."""
    left, below = np.cumsum(sums, axis=2), np.cumsum(masses, axis=2)
    total, mass = left[:, :, -1:], below[:, :, -1:]
    right, above = total - left, mass - below
    gain = left**2 / (below + RIDGE) + right**2 / (above + RIDGE) - total**2 / (mass + RIDGE)
    # Rows count by their curvature, which is at most a quarter of a row for the logistic loss.
    allowed = (below >= LEAST_IN_LEAF / 4.0) & (above >= LEAST_IN_LEAF / 4.0) & (gain > 1e-9)
    flat = np.where(allowed, gain, 0.0).reshape(len(sums), -1)
    best = flat.argmax(axis=1).astype(np.int64)
    found = flat[np.arange(len(flat)), best]
    feature, cut = best // sums.shape[2], best % sums.shape[2]
    return feature, np.where(found > 0, cut, sums.shape[2]), np.asarray(found, dtype=np.float64)


def _leaf_of(tree: Tree, binned: Ints) -> Ints:
    node = np.zeros(len(binned), dtype=np.int64)
    everyone = np.arange(len(binned))
    for level in range(LEVELS):
        at = (1 << level) - 1 + node
        node = 2 * node + (binned[everyone, tree.feature[at]] > tree.cut[at])
    return node


def _edges(column: Floats) -> Floats:
    present = np.unique(column[~np.isnan(column)])
    if present.size <= BINS:
        return present[:-1]
    known = np.sort(column[~np.isnan(column)])
    at = (np.arange(1, BINS) * (known.size / BINS)).astype(np.int64)
    return np.unique(known[at])


def _binned(x: Floats, edges: tuple[Floats, ...]) -> Ints:
    """Bin of every cell, (n, d): 0 ... BINS - 1 by value (a, b], BINS + 1 missing."""
    if x.shape[1] != len(edges):
        raise ValueError(f"need {len(edges)} features, got {x.shape[1]}")
    columns = [
        np.where(np.isnan(column), BINS + 1, np.searchsorted(cuts, column, side="left"))
        for column, cuts in zip(x.T, edges, strict=True)
    ]
    return np.stack(columns, axis=1).astype(np.int64)


def _rows(rows: ArrayLike) -> Floats:
    x = np.asarray(rows, dtype=np.float64)
    if x.ndim != 2 or x.size == 0 or np.isinf(x).any():
        raise ValueError(f"rows must be a non-empty matrix without infinities, got shape {x.shape}")
    return x
