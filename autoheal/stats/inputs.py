"""What the statistics accept: the checks that turn unusable numbers into a ValueError with a clear message.

Pure. Every public function of this package passes its arguments through these gates first, so that a NaN or
an empty window ends in a sentence that names the argument and never in a numpy warning or a silent NaN that
would poison the evidence kept for ever.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def vector(name: str, values: ArrayLike, *, least: int = 1) -> NDArray[np.float64]:
    """A one-dimensional array of finite floats with at least ``least`` members."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    if array.size < least:
        raise ValueError(f"{name} needs at least {least} values, got {array.size}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinite values")
    return array


def matrix(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """A two-dimensional array of finite floats, not empty."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} must be a non-empty matrix, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinite values")
    return array


def tally(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Counts of bins along the last axis: finite, not negative, at least one bin, every row with some mass."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"{name} must hold at least one bin")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"{name} must be finite counts >= 0")
    if (array.sum(axis=-1) <= 0).any():
        raise ValueError(f"{name} is empty: no rows were counted")
    return array


def losses(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """A vector (possibly empty) of losses in [0, 1]."""
    array = vector(name, values, least=0)
    if array.size and (array.min() < 0 or array.max() > 1):
        raise ValueError(f"{name} must lie in [0, 1]")
    return array


def fraction(name: str, value: float) -> float:
    """A number strictly between 0 and 1."""
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value}")
    return float(value)


def positive(name: str, value: float) -> float:
    """A finite number above 0."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a finite number above 0, got {value}")
    return float(value)


def hits_of(n: float, k: float) -> tuple[float, float]:
    """``k`` events out of ``n`` rows: 0 <= k <= n, both finite."""
    if not (math.isfinite(n) and math.isfinite(k) and 0 <= k <= n):
        raise ValueError(f"need 0 <= events <= rows, got {k} of {n}")
    return float(n), float(k)
