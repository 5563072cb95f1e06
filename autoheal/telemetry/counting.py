"""Counts rows on a layout's cells, with exact sums, smallest and largest values: all features at once. Pure.

Two ways with one result: ``sorted_out`` sorts the columns, which beats looking up each row; ``LookedUp`` looks all rows
up once, for many groups of a few rows. The surprising part: sums stay whole numbers below 2**53, so that floats add them
up without rounding, in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from autoheal.monitors.rows import Chosen, Column, Floats, Ints, Rows
from autoheal.telemetry.grid import FURTHEST, UNUSABLE, Cells, FeatureGrid, Layout

#: So many squares of whole units are added up without rounding.
EXACT = 2**12
#: Counts (size,); sums (features, 2) of whole units and their squares; low and high (features,), inf and -inf for none.
Counted = tuple[Cells, Cells, Floats, Floats]


def sorted_out(
    layout: Layout, features: Mapping[str, Column], rows: int, chosen: Chosen = slice(None)
) -> Counted:
    """The chosen rows, so many of them and at least one, column by column in order."""
    # Cells are filled with how many rows are in them or before; every feature ends with all rows.
    upto = np.empty(layout.size, np.int64)
    numeric = []
    for i, grid in enumerate(layout.features):
        column = features[grid.name]
        if grid.kind == "numbers" and column.kind == "numeric":
            numeric.append(i)
        else:
            cells = grid.cells(column.take(chosen))
            np.cumsum(np.bincount(cells, minlength=grid.size), out=_part(layout, upto, i))
    ordered = np.empty((len(numeric), rows))
    for place, i in enumerate(numeric):
        ordered[place] = features[layout.features[i].name].values[chosen]
    ordered.sort(axis=1)
    states = _states(layout, features, numeric, ordered, chosen)
    _lay_out(layout, numeric, ordered, states, upto)
    upto += np.repeat(np.arange(len(layout.features)) * rows, np.diff(layout.offsets))
    usable = rows - states[:, -1]
    return np.diff(upto, prepend=0), *_extent(layout, numeric, ordered, usable)


class LookedUp:
    """All rows looked up at once."""

    def __init__(self, layout: Layout, rows: Rows) -> None:
        self._layout = layout
        self._cells = layout.cells(rows)
        self._values, self._whole = layout.numbers(rows)

    def count(self, chosen: Chosen) -> Counted:
        whole, values = self._whole[:, chosen], self._values[:, chosen]
        return (
            np.bincount(self._cells[:, chosen].ravel(), minlength=self._layout.size),
            np.stack([whole.sum(axis=1), (whole * whole).sum(axis=1)], axis=1),
            np.fmin.reduce(values, axis=1, initial=np.inf),
            np.fmax.reduce(values, axis=1, initial=-np.inf),
        )


def _part(layout: Layout, cells: Cells, i: int) -> Cells:
    return cells[layout.offsets[i] : layout.offsets[i + 1]]


def _states(
    layout: Layout, features: Mapping[str, Column], numeric: Sequence[int], ordered: Floats, chosen: Chosen
) -> Ints:
    """How many rows of each numeric column are null; or absent too; or wrong too: shape (columns, 3)."""
    found = np.zeros((len(numeric), UNUSABLE), np.int64)
    for place in np.flatnonzero(np.isnan(ordered[:, -1])).tolist():
        state = features[layout.features[numeric[place]].name].state[chosen]
        found[place] = np.cumsum(np.bincount(state, minlength=UNUSABLE + 1)[1:])
    return found


def _lay_out(layout: Layout, numeric: Sequence[int], ordered: Floats, states: Ints, upto: Cells) -> None:
    """Fill the cells of the numeric columns."""
    rows = ordered.shape[1]
    low, high = (half[numeric] for half in layout.halves)
    usable = rows - states[:, -1]
    strayed = (ordered[:, 0] / 2 < low) | (np.fmax.reduce(ordered, axis=1, initial=-np.inf) / 2 > high)
    for place, (i, n) in enumerate(zip(numeric, usable.tolist(), strict=True)):
        grid, x = layout.features[i], ordered[place, :n]
        below, above = _beyond(grid, x) if strayed[place] else (0, 0)
        part = _part(layout, upto, i)
        part[0] = below
        part[1 : -2 - UNUSABLE] = x.searchsorted(grid.cuts, side="right")
        part[-2 - UNUSABLE :] = (n - above, n, *(states[place] + n))


def _beyond(grid: FeatureGrid, ordered: Floats) -> tuple[int, int]:
    """How many are below and above the range."""
    low, high = grid.halves
    halves = ordered / 2
    return int(halves.searchsorted(low, side="left")), len(ordered) - int(
        halves.searchsorted(high, side="right")
    )


def _extent(
    layout: Layout, numeric: Sequence[int], ordered: Floats, usable: Ints
) -> tuple[Cells, Floats, Floats]:
    """Sums, smallest and largest values of all features; those that are no numbers have none."""
    features = len(layout.features)
    sums, low, high = np.zeros((features, 2), np.int64), np.full(features, np.inf), np.full(features, -np.inf)
    some = usable > 0
    where = np.array(numeric, np.int64)
    low[where[some]] = ordered[some, 0]
    high[where[some]] = ordered[some, usable[some] - 1]
    middles, units = (scale[where] for scale in layout.scale)
    for start in range(0, ordered.shape[1], EXACT):
        with np.errstate(over="ignore"):  # what overflows is cut
            whole = ordered[:, start : start + EXACT] - middles
            # A unit is a power of two and never tiny, so that this is the quotient.
            whole *= 1.0 / units
        # In order, so that the furthest stand at the ends, and NaN after them.
        if not bool(((whole[:, 0] >= -FURTHEST) & (whole[:, -1] <= FURTHEST)).all()):
            np.clip(whole, -FURTHEST, FURTHEST, out=whole)
            whole[np.isnan(whole)] = 0.0
        np.rint(whole, out=whole)
        sums[where, 0] += whole.sum(axis=1).astype(np.int64)
        sums[where, 1] += np.einsum("ij,ij->i", whole, whole).astype(np.int64)
    return sums, low, high
