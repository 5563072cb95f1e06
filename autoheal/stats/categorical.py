"""Levels of a categorical feature, drift of their shares, and the hard rules for broken columns.

Pure. Levels are those that cover 99% of the reference, at most 50; then ``<other>`` (rare or never seen) and
``<missing>`` (None, NaN). Their counts feed the PSI engine (psi.py). A rate that is watched by itself (missing,
out of range, unseen level) goes to the e-detector with ``rate_ceiling`` as its p0. ``chi2_two_sample`` is
Pearson's homogeneity test, for reports. ``broken`` states what needs no statistics at all.

Counts have shape (levels + 2,). Raises ValueError for a reference without a present value, tallies of
different shapes or without mass, rates outside their range.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtrc, chdtrc

from autoheal.stats import inputs
from autoheal.stats.intervals import clopper_pearson_upper, rule_of_three

OTHER = "<other>"
MISSING = "<missing>"
COVERAGE = 0.99
MOST_LEVELS = 50
NEW_LEVEL_SHARE = 0.01
#: A hard rule has no budget of false alarms: what chance does more often than this is not broken.
CERTAIN = 1e-6


@dataclass(frozen=True, slots=True)
class Levels:
    """The named levels of a reference, most frequent first."""

    names: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of all bins in the order of the counts."""
        return (*self.names, OTHER, MISSING)

    def counts(self, values: Iterable[object] | Mapping[str, int]) -> NDArray[np.int64]:
        """Rows of each level: from raw values, or from a tally that maps level to rows."""
        seen = tally_of(values)
        named = [seen.get(name, 0) for name in self.names]
        missing = seen.get(MISSING, 0)
        return np.array([*named, seen.total() - sum(named) - missing, missing], dtype=np.int64)


class Break(StrEnum):
    """What is wrong with a column or a table, with no need of statistics."""

    NO_ROWS = "no_rows"
    COLUMN_GONE = "column_gone"
    TYPE_CHANGED = "type_changed"
    ALL_MISSING = "all_missing"
    CONSTANT = "constant"
    NEW_LEVEL = "new_level"


@dataclass(frozen=True, slots=True)
class Column:
    """One column in one window: rows, how many are missing, distinct present values, type name ("" = gone), and the
    ``unseen`` rows of levels that the reference lacks; of the reference itself, those that a list made without the row
    would lack (``unlisted_share``)."""

    rows: int
    missing: int
    distinct: int
    type_name: str
    unseen: int = 0


def levels(
    values: Iterable[object] | Mapping[str, int], *, coverage: float = COVERAGE, most: int = MOST_LEVELS
) -> Levels:
    """Pick the levels of a reference: the most frequent ones that cover ``coverage`` of its present rows."""
    if not 0.0 < coverage <= 1.0 or most < 1:
        raise ValueError("coverage must lie in (0, 1] and most be at least 1")
    seen = tally_of(values)
    seen.pop(MISSING, None)
    ranked = by_frequency({name: rows for name, rows in seen.items() if rows > 0})
    if not ranked:
        raise ValueError("the reference has no present value: it has no levels")
    covered = np.cumsum([rows for _, rows in ranked])
    enough = int(np.searchsorted(covered, coverage * covered[-1] - 1e-9)) + 1
    return Levels(tuple(name for name, _ in ranked[: min(enough, most)]))


def unlisted_share(rows: Mapping[str, int], most: int | None = None, rest: int = 0) -> float:
    """The share of new rows, of the same world, whose level is not in a list of a reference's ``most`` frequent ones (all).

    ``rows`` are the reference's of each level, ``rest`` those of rarer levels that are not told. Each row is left out
    once: it counts when its level would not be in the list without it. For a list of all levels that is the share of
    those seen once, the estimate of Good (1953), Biometrika 40.
    """
    total = sum(rows.values()) + rest
    ranked = by_frequency(rows)
    if total == 0:
        return 0.0
    if most is None or len(ranked) <= most:
        return (rest + sum(1 for _, n in ranked if n == 1)) / total
    first, other = ranked[most]
    last = (-other, first)
    listed = sum(n for name, n in ranked[:most] if (1 - n, name) < last)
    return 1.0 - listed / total


