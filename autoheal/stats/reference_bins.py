"""Bins cut once from the quantiles of a reference sample, and the counts of any later batch on them.

Pure. Edges are reference values at the quantiles j/B; equal edges are merged, and a value that holds more
than 1/B of the mass gets a bin of its own. Bins are half-open, (a, b], found by ``searchsorted(side="left")``,
so a value that equals an edge belongs below it. Two bins follow the value bins: *out of range* (further than
10% of the reference span outside [min, max], and +-inf) and *missing* (NaN; None becomes NaN). Counts of
batches on the same bins add up to the counts of their union, exactly: that is what partitions send.

Edges are in the unit of the feature; counts are integers of shape (bins,). Raises ValueError for a reference
without two different finite values (a constant has no PSI: watch the rate of other values instead).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEATURE_BINS = 10
SCORE_BINS = 20
MARGIN = 0.1  # share of the reference span that a value may stray before it is out of range
FEW_VALUES = 20  # below this many distinct values a feature is a set of levels, not a quantity

Kind = Literal["empty", "constant", "categorical", "numeric"]


@dataclass(frozen=True, slots=True)
class ReferenceBins:
    """Cuts of one feature: inner ``edges`` (ascending), and the smallest and largest reference value."""

    edges: tuple[float, ...]
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a reference needs two different finite values, got {self.low} to {self.high}")
        # Compared, not subtracted: edges may be further apart than the largest float.
        ascending = all(a < b for a, b in itertools.pairwise(self.edges))
        if not self.edges or not np.isfinite(self.edges).all() or not ascending:
            raise ValueError("edges must be finite and strictly ascending, at least one")

    @property
    def size(self) -> int:
        """Number of bins, with out-of-range and missing."""
        return len(self.edges) + 3

    @property
    def out_of_range(self) -> int:
        """Index of the out-of-range bin."""
        return len(self.edges) + 1

    @property
    def missing(self) -> int:
        """Index of the missing bin."""
        return len(self.edges) + 2

    def counts(self, values: ArrayLike) -> NDArray[np.int64]:
        """Rows of ``values`` in each bin, shape (size,); an empty batch counts nothing."""
        x = as_floats(values)
        where = np.searchsorted(np.asarray(self.edges), x, side="left")
        # Scaled before subtracting, so that a span near the largest float does not overflow.
        stray = MARGIN * self.high - MARGIN * self.low
        outside = (x / 2 < self.low / 2 - stray / 2) | (x / 2 > self.high / 2 + stray / 2) | np.isinf(x)
        where = np.where(outside, self.out_of_range, np.where(np.isnan(x), self.missing, where))
        return np.bincount(where, minlength=self.size).astype(np.int64)

    def labels(self) -> tuple[str, ...]:
        """One name a bin, in the order of the counts, for reports."""
        cuts = ["-inf", *(f"{edge:.6g}" for edge in self.edges), "inf"]
        inner = [f"({a}, {b}]" for a, b in itertools.pairwise(cuts)]
        return (*inner, "<out of range>", "<missing>")


def cut(values: ArrayLike, bins: int = FEATURE_BINS) -> ReferenceBins:
    """Cut ``bins`` quantile bins from a reference sample; NaN and infinities do not take part."""
    if bins < 2:
        raise ValueError(f"need at least 2 bins, got {bins}")
    x = as_floats(values)
    x = np.sort(x[np.isfinite(x)])
    if x.size == 0 or x[0] == x[-1]:
        raise ValueError("the reference has fewer than two different finite values: it has no PSI")
    # Ranks, not interpolation: an edge is always a value that occurred.
    ranks = np.ceil(np.arange(1, bins) * (x.size / bins)).astype(np.int64) - 1
    edges = np.unique(np.concatenate([x[np.maximum(ranks, 0)], _fences(x, bins)]))
    # The largest value as an edge would leave an empty bin above it, unless that value is heavy.
    if edges[-1] == x[-1] and edges.size > 1 and edges[-2] != np.nextafter(x[-1], -np.inf):
        edges = edges[:-1]
    return ReferenceBins(tuple(edges.tolist()), float(x[0]), float(x[-1]))


def kind_of(values: ArrayLike) -> Kind:
    """How a numeric reference is to be watched: by PSI on quantiles, as levels, as a constant, or not at all."""
    x = as_floats(values)
    distinct = np.unique(x[~np.isnan(x)]).size
    if distinct == 0:
        return "empty"
    if distinct == 1:
        return "constant"
    return "categorical" if distinct < FEW_VALUES else "numeric"


def as_floats(values: ArrayLike) -> NDArray[np.float64]:
    """One dimension of floats; None becomes NaN. ValueError when something is not a number."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except TypeError as problem:
        raise ValueError(f"not numbers: {problem}") from problem
    if array.ndim != 1:
        raise ValueError(f"values must be one-dimensional, got shape {array.shape}")
    return array


def _fences(ordered: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Two edges around each value that holds more than 1/bins of the mass: just below it, and itself."""
    values, counts = np.unique(ordered, return_counts=True)
    # A value seen once is not heavy, however small the reference; nothing lies below the lowest float.
    heavy = values[(counts > max(ordered.size / bins, 1)) & (values > np.finfo(np.float64).min)]
    fences: NDArray[np.float64] = np.concatenate([np.nextafter(heavy, -np.inf), heavy])
    return fences
