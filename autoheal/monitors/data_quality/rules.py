"""What can be wrong with one column, one function a rule. Pure.

Hard rules give a ``Fault`` or None at once. Rates (missing, out of range, unseen levels) need evidence, which
``evidence.py`` gathers, *and* that the newest rows still show it. So they react within a few rows, and are over as soon
as the column is back. The surprising part: "stuck" is judged by the longest run that the *reference* had, since a season
is legitimately constant for months.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autoheal.domain.names import Severity
from autoheal.monitors.data_quality.options import DataQualityOptions
from autoheal.monitors.reference import FeatureReference, number_level
from autoheal.monitors.rows import ABSENT, WRONG, Bools, Column, Ints
from autoheal.stats.categorical import CERTAIN, OTHER, rate_ceiling
from autoheal.stats.intervals import clopper_pearson_upper

#: No rate is tested against less than this: one odd row in 200 is nobody's incident.
LEAST_RATE = 0.005
#: A gap is this many times as long as any in the reference.
GAP = 3
#: A stuck quantity repeats its value this many times as long as it ever did in the reference; levels longer.
STUCK_QUANTITY, STUCK_LEVEL = 3, 5


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule: ``share`` of the newest rows, ``usual`` in the reference; ``first`` is the first bad row."""

    rule: str
    severity: Severity
    share: float
    usual: float
    first: int
    detail: str


@dataclass(frozen=True, slots=True)
class Cells:
    """One column in time order (the wide stretch), of which the last ``rows`` are the newest window."""

    column: Column
    rows: int

    def newest(self, mask: Bools) -> Bools:
        return mask[-self.rows :]


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate rule: its ``usual`` rate, the ``ceiling`` that evidence is measured against, the rise that matters."""

    name: str
    what: str
    too_much: float
    usual: float = 0.0
    ceiling: float = LEAST_RATE

    @property
    def p0(self) -> float:
        """The highest rate that still passes for healthy."""
        return min(max(self.ceiling, LEAST_RATE), 0.99)


def gone(cells: Cells) -> Fault | None:
    """The key itself is absent from every one of the newest rows."""
    absent = cells.column.state == ABSENT
    if not cells.newest(absent).all():
        return None
    return Fault(
        "schema",
        Severity.CRITICAL,
        1.0,
        0.0,
        _first(absent),
        f"absent from all of the newest {cells.rows} rows",
    )


def empty(cells: Cells, known: FeatureReference | None) -> Fault | None:
    """Not one usable value in the newest rows, of a column that used to have some."""
    missing = ~cells.column.usable & (cells.column.state != WRONG)
    if not cells.newest(missing).all() or (known is not None and known.missing >= 1.0):
        return None
    usual = known.missing if known else 0.0
    return Fault(
        "missing",
        Severity.CRITICAL,
        1.0,
        usual,
        _first(missing),
        f"empty in all of the newest {cells.rows} rows",
    )


def lasting(column: Column, order: Ints, known: FeatureReference | None, rows: int) -> bool:
    """Whether a column lacks values for longer than the reference ever did, and than chance explains; ``order`` are all
    rows in the order of time."""
    if known is None or not known.rows or known.missing <= 0.0:
        return True
    limit = max(_unlikely(known.missing, known.rows), GAP * known.gap, rows)
    recent = order[-limit:]
    return len(recent) == limit and not bool(column.usable[recent].any())


def _unlikely(share: float, rows: float) -> int:
    """How often in a row it cannot be chance that a thing happens which had this share of the reference's rows."""
    most = clopper_pearson_upper(round(share * rows), rows)
    return math.ceil(math.log(CERTAIN) / math.log(min(max(most, CERTAIN), 1.0 - CERTAIN)))


