"""Maximum mean discrepancy with a Gaussian kernel, and the energy distance, of two samples.

Pure. MMD^2 (Gretton et al., "A kernel two-sample test", 2012), kernel ``exp(-|x - y|^2 / (2 bandwidth^2))``:
unbiased (may be below 0) or biased. Squared energy distance as a V-statistic (Szekely & Rizzo 2013):
``2 E|X-Y| - E|X-X'| - E|Y-Y'|``. Effect sizes on demand: O(n m), at most 4 million pairs.

Samples are (n,) or (n, d), finite. Raises ValueError for empty or non-finite samples and different d.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs

MOST_PAIRS = 4_000_000

Array = NDArray[np.float64]


def mmd2(first: ArrayLike, second: ArrayLike, bandwidth: float, *, unbiased: bool = True) -> float:
    """Squared maximum mean discrepancy."""
    x, y = _samples(first, second)
    if unbiased and min(len(x), len(y)) < 2:
        raise ValueError("the unbiased estimate needs two rows on each side")
    width = 2.0 * inputs.positive("bandwidth", bandwidth) ** 2
    xx, yy, xy = (np.exp(-_squares(a, b) / width) for a, b in ((x, x), (y, y), (x, y)))
    return _average(xx, unbiased) + _average(yy, unbiased) - 2.0 * float(xy.mean())


def energy_distance2(first: ArrayLike, second: ArrayLike) -> float:
    """Squared energy distance, >= 0, in the unit of the values."""
    x, y = _samples(first, second)
    xx, yy, xy = (float(np.sqrt(_squares(a, b)).mean()) for a, b in ((x, x), (y, y), (x, y)))
    return max(2.0 * xy - xx - yy, 0.0)


def _average(kernel: Array, unbiased: bool) -> float:
    n = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1))) if unbiased else float(kernel.mean())


def _squares(a: Array, b: Array) -> Array:
    return np.asarray(((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2))


def _samples(first: ArrayLike, second: ArrayLike) -> tuple[Array, Array]:
    x, y = (_sample(name, side) for name, side in (("first", first), ("second", second)))
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"both samples need the same number of features, got {x.shape[1]} and {y.shape[1]}")
    if max(len(x), len(y)) ** 2 * x.shape[1] > MOST_PAIRS:
        raise ValueError(f"at most {MOST_PAIRS} pairwise differences: thin the samples")
    return x, y


def _sample(name: str, values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64)
    return inputs.matrix(name, array[:, None] if array.ndim == 1 else array)
