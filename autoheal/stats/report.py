"""The drift report: many columns against one prepared reference, in one pass over each.

Pure. ``prepare`` or ``summarised`` (report_reference.py) make a reference ready once. ``drift_report`` then gives per column PSI,
Jensen-Shannon divergence (bits), bounds on the two-sample Kolmogorov-Smirnov D, and the shares of missing and
out-of-range rows: what ``psi.psi``, ``distance.js_divergence`` and ``distance.ks_bounds`` say, for all columns at
once. Each column is sorted, and everything else comes from looking up a few hundred places in it, so that a report
costs little more than the sort. A reference prepared with ``exact=True`` keeps its values, and D becomes exact
(ks_exact.py): both bounds meet. Without it the bounds are a percent apart; a monitor with a limit on D needs no more.

Categories come as codes into ``names`` (encode once, at ingestion): a negative code is missing, one past the end is
a level never seen, which counts as out of range. NaN is missing; infinities are out of range and take no part in D.
A numeric reference without two different finite values has no PSI, JS or range, and without a finite value on both
sides there is no D: those are NaN. Raises ValueError, with the column's name, for columns that the batch does not
hold, that are no numbers or codes, or that have no rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr

from autoheal.stats import ks_exact
from autoheal.stats.probe import Floats, Ints, Looked, look
from autoheal.stats.psi import PSEUDO_COUNT
from autoheal.stats.report_reference import (
    Category,
    CategorySummary,
    NumericSummary,
    Prepared,
    category_codes,
    numeric_columns,
    prepare,
    summarised,
    tally,
)

__all__ = [
    "Category",
    "CategorySummary",
    "NumericSummary",
    "Prepared",
    "Report",
    "drift_report",
    "prepare",
    "summarised",
]


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """One entry a column of ``names``; NaN where there is nothing to say (a category has no D)."""

    names: tuple[str, ...]
    psi: Floats
    js: Floats
    ks_low: Floats
    ks_high: Floats
    missing: Floats
    out_of_range: Floats


def drift_report(prepared: Prepared, columns: Mapping[str, ArrayLike]) -> Report:
    """Every column of the reference in this batch; columns that the reference does not have are left alone."""
    given = numeric_columns(columns, prepared.numeric)
    codes = category_codes(columns, prepared.categorical)
    low, high = np.full((2, len(prepared.names)), math.nan)

    def refine(group: slice, ordered: Floats, below: Ints) -> None:
        low[group] = high[group] = _exact(prepared, group, ordered, below)

    visit = None if prepared.values is None else refine
    looked = look(prepared.probe, given, visit)
    if prepared.values is None:
        many = len(prepared.numeric)
        low[:many], high[:many] = _bounds(prepared, looked)
    counted = tally(prepared.tables, looked, codes, prepared.counts.shape[1])
    psi, js = _divergences(prepared, counted.counts)
    strange = counted.strange / counted.rows
    strange[~prepared.binned] = math.nan
    missing = counted.counts[:, -1] / counted.rows
    return Report(prepared.names, psi, js, low, high, missing, strange)


def _divergences(prepared: Prepared, counts: Ints) -> tuple[Floats, Floats]:
    """PSI and JS of every column; NaN without bins."""
    if not len(counts):
        return np.zeros(0), np.zeros(0)
    r, c = prepared.counts, counts
    rows, theirs = prepared.rows, c.sum(axis=1, keepdims=True)
    # psi.psi_many without its checks, which counts of a batch cannot fail, and whose price is that of the rest.
    exists = (r + c) > 0
    smoothing = PSEUDO_COUNT * exists.sum(axis=1, keepdims=True)
    p, q = (r + PSEUDO_COUNT) / (rows + smoothing), (c + PSEUDO_COUNT) / (theirs + smoothing)
    psi = ((q - p) * np.log(q / p) * exists).sum(axis=1)
    p, q = prepared.shares, c / theirs
    middle = (p + q) / 2.0
    js = np.maximum((rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=1) / (2.0 * math.log(2.0)), 0.0)
    psi[~prepared.binned] = js[~prepared.binned] = math.nan
    return psi, js


def _bounds(prepared: Prepared, looked: Looked) -> tuple[Floats, Floats]:
    """Smallest and largest D of the numeric columns that the grid allows, as in ``distance.ks_bounds``."""
    gap = prepared.at_grid - looked.at_grid / np.maximum(looked.finite, 1)[:, None]
    before = np.zeros_like(gap)
    before[:, 1:] = gap[:, :-1]
    # Inside a cell the functions differ most when one side has put all of its mass of the cell first; the window's
    # mass less what the reference was ahead, q - before, is steps - gap. Past the grid the reference has no mass.
    reach = np.maximum(before, -gap) + prepared.steps
    low = np.abs(gap).max(axis=1)
    high = np.clip(reach.max(axis=1), low, 1.0)
    unknown = (looked.finite == 0) | (prepared.at_grid[:, -1] == 0)
    low[unknown] = high[unknown] = math.nan
    return low, high


def _exact(prepared: Prepared, group: slice, ordered: Floats, below: Ints) -> Floats:
    """D of some numeric columns of one length, sorted and looked up."""
    looked = Looked(prepared.probe, below, np.full(len(below), ordered.shape[1]))
    d = np.full(len(below), math.nan)
    for i, reference in enumerate((prepared.values or ())[group]):
        first, finite = int(below[i, 0]), int(looked.finite[i])
        if reference is not None and finite:
            d[i] = ks_exact.distance(reference, ordered[i, first : first + finite])
    return d
