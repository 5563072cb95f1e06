"""PELT: the exact segmentation of a finished history into stretches of one level, for the post-mortem.

Pure. Minimises the sum of the segments' costs plus ``penalty`` a change over *all* segmentations; starts that can never be
best again are dropped, so that a history with changes costs about O(n). Costs are twice the negative log likelihood of
one level a segment: of a mean with the variance of the noise (``gaussian``: by the median of the absolute differences of
neighbours, which steps do not disturb), or of a rate (``bernoulli``). After Killick, Fearnhead & Eckley, "Optimal
detection of changepoints with a linear computational cost" (2012).

What surprises: right after an alarm it finds nothing, the new stretch being short for its penalty; while a stream runs use
changepoint.py. Values (n,) in the order of time, finite; changes are 0-based first rows of a new stretch. Raises
ValueError for other values, a penalty not above 0, more than 20,000 rows (aggregate first).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlog1py, xlogy

from autoheal.stats import inputs

Floats = NDArray[np.float64]
Family = Literal["gaussian", "bernoulli"]
MOST_ROWS = 20_000
#: Default penalty in units of 2 ln n; 1.5 is the 3 sigma^2 ln n of common practice.
STRICTNESS = 1.5
#: Median absolute difference of two normal values, in standard deviations.
DIFFERENCE = 0.9538725524


@dataclass(frozen=True, slots=True)
class Segmentation:
    """First rows of the stretches after the first, the level of every stretch, and the total cost with penalties."""

    changes: tuple[int, ...]
    levels: tuple[float, ...]
    cost: float


def segment(
    values: ArrayLike, family: Family = "gaussian", *, penalty: float | None = None, least_rows: int = 1
) -> Segmentation:
    """The best segmentation into stretches of at least ``least_rows``; ``penalty`` default 3 ln n."""
    x = inputs.losses("values", values) if family == "bernoulli" else inputs.vector("values", values)
    if not 1 <= x.size <= MOST_ROWS:
        raise ValueError(f"need 1 to {MOST_ROWS} rows, got {x.size}: aggregate first")
    if not 1 <= least_rows <= x.size:
        raise ValueError(f"stretches need 1 to {x.size} rows, got {least_rows}")
    price = 2.0 * STRICTNESS * math.log(max(x.size, 2)) if penalty is None else penalty
    inputs.positive("penalty", price)
    scaled = (x - x.mean()) / noise(x) if family == "gaussian" else x
    last, cost = _search(scaled, family, price, least_rows)
    changes = _back(last, x.size)
    edges = [0, *changes, x.size]
    levels = tuple(float(x[a:b].mean()) for a, b in itertools.pairwise(edges))
    return Segmentation(tuple(changes), levels, cost)


def noise(values: ArrayLike) -> float:
    """Standard deviation of rows around their level, whatever steps it takes; 1 without any spread."""
    x = inputs.vector("values", values)
    if x.size < 2:
        return 1.0
    gaps = np.abs(np.diff(x))
    robust = float(np.median(gaps)) / DIFFERENCE
    # Half of the neighbours equal: ties, and the median says nothing.
    found = robust if robust > 0 else float(np.sqrt(np.mean(gaps**2) / 2.0))
    return found if found > 0 else 1.0


def _search(x: Floats, family: Family, penalty: float, least: int) -> tuple[NDArray[np.int64], float]:
    """For every end the best last change, and the cost of the whole."""
    n = x.size
    sums = np.concatenate([[0.0], np.cumsum(x)])
    squares = np.concatenate([[0.0], np.cumsum(x * x)])
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    last = np.zeros(n + 1, dtype=np.int64)
    starts, expiry = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    for end in range(min(least, n), n + 1):
        fresh = max(end - least, 0)
        if np.isfinite(best[fresh]):
            starts, expiry = np.append(starts, fresh), np.append(expiry, n + 1)
        rows = (end - starts).astype(np.float64)
        until = best[starts] + _cost(family, rows, sums[end] - sums[starts], squares[end] - squares[starts])
        place = int(np.argmin(until))
        best[end], last[end] = until[place] + penalty, starts[place]
        # A change here beats these starts for good, from the first end at which it may be the last change.
        expiry = np.where(until > best[end] + 1e-9, np.minimum(expiry, end + least), expiry)
        kept = expiry > end + 1
        starts, expiry = starts[kept], expiry[kept]
    return last, float(best[n])


def _cost(family: Family, rows: Floats, sums: Floats, squares: Floats) -> Floats:
    if family == "gaussian":
        return np.maximum(squares - sums**2 / rows, 0.0)
    rate = np.clip(sums / rows, 0.0, 1.0)
    return np.asarray(-2.0 * (xlogy(sums, rate) + xlog1py(rows - sums, -rate)))


def _back(last: NDArray[np.int64], end: int) -> list[int]:
    changes: list[int] = []
    while last[end] > 0:
        end = int(last[end])
        changes.append(end)
    return changes[::-1]
