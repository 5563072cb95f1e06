"""What can be wrong with one column, one function a rule; each gives a ``Fault`` or None. Pure.

Rates are judged twice: a rule needs evidence (in the newest rows or in a wider stretch of them) *and* that the newest
rows still show it. So it reacts within a few rows, and is over as soon as the column is back. The surprising part:
"stuck" is judged by the longest run that the *reference* had, since a season is legitimately constant for months.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoheal.domain.names import Severity
from autoheal.monitors.contract import EVIDENCE, mixture
from autoheal.monitors.data_quality.options import DataQualityOptions
from autoheal.monitors.reference import FeatureReference, number_level
from autoheal.monitors.rows import ABSENT, WRONG, Bools, Column
from autoheal.stats.categorical import rate_ceiling
from autoheal.stats.eprocess import log_e_batch

#: No rate is tested against less than this: one odd row in 200 is nobody's incident.
LEAST_RATE = 0.005
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
    evidence: float | None = None


@dataclass(frozen=True, slots=True)
class Cells:
    """One column in time order (the wide stretch), of which the last ``rows`` are the newest window."""

    column: Column
    rows: int
    looks: int

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


def wrong_type(cells: Cells, options: DataQualityOptions) -> Fault | None:
    """Texts where numbers belong."""
    wrong = cells.column.state == WRONG
    share = float(cells.newest(wrong).mean())
    if share <= options.wrong_type or cells.newest(wrong).sum() < 3:
        return None
    detail = f"{share:.0%} of the newest {cells.rows} rows are no numbers"
    return Fault("type", _graded(share, options), share, 0.0, _first(wrong), detail)


def missing(cells: Cells, known: FeatureReference, options: DataQualityOptions) -> Fault | None:
    """More missing values than the reference had."""
    mask = ~cells.column.usable
    ceiling = rate_ceiling(round(known.missing * known.rows), known.rows)
    rule = Rate("missing", "missing", options.missing_rise, known.missing, ceiling)
    return _rate(rule, mask, cells, options)


def out_of_range(cells: Cells, known: FeatureReference, options: DataQualityOptions) -> Fault | None:
    """Numbers well outside of what the reference had."""
    if cells.column.kind != "numeric" or known.low is None or known.high is None:
        return None
    stray = options.margin * (known.high - known.low)
    low, high = known.low - stray, known.high + stray
    with np.errstate(invalid="ignore"):
        mask = (cells.column.values < low) | (cells.column.values > high)
    rule = Rate("range", f"outside {known.low:.6g} to {known.high:.6g}", options.out_of_range)
    return _rate(rule, mask, cells, options)


def new_category(cells: Cells, known: FeatureReference, options: DataQualityOptions) -> Fault | None:
    """Levels that the reference never had."""
    column = cells.column
    if column.kind != "categorical" or not known.known:
        return None
    strange = np.array([level not in known.known for level in column.levels] + [False])
    mask: Bools = strange[column.values.astype(np.int64)]
    counts = np.bincount(column.values[mask].astype(np.int64), minlength=1)
    name = column.levels[int(counts.argmax())][:40] if mask.any() else ""
    rule = Rate("category", f"unseen levels such as {name!r}", options.new_category)
    return _rate(rule, mask, cells, options)


def stuck(column: Column, known: FeatureReference, rows: int) -> Fault | None:
    """One value for far longer than the reference ever had it; ``column`` is all that is in memory, in time order."""
    if known.run < 1 or known.distinct < 2:
        return None
    values = column.values[column.usable]
    if len(values) < rows:
        return None
    same = values == values[-1]
    length = len(values) if same.all() else int(np.argmin(same[::-1]))
    limit = max(rows, STUCK_QUANTITY * known.run) if known.bins else max(4 * rows, STUCK_LEVEL * known.run)
    if length < limit:
        return None
    last = (
        column.levels[int(values[-1])][:40]
        if column.kind == "categorical"
        else number_level(float(values[-1]))
    )
    detail = f"stuck at {last} for {length} rows, the reference's longest was {known.run}"
    return Fault("constant", Severity.CRITICAL, 1.0, 0.0, 0, detail)


def _rate(rule: Rate, mask: Bools, cells: Cells, options: DataQualityOptions) -> Fault | None:
    newest = cells.newest(mask)
    share = float(newest.mean())
    if share - rule.usual <= rule.too_much:
        return None
    p0 = min(max(rule.ceiling, LEAST_RATE), 0.99)
    evidence = max(mixture(log_e_batch(p0, len(part), int(part.sum()))) for part in (newest, mask))
    if evidence < EVIDENCE + np.log(cells.looks):
        return None
    detail = f"{share:.0%} of the newest {cells.rows} rows {rule.what}, {rule.usual:.1%} in the reference"
    return Fault(rule.name, _graded(share, options), share, rule.usual, _first(mask), detail, evidence)


def _graded(share: float, options: DataQualityOptions) -> Severity:
    return Severity.CRITICAL if share >= options.critical else Severity.WARNING


def _first(mask: Bools) -> int:
    """The first bad row of the stretch."""
    return int(np.argmax(mask))
