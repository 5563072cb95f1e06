"""What partitions send each other: counts on fixed edges, and the error of anything less exact.

Pure. Counts on the reference's own edges add exactly, so PSI, JS, TV and the binned Wasserstein distance of the
union are exact; Kolmogorov-Smirnov is bounded (distance.ks_bounds). Sketches (KLL, DDSketch) are only good to
make edges; ``psi_error_bound`` says what their rank error could do to a PSI, ``dkw`` how well an exact reference
is known anyway (Dvoretzky, Kiefer & Wolfowitz 1956; Massart 1990).

Counts are integers of shape (bins,) or (features, bins). Raises ValueError for shapes that differ, negative counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs


def add_counts(parts: Iterable[ArrayLike]) -> NDArray[np.int64]:
    """Counts of the union of the partitions."""
    arrays = [np.asarray(part) for part in parts]
    if not arrays:
        raise ValueError("nothing to merge")
    if any(a.shape != arrays[0].shape or a.dtype.kind not in "iu" for a in arrays):
        raise ValueError("partitions must send integer counts on the same bins")
    if any((a < 0).any() for a in arrays):
        raise ValueError("counts must be >= 0")
    total: NDArray[np.int64] = np.sum(arrays, axis=0, dtype=np.int64)
    return total


def psi_error_bound(bins: int, rank_error: float) -> float:
    """Largest PSI error near no drift from a rank error on ``bins`` equal bins, about bins^2 (2 error)^2."""
    if bins < 2 or not 0.0 <= rank_error <= 1.0:
        raise ValueError(f"need 2 bins and a rank error in [0, 1], got {bins} and {rank_error}")
    return (bins * 2.0 * rank_error) ** 2


def dkw(n: float, alpha: float = 0.05) -> float:
    """Half-width of the uniform band of a distribution function known from ``n`` rows."""
    return math.sqrt(math.log(2.0 / inputs.fraction("alpha", alpha)) / (2.0 * inputs.positive("n", n)))
