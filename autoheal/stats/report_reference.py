"""A reference made ready for drift reports, and the counts of a batch on it.

Pure. Split from ``report``, whose first half it is. ``prepare`` makes one from rows: it sorts every column once and keeps
what each later batch is compared with (bins and their counts, limits, a grid of quantiles, tables from category codes to
levels; with ``exact`` the sorted values themselves). ``summarised`` makes one from such summaries, for those who have
nothing else left of their reference. ``tally`` counts a batch in the same layout. Memory a numeric column: about 3 kB,
and with ``exact`` 10 to 18 bytes a reference row more.

Surprises: all columns share one layout of bins, padded with empty ones, so that all of them are compared in a few
calls; ``numeric`` stand before ``categorical`` everywhere. Errors: see ``report``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import ks_exact
from autoheal.stats.categorical import MISSING, OTHER, Levels, levels
from autoheal.stats.probe import LARGEST, Floats, Ints, Looked, Probe, probe
from autoheal.stats.reference_bins import ReferenceBins, as_floats, cut

#: Grid cells of a column: the bounds on D are as far apart as its fullest cell, 0.8 % of the rows without drift.
GRID = 128


@dataclass(frozen=True, slots=True, eq=False)
class Category:
    """The reference of a category: ``codes`` into ``names``."""

    codes: NDArray[np.integer[Any]]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class NumericSummary:
    """What is left of a numeric reference: ``counts`` on its bins (ReferenceBins.counts; without bins: of all finite
    values, of infinities, of missing), and the ``shares`` of its finite rows at or below each of some finite, ascending
    ``points``, 1 at the last. Bounds on D are as good as these: a share that was estimated is taken as known."""

    bins: ReferenceBins | None
    counts: Ints
    points: Floats
    shares: Floats


@dataclass(frozen=True, slots=True, eq=False)
class CategorySummary:
    """What is left of a category: ``counts`` on its levels (Levels.counts); ``names`` are those of a batch's codes."""

    levels: Levels
    counts: Ints
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """From codes to bins. ``sizes``: names of each category; ``bin``: the bins of missing, each name, and unseen, one
    category after the other, numbered through."""

    sizes: tuple[int, ...]
    bin: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A reference made ready.

    ``counts`` (columns, bins): value bins or levels, padding, out of range or other levels, missing; ``rows`` (columns,
    1): their sums; ``shares``: counts / rows. ``at_grid`` and
    ``steps`` (numeric columns, grid): shares of the finite rows at or below each grid point, and of those in its cell
    that are spread over several values.
    ``values``: the finite values of each numeric column, sorted (None: it has none); or nothing was kept.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    counts: Ints
    rows: Ints
    shares: Floats
    binned: NDArray[np.bool_]
    probe: Probe
    at_grid: Floats
    steps: Floats
    tables: Tables
    values: tuple[ks_exact.Ordered | None, ...] | None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns in the order of a report."""
        return (*self.numeric, *self.categorical)

    @property
    def size(self) -> int:
        """Bytes held in arrays."""
        arrays = [
            self.counts,
            self.rows,
            self.shares,
            self.binned,
            self.probe.places,
            self.at_grid,
            self.steps,
            self.tables.bin,
        ]
        return sum(a.nbytes for a in arrays) + sum(r.size for r in self.values or () if r is not None)


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """A batch counted: ``counts`` as in ``Prepared``; ``rows`` of each column; ``strange``: out of range or unseen."""

    counts: Ints
    rows: Ints
    strange: Ints


def prepare(
    numeric: Mapping[str, ArrayLike],
    categorical: Mapping[str, Category] | None = None,
    *,
    exact: bool = False,
) -> Prepared:
    """Make a reference ready; ``exact`` keeps the values for an exact D."""
    held = categorical or {}
    columns = numeric_columns(numeric, tuple(numeric))
    codes = category_codes({name: category.codes for name, category in held.items()}, held)
    ordered = [np.sort(column[np.isfinite(column)]) for column in columns]
    kept = tuple(ks_exact.order(v) if v.size else None for v in ordered) if exact else None
    numbers = [_numeric_summary(column, values) for column, values in zip(columns, ordered, strict=True)]
    levelled = [_category_summary(c.names, column) for c, column in zip(held.values(), codes, strict=True)]
    return _laid_out(dict(zip(numeric, numbers, strict=True)), dict(zip(held, levelled, strict=True)), kept)


def summarised(
    numeric: Mapping[str, NumericSummary], categorical: Mapping[str, CategorySummary] | None = None
) -> Prepared:
    """Make a reference ready from summaries of its columns."""
    return _laid_out(numeric, categorical or {}, None)


def _laid_out(
    numeric: Mapping[str, NumericSummary],
    categorical: Mapping[str, CategorySummary],
    values: tuple[ks_exact.Ordered | None, ...] | None,
) -> Prepared:
    """All columns in one layout."""
    places = probe([n.bins for n in numeric.values()], [n.points for n in numeric.values()])
    tallies = [*(n.counts for n in numeric.values()), *(c.counts for c in categorical.values())]
    width = max([places.bins, *map(len, tallies)])
    counts = np.zeros((len(tallies), width), dtype=np.int64)
    for i, (row, tallied) in enumerate(zip(counts, tallies, strict=True)):
        row[: len(tallied) - 2], row[-2:] = tallied[:-2], tallied[-2:]
        if i < len(numeric):
            # The probe pads before the last bin of values, by repeating the edge below it.
            row[len(tallied) - 3], row[places.edges] = 0, tallied[-3]
    rows = counts.sum(axis=1, keepdims=True)
    at_grid = np.ones((len(numeric), places.grid))
    for grid, n in zip(at_grid, numeric.values(), strict=True):
        grid[:] = n.shares[-1]
        grid[: len(n.shares)] = n.shares
    return Prepared(
        numeric=tuple(numeric),
        categorical=tuple(categorical),
        counts=counts,
        rows=rows,
        shares=counts / rows,
        binned=np.array(
            [n.bins is not None for n in numeric.values()] + [True] * len(categorical), dtype=bool
        ),
        probe=places,
        at_grid=at_grid,
        steps=_steps(places, at_grid),
        tables=_tables(
            [c.names for c in categorical.values()], [c.levels.names for c in categorical.values()], width
        ),
        values=values,
    )


def tally(tables: Tables, looked: Looked, codes: Sequence[Ints], width: int) -> Tally:
    """Count a batch that was looked up, and its category codes, in bins (columns, width)."""
    numeric = looked.counts
    counts = np.zeros((len(numeric) + len(codes), width), dtype=np.int64)
    counts[: len(numeric), : numeric.shape[1] - 2] = numeric[:, :-2]
    counts[: len(numeric), -2:] = numeric[:, -2:]
    rows = np.array([*looked.rows.tolist(), *map(len, codes)], dtype=np.int64)
    strange = counts[:, -2].copy()
    if codes:
        each = [_rows(column, size) for column, size in zip(codes, tables.sizes, strict=True)]
        binned = np.bincount(tables.bin, weights=np.concatenate(each), minlength=len(codes) * width)
        counts[len(numeric) :] = binned.reshape(len(codes), width)
        strange[len(numeric) :] = [one[-1] for one in each]
    return Tally(counts, rows, strange)


def _rows(codes: Ints, size: int) -> Ints:
    """Rows without a code, of each of ``size`` codes, and of codes past the end."""
    # Seen without their sign, codes below zero are past the end too: one look tells whether all are known.
    if codes.view(np.uint64).max() < size:
        return np.concatenate([[0], np.bincount(codes, minlength=size + 1)])
    # One below zero and one past the end stand for all others; faster than np.clip, which checks a lot.
    return np.bincount(np.maximum(np.minimum(codes, size), -1) + 1, minlength=size + 2)


def numeric_columns(columns: Mapping[str, ArrayLike], names: Iterable[str]) -> list[Floats]:
    """The numeric columns as floats, each with a row or more."""
    found = []
    for name in names:
        try:
            column = as_floats(_held(columns, name))
        except ValueError as problem:
            raise ValueError(f"column {name}: {problem}") from problem
        found.append(_filled(name, column))
    return found


def category_codes(columns: Mapping[str, ArrayLike], names: Iterable[str]) -> list[Ints]:
    """The categories as codes, each with a row or more."""
    found = []
    for name in names:
        column = np.asarray(_held(columns, name))
        if column.ndim != 1 or column.dtype.kind not in "iu":
            raise ValueError(f"column {name}: a category comes as one dimension of integer codes")
        if column.dtype == np.uint64:  # the only type whose codes may not fit
            column = np.minimum(column, np.iinfo(np.int64).max)
        found.append(_filled(name, column.astype(np.int64, copy=False)))
    return found


def _held(columns: Mapping[str, ArrayLike], name: str) -> ArrayLike:
    if name not in columns:
        raise ValueError(f"column {name} is not in the batch")
    return columns[name]


def _filled(name: str, column: NDArray[Any]) -> NDArray[Any]:
    if not column.size:
        raise ValueError(f"column {name} has no rows")
    return column


def _numeric_summary(column: Floats, ordered: Floats) -> NumericSummary:
    """From a column and its finite values, sorted."""
    bins = cut(ordered) if ordered.size and ordered[0] < ordered[-1] else None
    missing = int(np.isnan(column).sum())
    ends = ordered.searchsorted(bins.edges if bins else [], "right").tolist()
    inside = np.diff([0, *ends, ordered.size])
    counts = np.array([*inside, column.size - missing - ordered.size, missing], dtype=np.int64)
    points = _grid(ordered)
    return NumericSummary(bins, counts, points, ordered.searchsorted(points, "right") / max(ordered.size, 1))


def _grid(values: Floats) -> Floats:
    """Values of the sorted reference that share its rows evenly, the largest among them.

    A value that takes several shares gets a fence just below, so that its own jump is known exactly.
    """
    if not values.size:
        return np.zeros(1)
    ranks = np.ceil(np.arange(1, GRID + 1) * (values.size / GRID)).astype(np.int64) - 1
    points, shares = np.unique(values[np.clip(ranks, 0, values.size - 1)], return_counts=True)
    heavy = points[(shares > 1) & (points > -LARGEST)]
    return np.unique(np.concatenate([points, np.nextafter(heavy, -np.inf)]))


def _steps(places: Probe, at_grid: Floats) -> Floats:
    """Share of each cell; 0 where it holds one value only, since then nothing happens between its ends."""
    steps = np.diff(at_grid, axis=1, prepend=0.0)
    grid = places.places[:, -places.grid :]
    with np.errstate(over="ignore"):  # below the lowest float lies minus infinity, as it should
        steps[:, 1:][grid[:, :-1] >= np.nextafter(grid[:, 1:], -math.inf)] = 0.0
    return steps


def _category_summary(names: tuple[str, ...], codes: Ints) -> CategorySummary:
    """No level gets a bin of its own when the whole reference is missing."""
    seen = _rows(codes, len(names))
    rows: Counter[str] = Counter({MISSING: int(seen[0]), OTHER: int(seen[-1])})
    for name, count in zip(names, seen[1:-1].tolist(), strict=True):
        rows[name] += count
    known = rows.total() - rows[MISSING] - rows[OTHER]
    chosen = levels({name: n for name, n in rows.items() if name != OTHER}) if known else Levels(())
    return CategorySummary(chosen, chosen.counts(rows), names)


def _tables(names: Sequence[Sequence[str]], chosen: Sequence[Sequence[str]], width: int) -> Tables:
    """For each category the bins of: a missing code, each code, a code past the end."""
    bins: list[int] = []
    for i, (held, kept) in enumerate(zip(names, chosen, strict=True)):
        place = {name: j for j, name in enumerate(kept)} | {MISSING: width - 1}
        own = [width - 1, *(place.get(name, width - 2) for name in held), width - 2]
        bins += [i * width + bin_ for bin_ in own]
    return Tables(tuple(map(len, names)), np.array(bins, dtype=np.int64))