def reference_counts(
    known: Levels, rows: Mapping[str, int], *, missing: int = 0, rest: int = 0
) -> NDArray[np.int64]:
    """A reference's rows on its levels as new rows of the same world would fall, so that they have no PSI against it.

    The most frequent of many levels owe part of their rows to chance; that part (``unlisted_share``) is among the others.
    """
    counts = known.counts(rows)
    counts[-2] += rest
    counts[-1] = missing
    present, named = int(counts[:-1].sum()), int(counts[:-2].sum())
    if len(rows) > len(known.names):
        usual = present - round(present * unlisted_share(rows, len(known.names), rest))
        if usual < named:
            counts[:-2] = np.floor(counts[:-2] * (usual / named))
            counts[-2] = present - int(counts[:-2].sum())
    return counts


def by_frequency(rows: Mapping[str, int]) -> list[tuple[str, int]]:
    """Levels, the most frequent first; ties by name, so that the same reference always gives the same list."""
    return sorted(rows.items(), key=lambda item: (-item[1], item[0]))


def tally_of(values: Iterable[object] | Mapping[str, int]) -> Counter[str]:
    """Count rows a level; tallies of two partitions add with ``+``."""
    if isinstance(values, Mapping):
        if any(rows < 0 for rows in values.values()):
            raise ValueError("a tally cannot hold negative rows")
        return Counter({str(name): int(rows) for name, rows in values.items()})
    seen: Counter[str] = Counter()
    for value, rows in Counter(_hashable(values)).items():
        seen[level_of(value)] += rows
    return seen


def level_of(value: object) -> str:
    """The name of a value's level: None and NaN are missing; 3 and 3.0 are the same level; True is "true"."""
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return MISSING
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def chi2_two_sample(a: ArrayLike, b: ArrayLike) -> tuple[float, float]:
    """Pearson's statistic of two tallies on the same levels, and its p; levels empty on both sides are left out."""
    x, y = inputs.tally("first counts", a), inputs.tally("second counts", b)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"tallies must be vectors on the same levels, got {x.shape} and {y.shape}")
    kept = x + y > 0
    table = np.stack([x[kept], y[kept]])
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    df = table.shape[1] - 1
    return statistic, 1.0 if df == 0 else float(chdtrc(df, statistic))


def rate_ceiling(k: int, n: int, *, tolerance: float = 0.005, alpha: float = 0.05) -> float:
    """The p0 of a watched rate: exact upper limit of the reference plus half a point; rule of three if never seen."""
    inputs.hits_of(n, k)
    if k == 0:
        return rule_of_three(n, alpha)
    return min(clopper_pearson_upper(k, n, alpha) + tolerance, 1.0 - 1e-6)


def broken(reference: Column, window: Column) -> tuple[Break, ...]:
    """Hard events of one column, worst first. One window suffices, and they explain every other alarm."""
    if window.type_name == "":
        return (Break.COLUMN_GONE,)
    if window.rows == 0:
        return (Break.NO_ROWS,)
    present = window.rows - window.missing
    if present < 0 or window.unseen > present:
        raise ValueError(f"a column of {window.rows} rows cannot miss {window.missing} of them")
    if present == 0:
        # A column that never held a value does not break by holding none.
        return (Break.ALL_MISSING,) if reference.missing < reference.rows else ()
    found = [Break.TYPE_CHANGED] if reference.type_name not in {"", window.type_name} else []
    # One row is always constant; two of a feature with two levels often are.
    if window.distinct == 1 and reference.distinct > 1 and present >= _rows_to_differ(reference):
        found.append(Break.CONSTANT)
    if _new_levels(reference, window):
        found.append(Break.NEW_LEVEL)
    return tuple(found)


def _new_levels(reference: Column, window: Column) -> bool:
    """Whether so many unseen rows are more than a category that always brings new levels brings by chance."""
    present = reference.rows - reference.missing
    usual = reference.unseen / present if present else 0.0
    if window.unseen <= (usual + NEW_LEVEL_SHARE) * window.rows:
        return False
    if not reference.unseen:
        return True
    chance = clopper_pearson_upper(reference.unseen, present)
    return bool(bdtrc(window.unseen - 1, window.rows, chance) < CERTAIN)


def _rows_to_differ(reference: Column) -> int:
    return 20 if reference.distinct >= 20 else 200


def _hashable(values: Iterable[object]) -> list[object]:
    # 1 == 1.0 == True as dictionary keys, but they are three levels: keep booleans apart.
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    return [
        ("true" if value else "false") if isinstance(value, bool | np.bool_) else value for value in listed
    ]
