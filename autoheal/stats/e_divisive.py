"""E-Divisive: changes of anything in the law of rows (level, spread, correlation), one by one, for the post-mortem.

Pure. The energy distance between the rows before and after a split is zero only when both have the same law; the split
with the largest one is kept while fewer than ``alpha`` of the histories with rows shuffled inside their stretches show
as large a one, then the stretches are split in turn. After Matteson & James, "A nonparametric approach for multiple
change point analysis of multivariate data" (2014), with the right end of a stretch held at its end. The shuffling is the
caller's generator, so that a report can be repeated.

What surprises: O(n^2) in memory and time, so at most 2,000 rows; and neighbouring rows that are alike look like changes:
aggregate to means of blocks first. Rows are (n,) or (n, d), finite, in the order of time, in comparable units. Raises
ValueError for other values, an exponent outside (0, 2).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs

Floats = NDArray[np.float64]
MOST_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Change:
    """First row of a new stretch, the energy statistic of the split, and the share of shuffles that reach it."""

    start: int
    statistic: float
    p: float


def divide(
    rows: ArrayLike,
    order: np.random.Generator,
    *,
    alpha: float = 0.05,
    least_rows: int = 30,
    shuffles: int = 199,
    exponent: float = 1.0,
    most: int = 20,
) -> tuple[Change, ...]:
    """Changes in the order of rows."""
    distances = _distances(rows, exponent)
    inputs.fraction("alpha", alpha)
    if least_rows < 2 or shuffles < 1:
        raise ValueError("need stretches of at least 2 rows and at least one shuffle")
    n, found = len(distances), list[Change]()
    while len(found) < most:
        edges = [0, *sorted(c.start for c in found), n]
        start, statistic = _best(distances, edges, np.arange(n), least_rows)
        if start == 0 or statistic <= 0:
            break
        reached = 0
        for _ in range(shuffles):
            mixed = np.concatenate([order.permutation(np.arange(a, b)) for a, b in _pairs(edges)])
            reached += _best(distances, edges, mixed, least_rows)[1] >= statistic
        p = (1 + reached) / (1 + shuffles)
        if p > alpha:
            break
        found.append(Change(start, statistic, p))
    return tuple(sorted(found, key=lambda c: c.start))


def energy(left: ArrayLike, right: ArrayLike, exponent: float = 1.0) -> float:
    """Scaled energy statistic of two samples: m n / (m + n) (2 E|X-Y| - E|X-X'| - E|Y-Y'|)."""
    a, b = _table(left), _table(right)
    if a.shape[1] != b.shape[1] or len(a) < 2 or len(b) < 2:
        raise ValueError("need two samples of at least 2 rows and the same columns")
    distances = _distances(np.concatenate([a, b]), exponent)
    return float(_profile(distances)[len(a) - 1])


def _best(distances: Floats, edges: list[int], places: NDArray[np.int64], least: int) -> tuple[int, float]:
    """The best split inside any stretch, and its statistic; (0, 0) where none is long enough."""
    top = (0, 0.0)
    for a, b in _pairs(edges):
        if b - a < 2 * least:
            continue
        mine = places[a:b]
        profile = _profile(distances[np.ix_(mine, mine)])[least - 1 : b - a - least]
        at = int(np.argmax(profile))
        if profile[at] > top[1]:
            top = (a + least + at, float(profile[at]))
    return top


def _profile(distances: Floats) -> Floats:
    """The statistic of every split after row i, (n - 1,); splits with one row on a side count no spread there."""
    n = len(distances)
    # Sum over pairs inside the first i rows, and inside the rest.
    inside = np.cumsum(np.concatenate([[0.0], np.tril(distances, -1).sum(axis=1)[1:]]))
    after = np.cumsum(np.triu(distances, 1).sum(axis=1)[::-1])[::-1]
    left, right = inside[:-1], after[1:]
    across = inside[-1] - left - right
    m = np.arange(1.0, n)
    k = n - m
    spread = left / np.maximum(m * (m - 1.0) / 2.0, 1.0) + right / np.maximum(k * (k - 1.0) / 2.0, 1.0)
    return np.asarray(m * k / n * (2.0 * across / (m * k) - spread))


def _distances(rows: ArrayLike, exponent: float) -> Floats:
    table = _table(rows)
    if not 0.0 < exponent < 2.0:
        raise ValueError(f"the exponent must lie in (0, 2), got {exponent}")
    if len(table) > MOST_ROWS:
        raise ValueError(f"at most {MOST_ROWS} rows, got {len(table)}: aggregate first")
    squares = np.zeros((len(table), len(table)))
    for column in table.T:
        squares += (column[:, None] - column[None, :]) ** 2
    return np.asarray(squares ** (exponent / 2.0))


def _table(rows: ArrayLike) -> Floats:
    array = np.asarray(rows, dtype=np.float64)
    return inputs.matrix("rows", array[:, None] if array.ndim == 1 and array.size else array)


def _pairs(edges: list[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(edges))
