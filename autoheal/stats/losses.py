"""Losses in [0, 1], one a row, that the e-detector bets on.

Pure. Error indicator; misses among actual positives; false alarms among predicted positives; misordered random
pairs, whose mean is 1 - AUC; clipped absolute error and large-error indicator for regression. Each has a
conditional mean that is the metric itself, which is all that the bets of eprocess.py need.

Inputs are vectors of the same length; a loss over a subset of rows has that subset's length, in order. Raises
ValueError for NaN, lengths that differ, limits that are not above 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs

Array = NDArray[np.float64]


def errors(predicted: ArrayLike, actual: ArrayLike) -> Array:
    """1 where the predicted class is wrong: mean = 1 - accuracy."""
    guess, truth = _classes(predicted, actual)
    return np.asarray(guess != truth, dtype=np.float64)


def misses(predicted: ArrayLike, actual: ArrayLike, positive: object = 1) -> Array:
    """Over actual positives, 1 where they were not found: mean = 1 - recall."""
    guess, truth = _classes(predicted, actual)
    return np.asarray(guess[truth == positive] != positive, dtype=np.float64)


def false_alarms(predicted: ArrayLike, actual: ArrayLike, positive: object = 1) -> Array:
    """Over predicted positives, 1 where they are none: mean = 1 - precision."""
    guess, truth = _classes(predicted, actual)
    return np.asarray(truth[guess == positive] != positive, dtype=np.float64)


def misordered(scores: ArrayLike, actual: ArrayLike, order: np.random.Generator) -> Array:
    """Over random disjoint pairs of a positive and a negative, 1 where the negative scores higher, ties by half.

    ``actual`` is 0/1. Mean = 1 - AUC.
    """
    s, y = _numbers(scores, actual)
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("actual labels must be 0 or 1")
    high, low = order.permutation(s[y == 1]), order.permutation(s[y == 0])
    pairs = min(high.size, low.size)
    return np.asarray((high[:pairs] < low[:pairs]) + 0.5 * (high[:pairs] == low[:pairs]), dtype=np.float64)


def clipped_error(predicted: ArrayLike, actual: ArrayLike, limit: float) -> Array:
    """min(|error|, limit)/limit; limit = the 99.9% quantile of the reference's absolute errors."""
    guess, truth = _numbers(predicted, actual)
    return np.minimum(np.abs(guess - truth) / inputs.positive("limit", limit), 1.0)


def large_error(predicted: ArrayLike, actual: ArrayLike, limit: float) -> Array:
    """1 where |error| exceeds the limit, for example the reference's 90% quantile."""
    guess, truth = _numbers(predicted, actual)
    return (np.abs(guess - truth) > inputs.positive("limit", limit)).astype(np.float64)


def _numbers(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    x, y = inputs.vector("first", a, least=0), inputs.vector("second", b, least=0)
    if x.shape != y.shape:
        raise ValueError(f"need two vectors of the same length, got {x.size} and {y.size}")
    return x, y


def _classes(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    x, y = np.asarray(a, dtype=np.object_), np.asarray(b, dtype=np.object_)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"need two vectors of the same length, got shapes {x.shape} and {y.shape}")
    if any(value is None or value != value for side in (x, y) for value in side):  # noqa: PLR0124 - NaN differs from itself
        raise ValueError("classes hold missing values: leave unlabelled rows out")
    return x, y
