"""Drift that no single feature shows: Hotelling's T2 of the means and the largest z of the second moments.

Pure. Rows are standardised by the reference, clipped at +-4, missing values put at 0. With C the reference
covariance (ridge 1e-3), ``T2 = n dbar' C^-1 dbar`` (Hotelling 1931) sees shifts of many means at once; the
largest ``|z_ij| = sqrt(n) |mean z_i z_j - reference| / sd(z_i z_j)`` sees spreads and correlations, and names
the pair. Both come from mergeable sums (n, sum z, sum z z'), so partitions add exactly. Their law is left to
the ranks of healthy windows (seasonal.rank_p); the factors n only make windows of unlike size comparable.

Rows (n, d), NaN = missing, d <= 200: project wider data first. Raises ValueError for infinities, shapes that do
not fit, references of fewer than 3 rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CLIP = 4.0
RIDGE = 1e-3
MOST_FEATURES = 200

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over standardised rows: how many, sum z (d,), sum z z' (d, d)."""

    n: int
    first: Array
    second: Array

    def __add__(self, other: Moments) -> Moments:
        if self.first.shape != other.first.shape:
            raise ValueError("moments of different numbers of features cannot be added")
        return Moments(self.n + other.n, self.first + other.first, self.second + other.second)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What healthy rows look like: scale of the raw features, and law of the standardised ones."""

    centre: Array
    scale: Array
    mean: Array
    precision: Array
    product: Array
    product_sd: Array


@dataclass(frozen=True, slots=True)
class Shift:
    """Statistics of one window, and the pair of features (equal for a spread) whose product moved most."""

    t2: float
    max_z: float
    pair: tuple[int, int]


def fit(rows: ArrayLike) -> Reference:
    """Learn a reference; a feature that never varies keeps its raw unit and its deviations count from there."""
    x = _rows(rows)
    if x.shape[0] < 3:
        raise ValueError(f"a reference needs at least 3 rows, got {x.shape[0]}")
    known = ~np.isnan(x)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, x, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, x - centre, 0.0) ** 2).sum(axis=0) / count)
    scale = np.where(spread > 1e-12 * (1.0 + np.abs(centre)), spread, 1.0)
    z = _standardised(x, centre, scale)
    n = x.shape[0]
    mean, product = z.mean(axis=0), z.T @ z / n
    # Variance of each product z_i z_j, from fourth moments; products that never vary get a floor.
    fourth = (z**2).T @ (z**2) / n
    sd = np.sqrt(np.maximum(fourth - product**2, RIDGE**2))
    return of_law(centre, scale, mean, product, sd)


def of_law(centre: Array, scale: Array, mean: Array, product: Array, product_sd: Array) -> Reference:
    """A reference from the numbers that ``fit`` learned, as they are kept in a file; (d,) three times, (d, d) twice."""
    d = centre.size
    if not scale.shape == mean.shape == (d,) or not product.shape == product_sd.shape == (d, d):
        raise ValueError(f"the parts of a reference of {d} features do not fit together")
    covariance = product - np.outer(mean, mean) + RIDGE * np.eye(d)
    precision = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
    return Reference(centre, scale, mean, precision, product, product_sd)


def moments(reference: Reference, rows: ArrayLike) -> Moments:
    """Sums of one batch, which may be empty."""
    x = _rows(rows)
    if x.shape[1] != reference.centre.size:
        raise ValueError(f"the reference has {reference.centre.size} features, the rows {x.shape[1]}")
    z = _standardised(x, reference.centre, reference.scale)
    return Moments(x.shape[0], z.sum(axis=0), z.T @ z)


def compare(reference: Reference, window: Moments) -> Shift:
    """T2 and the largest second-moment z of a window."""
    if window.n < 1:
        raise ValueError("the window is empty")
    away = window.first / window.n - reference.mean
    t2 = float(window.n * (away @ reference.precision @ away))
    z = np.abs(window.second / window.n - reference.product) / reference.product_sd * np.sqrt(window.n)
    i, j = np.unravel_index(int(np.argmax(np.triu(z))), z.shape)
    return Shift(max(t2, 0.0), float(z[i, j]), (int(i), int(j)))


def _rows(rows: ArrayLike) -> Array:
    x = np.asarray(rows, dtype=np.float64)
    if x.ndim != 2 or not 1 <= x.shape[1] <= MOST_FEATURES:
        raise ValueError(f"rows must be (n, d) with d from 1 to {MOST_FEATURES}, got shape {x.shape}")
    if np.isinf(x).any() or (np.abs(np.where(np.isnan(x), 0.0, x)) > 1e150).any():
        raise ValueError("rows hold values beyond 1e150: clip or drop them first")
    return x


def _standardised(x: Array, centre: Array, scale: Array) -> Array:
    z = np.clip((x - centre) / scale, -CLIP, CLIP)
    return np.where(np.isnan(z), 0.0, z)
