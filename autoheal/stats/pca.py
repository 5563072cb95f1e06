"""Reconstruction error from principal components: a familiar chart of multivariate drift.

Pure. The reference is centred and its leading right singular vectors kept (Pearson 1901); the error of a row is
its Euclidean distance from their span. Dominated as a detector by multivariate.py: for display.

Rows (n, d), finite; errors (n,) in the unit of the features. Raises ValueError for empty or non-finite rows
and for more components than features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Centre (d,) and orthonormal directions (k, d)."""

    centre: NDArray[np.float64]
    directions: NDArray[np.float64]


def fit(rows: ArrayLike, *, components: int | None = None, variance: float = 0.65) -> Components:
    """Keep ``components`` directions, or the fewest that explain ``variance`` of the spread."""
    x = inputs.matrix("rows", rows)
    centre = x.mean(axis=0)
    _, sizes, directions = np.linalg.svd(x - centre, full_matrices=False)
    if components is None:
        total = float((sizes**2).sum())
        explained = np.cumsum(sizes**2) / (total if total > 0 else 1.0)
        components = int(np.searchsorted(explained, inputs.fraction("variance", variance) - 1e-12)) + 1
        components = min(components, len(sizes))
    if not 1 <= components <= len(sizes):
        raise ValueError(f"components must lie between 1 and {len(sizes)}, got {components}")
    return Components(centre, directions[:components])


def errors(model: Components, rows: ArrayLike) -> NDArray[np.float64]:
    """Distance of each row from its reconstruction, (n,)."""
    x = inputs.matrix("rows", rows)
    if x.shape[1] != model.centre.size:
        raise ValueError(f"rows need {model.centre.size} features, got {x.shape[1]}")
    away = x - model.centre
    rest = away - away @ model.directions.T @ model.directions
    return np.asarray(np.linalg.norm(rest, axis=1), dtype=np.float64)