def wrong_type(cells: Cells, options: DataQualityOptions) -> Fault | None:
    """Texts where numbers belong."""
    wrong = cells.column.state == WRONG
    share = float(cells.newest(wrong).mean())
    if share <= options.wrong_type or cells.newest(wrong).sum() < 3:
        return None
    detail = f"{share:.0%} of the newest {cells.rows} rows are no numbers"
    return Fault("type", _graded(share, options), share, 0.0, _first(wrong), detail)


def rates(
    column: Column, known: FeatureReference, options: DataQualityOptions
) -> Iterator[tuple[Rate, Bools]]:
    """Every rate rule that applies to a column, and which of its cells break it."""
    usual = rate_ceiling(round(known.missing * known.rows), known.rows)
    yield Rate("missing", "missing", options.missing_rise, known.missing, usual), ~column.usable
    if column.kind == "numeric" and known.low is not None and known.high is not None:
        stray = options.margin * (known.high - known.low)
        with np.errstate(invalid="ignore"):
            outside = (column.values < known.low - stray) | (column.values > known.high + stray)
        what, beyond = f"outside {known.low:.6g} to {known.high:.6g}", rate_ceiling(0, known.rows)
        yield Rate("range", what, options.out_of_range, ceiling=beyond), outside
    if column.kind == "categorical" and known.known:
        strange = np.array([level not in known.known for level in column.levels] + [False])
        mask: Bools = strange[column.values.astype(np.int64)]
        counts = np.bincount(column.values[mask].astype(np.int64), minlength=1)
        name = column.levels[int(counts.argmax())][:40] if mask.any() else ""
        yield _unseen(known, options, f"unseen levels such as {name!r}"), mask


def _unseen(known: FeatureReference, options: DataQualityOptions, what: str) -> Rate:
    """A category that always brings new levels (merchants, cities) must bring half as many again, or leave half as few
    of those known."""
    usual = known.unlisted * (1.0 - known.missing)
    ceiling = rate_ceiling(round(usual * known.rows), known.rows)
    too_much = max(options.new_category, min(usual, 1.0 - usual) / 2.0)
    return Rate("category", what, too_much, usual, ceiling)


def too_many(rule: Rate, mask: Bools, cells: Cells, options: DataQualityOptions) -> Fault | None:
    """The fault of a rate that the newest rows show; ``mask`` is over the wide stretch."""
    share = float(cells.newest(mask).mean())
    if share - rule.usual <= rule.too_much:
        return None
    detail = f"{share:.0%} of the newest {cells.rows} rows {rule.what}, {rule.usual:.1%} in the reference"
    # Of the cells that usually are as they should be.
    spoilt = (share - rule.usual) / (1.0 - rule.usual)
    return Fault(rule.name, _graded(spoilt, options), share, rule.usual, _first(mask), detail)


def stuck(column: Column, known: FeatureReference, rows: int) -> Fault | None:
    """One value for far longer than the reference ever had it; ``column`` is all that is in memory, in time order."""
    if known.run < 1 or known.distinct < 2:
        return None
    values = column.values[column.usable]
    # Levels that are not told apart are not one value.
    if len(values) < rows or (column.kind == "categorical" and column.levels[int(values[-1])] == OTHER):
        return None
    same = values == values[-1]
    length = len(values) if same.all() else int(np.argmin(same[::-1]))
    limit = max(rows, STUCK_QUANTITY * known.run) if known.bins else max(4 * rows, STUCK_LEVEL * known.run)
    if length < limit or length < _unlikely(known.top, known.rows * (1.0 - known.missing)):
        return None
    last = (
        column.levels[int(values[-1])][:40]
        if column.kind == "categorical"
        else number_level(float(values[-1]))
    )
    detail = f"stuck at {last} for {length} rows, the reference's longest was {known.run}"
    return Fault("constant", Severity.CRITICAL, 1.0, 0.0, 0, detail)


def _graded(share: float, options: DataQualityOptions) -> Severity:
    return Severity.CRITICAL if share >= options.critical else Severity.WARNING


def _first(mask: Bools) -> int:
    """The first bad row of the stretch."""
    return int(np.argmax(mask))
