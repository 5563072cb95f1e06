"""Columns of a file as features with a frozen reference: counts of any rows on its bins or levels, and hard rules. Pure.

The reference rows decide what a column is: numbers when every present cell is one and there are twenty or more different
ones, else levels; then it is not looked at again. Outcomes of odd columns: no present value or fewer than 100 in the
reference: ``not_yet`` (nothing to compare with); a constant: watched by the rate of other values; text where numbers
stood: those cells are missing, and a window in which most are is broken (``type_changed``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autoheal.detect.table import missing, numbers
from autoheal.stats import reference_bins
from autoheal.stats.categorical import (
    MISSING,
    Break,
    Column,
    Levels,
    broken,
    level_of,
    levels,
    reference_counts,
    tally_of,
    unlisted_share,
)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

LEAST_REFERENCE = 100


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """One column: ``values`` (numeric, NaN = missing) or ``names`` (levels), and its reference."""

    name: str
    values: Floats
    names: tuple[str, ...]
    bins: reference_bins.ReferenceBins | None
    known: Levels | None
    reference: Counts
    column: Column
    levels_seen: frozenset[str]

    @property
    def constant(self) -> bool:
        return self.column.distinct == 1

    @property
    def size(self) -> int:
        return len(self.reference)

    def tally(self, start: int, end: int) -> Counts:
        """Rows of start..end-1 in each bin or level."""
        if self.bins is not None:
            return self.bins.counts(self.values[start:end])
        assert self.known is not None
        return self.known.counts(tally_of(self.names[start:end]))

    def missing(self, start: int, end: int) -> int:
        if self.bins is not None:
            return int(np.isnan(self.values[start:end]).sum())
        return self.names[start:end].count(MISSING)

    def breaks(self, start: int, end: int, wrong: int) -> tuple[Break, ...]:
        """Hard rules on one window; ``wrong`` = cells of another type than the reference's."""
        return broken(self.column, _column(self, start, end, wrong))


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """A feature, or why there is none yet; ``wrong`` (n,) marks cells of the wrong type."""

    feature: Feature | None
    why: str
    wrong: NDArray[np.bool_]


def parse(name: str, cells: Sequence[str], start: int, end: int, bins: int) -> Parsed:
    """A column whose reference are the rows start..end-1."""
    read = numbers(cells)
    nothing = np.zeros(len(cells), dtype=np.bool_)
    present = [not missing(cell) for cell in cells[start:end]]
    if sum(present) < LEAST_REFERENCE:
        why = f"{sum(present)} of {LEAST_REFERENCE} values in the reference"
        return Parsed(None, why, nothing)
    kind = "text" if read.wrong[start:end].any() else reference_bins.kind_of(read.values[start:end])
    if kind == "numeric":
        finite = read.values[start:end][np.isfinite(read.values[start:end])]
        if len(np.unique(finite)) >= reference_bins.FEW_VALUES:
            return Parsed(_numeric(name, read.values, start, end, bins), "", read.wrong)
    if kind == "text":
        names = tuple(MISSING if missing(cell) else cell.strip() for cell in cells)
    else:
        names = tuple(level_of(value) for value in read.values.tolist())
        names = tuple(c.strip() if w else n for n, c, w in zip(names, cells, read.wrong, strict=True))
    if kind == "text" and 2 * len(set(names[start:end])) > end - start:
        return Parsed(None, "nearly every row has a value of its own: an identifier", nothing)
    # Numbers with few values that turn to text: the text is a level never seen, and a type that changed.
    return Parsed(_levels(name, names, start, end), "", nothing if kind == "text" else read.wrong)


def _numeric(name: str, values: Floats, start: int, end: int, bins: int) -> Feature:
    cut = reference_bins.cut(values[start:end], bins)
    blank = Column(0, 0, 0, "number")
    bare = Feature(name, values, (), cut, None, cut.counts(values[start:end]), blank, frozenset())
    return _with_column(bare, start, end)


def _levels(name: str, names: tuple[str, ...], start: int, end: int) -> Feature:
    tally = tally_of(names[start:end])
    gone = tally.pop(MISSING, 0)
    known = levels(tally)
    counts = reference_counts(known, tally, missing=gone)
    seen = frozenset(names[start:end])
    bare = Feature(name, np.empty(0), names, None, known, counts, Column(0, 0, 0, "level"), seen)
    made = _with_column(bare, start, end)
    new = round(unlisted_share(tally) * tally.total())
    return replace(made, column=replace(made.column, unseen=new))


def _with_column(bare: Feature, start: int, end: int) -> Feature:
    return replace(bare, column=_column(bare, start, end, 0))


def _column(feature: Feature, start: int, end: int, wrong: int) -> Column:
    rows = end - start
    changed = "text" if wrong > rows / 2 else feature.column.type_name
    if feature.bins is not None:
        values = feature.values[start:end]
        present = values[~np.isnan(values)]
        # Cells of the wrong type are not missing: something stands there.
        gone = min(rows - len(present) - wrong, rows)
        return Column(rows, max(gone, 0), len(np.unique(present)) + (wrong > 0), changed)
    seen = Counter(feature.names[start:end])
    gone = seen.pop(MISSING, 0)
    unseen = sum(n for level, n in seen.items() if level not in feature.levels_seen)
    return Column(rows, gone, len(seen), changed, unseen if feature.levels_seen else 0)
