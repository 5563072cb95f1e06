"""One sort of a batch, then every count that a drift report needs, by one search of a few hundred fixed places.

Pure. A ``Probe`` holds, for many numeric columns at once, the places to look up: the edges of the reference's bins,
the limits beyond which a value is out of range, and a coarse grid of reference values for Kolmogorov-Smirnov bounds.
``look`` sorts each column once and counts the values at or below each place; all else is subtraction, for all
columns together. Called by ``report``. The counts are those of
``ReferenceBins.counts``, to the row (searching a sorted column for ten edges beats searching ten edges for each row).

Surprises: all columns share one layout, padded by repeating the last edge and the last grid point, so that padding
counts nothing; a column without bins (``None``: constant, or nothing known) keeps its grid only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoheal.stats.reference_bins import MARGIN, ReferenceBins

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LARGEST = float(np.finfo(np.float64).max)
#: Places before the edges: minus infinity, and the largest value that is too small to be in range.
BEFORE = 2
#: Rows that are sorted in one call: half a megabyte.
TOGETHER = 65536


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Places (columns, BEFORE + edges + 3 + grid): -inf, low limit | edges | high limit, largest float, inf | grid."""

    places: Floats
    edges: int
    grid: int

    @property
    def bins(self) -> int:
        """Value bins, then out of range and missing."""
        return self.edges + 3


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What one batch of every column holds at or below each place, and how many rows it has, (columns,)."""

    probe: Probe
    below: Ints
    rows: Ints

    @property
    def counts(self) -> Ints:
        """Rows in each bin, (columns, bins): value bins, zeros of the padding, out of range, missing."""
        last = BEFORE + self.probe.edges
        counts = np.empty((len(self.rows), self.probe.bins), dtype=np.int64)
        inside = self.below[:, 1 : last + 1]
        np.subtract(inside[:, 1:], inside[:, :-1], out=counts[:, :-2])
        present = self.below[:, last + 2]
        counts[:, -2] = inside[:, 0] + present - inside[:, -1]
        counts[:, -1] = self.rows - present
        return counts

    @property
    def present(self) -> Ints:
        """Rows with a value, infinities among them, (columns,)."""
        return self.below[:, BEFORE + self.probe.edges + 2]

    @property
    def finite(self) -> Ints:
        """Rows with a finite value, (columns,)."""
        return self.below[:, BEFORE + self.probe.edges + 1] - self.below[:, 0]

    @property
    def at_grid(self) -> Ints:
        """Rows with a finite value at or below each grid point, (columns, grid)."""
        return self.below[:, BEFORE + self.probe.edges + 3 :] - self.below[:, :1]


def probe(bins: Sequence[ReferenceBins | None], grids: Sequence[Floats]) -> Probe:
    """Places for columns with these bins and ascending, finite grids (one or more points each)."""
    edges = max((len(b.edges) for b in bins if b is not None), default=1)
    grid = max((len(g) for g in grids), default=1)
    rows = [_places(b, g, edges, grid) for b, g in zip(bins, grids, strict=True)]
    places = np.array(rows, dtype=np.float64).reshape(len(rows), BEFORE + edges + 3 + grid)
    places.setflags(write=False)
    return Probe(places, edges, grid)


def look(
    probe: Probe, columns: Sequence[Floats], visit: Callable[[slice, Floats, Ints], None] | None = None
) -> Looked:
    """Sort each column and count at every place. Rows may differ between columns, and may be none.

    Short columns go through in groups of one length. ``visit`` is shown each group while it is at hand: which columns,
    their sorted values (columns, rows), and what was counted.
    """
    if len(columns) != len(probe.places):
        raise ValueError(f"the reference has {len(probe.places)} numeric columns, the batch {len(columns)}")
    below = np.empty(probe.places.shape, dtype=np.int64)
    for group in _groups([len(c) for c in columns]):
        ordered = np.array(columns[group])
        ordered.sort(axis=1)
        for row, places, counted in zip(ordered, probe.places[group], below[group], strict=True):
            counted[:] = row.searchsorted(places, "right")
        if visit is not None:
            visit(group, ordered, below[group])
    return Looked(probe, below, np.array([len(c) for c in columns], dtype=np.int64))


def _groups(lengths: Sequence[int]) -> Iterator[slice]:
    """Neighbours of one length, as many as fit the processor's cache together."""
    start = 0
    for i, length in enumerate(lengths):
        if i and (length != lengths[start] or (i + 1 - start) * length > TOGETHER):
            yield slice(start, i)
            start = i
    if lengths:
        yield slice(start, len(lengths))


def limits(bins: ReferenceBins) -> tuple[float, float]:
    """The largest value too small to be in range (-inf: none is), and the largest that is not too large.

    ``ReferenceBins.counts`` decides by halves, so that no span overflows; here its answer is turned into values.
    """
    stray = MARGIN * bins.high - MARGIN * bins.low
    low, high = bins.low / 2 - stray / 2, bins.high / 2 + stray / 2
    floor, ceiling = max(2 * low, -LARGEST), min(2 * high, LARGEST)
    while floor / 2 < low:
        floor = math.nextafter(floor, math.inf)
    while floor / 2 >= low and floor > -math.inf:
        floor = math.nextafter(floor, -math.inf)
    while ceiling / 2 > high:
        ceiling = math.nextafter(ceiling, -math.inf)
    while math.nextafter(ceiling, math.inf) / 2 <= high and ceiling < LARGEST:
        ceiling = math.nextafter(ceiling, math.inf)
    return floor, ceiling


def _places(bins: ReferenceBins | None, grid: Floats, edges: int, points: int) -> list[float]:
    """One column's row of places, in the shared layout."""
    if bins is None:
        # Never asked: the places only have to ascend.
        low, high = -math.inf, LARGEST
        cuts: tuple[float, ...] = (LARGEST,)
    else:
        (low, high), cuts = limits(bins), bins.edges
    padded = [*cuts, *[cuts[-1]] * (edges - len(cuts))]
    marks = [float(g) for g in grid]
    return [-math.inf, low, *padded, high, LARGEST, math.inf, *marks, *[marks[-1]] * (points - len(marks))]
