"""Mann-Whitney rank test of two samples and the Hodges-Lehmann shift between them.

Pure. U counts pairs where the second sample is larger, ties by half; the p is the two-sided normal one with
tie and continuity corrections (Mann & Whitney 1947). The shift is the median of all pairwise differences
(Hodges & Lehmann 1963). One look each: read repeatedly, its error is not controlled. Also the check that labels
come as fast for wrong rows as for right ones.

Samples are vectors, finite; the shift is in their unit. At most 4 million pairs for the shift. Raises
ValueError for empty or non-finite samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from autoheal.stats import inputs

MOST_PAIRS = 4_000_000


@dataclass(frozen=True, slots=True)
class RankTest:
    """``u`` of the second sample, two-sided ``p``."""

    u: float
    p: float


def rank_test(first: ArrayLike, second: ArrayLike) -> RankTest:
    """Is the second sample larger or smaller than the first? All values equal: p = 1."""
    x, y = inputs.vector("first", first), np.sort(inputs.vector("second", second))
    below = np.searchsorted(y, x, side="left")
    upto = np.searchsorted(y, x, side="right")
    u = float((y.size - upto).sum()) + 0.5 * float((upto - below).sum())
    n, m = x.size, y.size
    ties = np.unique(np.concatenate([x, y]), return_counts=True)[1].astype(np.float64)
    rows = float(n + m)
    spread = n * m / 12.0 * (rows + 1.0 - float((ties**3 - ties).sum()) / (rows * (rows - 1.0)))
    if spread <= 1e-12 * n * m:
        return RankTest(u, 1.0)
    z = (abs(u - n * m / 2.0) - 0.5) / math.sqrt(spread)
    return RankTest(u, min(1.0, 2.0 * float(ndtr(-z))))


def shift(first: ArrayLike, second: ArrayLike) -> float:
    """Hodges-Lehmann estimate of second minus first."""
    x, y = inputs.vector("first", first), inputs.vector("second", second)
    if x.size * y.size > MOST_PAIRS:
        raise ValueError(f"at most {MOST_PAIRS} pairs, got {x.size * y.size}: thin the samples")
    return float(np.median(y[:, None] - x[None, :]))


def auc(negatives: ArrayLike, positives: ArrayLike) -> float:
    """Share of pairs in which the positive scores higher, ties by half: the area under the ROC curve."""
    low, high = inputs.vector("negatives", negatives), inputs.vector("positives", positives)
    return rank_test(low, high).u / (low.size * high.size)
