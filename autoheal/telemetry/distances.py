"""How far two summaries of one feature are apart, each distance with a bound on its error against the raw rows. Pure.

PSI and Jensen-Shannon are of the reference's own bins, and cells refine those: they equal what raw rows give, error 0.
Kolmogorov-Smirnov: the distribution functions are known exactly at the edges, and inside a cell they differ by no more
than when one side has put all its mass first; the value given is the middle of what is possible. Wasserstein-1:
inside a cell of width w that holds shares p and q, spreading both evenly errs by at most w (p + q) / 2; the outer
cells end at the smallest and largest value that were seen, which a summary keeps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoheal.monitors.reference import FeatureReference
from autoheal.monitors.rows import Floats
from autoheal.stats import distance, psi
from autoheal.stats.reference_bins import MARGIN
from autoheal.telemetry.grid import UNUSABLE, Cells, FeatureGrid
from autoheal.telemetry.summary import FeatureSummary


@dataclass(frozen=True, slots=True)
class Distances:
    """``psi``, ``js`` (a distance, in [0, 1]); ``ks`` in [0, 1] and ``wasserstein`` in the feature's unit, each within
    its ``_error`` of what the raw rows give. None where a side has no usable number."""

    psi: float
    js: float
    ks: float | None = None
    ks_error: float = 0.0
    wasserstein: float | None = None
    wasserstein_error: float = 0.0


def tally(summary: FeatureSummary) -> Cells:
    """Rows on the reference's own bins: as ``FeatureReference.tally`` of the raw column."""
    return tally_of(summary.grid, summary.counts)


def tally_of(grid: FeatureGrid, counts: Cells) -> Cells:
    missing = counts[-UNUSABLE:].sum()
    if grid.kind == "levels":
        return np.array([*counts[:-UNUSABLE], missing], np.int64)
    inner = counts[1 : len(grid.edges) + 2]
    last = np.searchsorted(grid.bins, [*grid.edges, np.inf], side="left")
    binned = np.zeros(len(grid.bins) + 1, np.int64)
    np.add.at(binned, last, inner)
    return np.array([*binned, counts[0] + counts[len(grid.edges) + 2], missing], np.int64)


def reference_summary(grid: FeatureGrid, known: FeatureReference) -> FeatureSummary | None:
    """The reference's own rows on its grid; None of an old file, which does not tell."""
    counts = np.zeros(grid.size, np.int64)
    if known.levels is not None:
        counts[: -UNUSABLE + 1] = known.counts
    elif known.cell_counts:
        counts[1 : len(grid.edges) + 2] = known.cell_counts
        counts[-UNUSABLE] = known.counts[-1]
    else:
        return None
    low, high = (np.nan if v is None else v for v in (known.low, known.high))
    return FeatureSummary(grid, counts, np.zeros(2, np.int64), low, high)


def compare(reference: FeatureSummary, current: FeatureSummary) -> Distances:
    """Both on one grid; ValueError when they are not, or a side is empty."""
    if reference.grid != current.grid:
        raise ValueError(f"{current.grid.name}: summaries on different grids cannot be compared")
    then, now = tally(reference), tally(current)
    shown = Distances(psi.psi(then, now), distance.js_distance(then, now))
    if current.grid.kind == "levels" or not (reference.present and current.present):
        return shown
    p, q = (s.counts[:-UNUSABLE] / s.present for s in (reference, current))
    least, most = distance.ks_bounds(p, q)
    moved, error = _wasserstein(_limits(reference, current), p, q)
    return Distances(shown.psi, shown.js, (least + most) / 2.0, (most - least) / 2.0, moved, error)


def _limits(a: FeatureSummary, b: FeatureSummary) -> tuple[Floats, Floats]:
    """Lower and upper end of each ordered cell, no further out than the values that were seen."""
    low, high = min(a.low, b.low), max(a.high, b.high)
    grid = a.grid
    stray = MARGIN * grid.high - MARGIN * grid.low if grid.bounded else np.inf
    ends = np.clip([-np.inf, grid.low - stray, *grid.edges, grid.high + stray, np.inf], low, high)
    return ends[:-1], ends[1:]


def _wasserstein(limits: tuple[Floats, Floats], p: Floats, q: Floats) -> tuple[float, float]:
    """The distance with mass spread evenly in cells, and what that can be off by."""
    lower, upper = limits
    width = upper - lower
    gap = np.concatenate([[0.0], np.cumsum(p - q)])
    left, right = np.abs(gap[:-1]), np.abs(gap[1:])
    both = np.where(left + right > 0, left + right, 1.0)
    crossed = gap[:-1] * gap[1:] < 0
    mean = np.where(crossed, (left**2 + right**2) / (2.0 * both), (left + right) / 2.0)
    return float(mean @ width), float((p + q) @ width) / 2.0
