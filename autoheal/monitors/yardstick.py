"""References made ready to be compared with, many features at once: one sort of each column, then table look-ups. Pure.

Made once for a version's reference and kept (``yardstick`` is cached by identity, since references are never changed);
called by ``compare`` and ``evidence``. The surprising part is the layout: value bins first, then padding, then out of
range and missing as the last two columns, so that features with unlike numbers of bins stand in one table. Features that
are compared by levels count themselves and are laid out in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from autoheal.monitors.reference import FeatureReference
from autoheal.monitors.rows import Column, Floats, Ints
from autoheal.stats import psi
from autoheal.stats.design_effect import Design
from autoheal.stats.probe import Looked, Probe, look, probe

#: References kept ready: a fleet of a thousand models and the versions that they are about to leave.
KEPT = 2048
#: The last bins of every reference: out of range (or other levels) and missing.
LAST = 2


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Rows of a window: ``counts`` (features, bins). ``ks`` and ``wasserstein`` (in interquartile ranges of the
    reference) are (features,), NaN where there is no such distance."""

    counts: Floats
    ks: Floats
    wasserstein: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Yardstick:
    """``known`` (features, bins) are the reference's rows, ``design`` how alike neighbouring ones are, ``least_eps0``
    the PSI that the reference's own error may cause; ``labels`` name the bins of each feature. ``numeric`` are the
    positions of the features that ``probe`` looks up, ``steps`` the reference's share at or below each grid point,
    ``coarse`` what a grid of that many points may be off by, ``cells`` the distance from each grid point to the next, in
    interquartile ranges."""

    references: tuple[FeatureReference, ...]
    known: Floats
    design: Design
    least_eps0: Floats
    labels: tuple[tuple[str, ...], ...]
    numeric: Ints
    probe: Probe
    steps: Floats
    coarse: Floats
    cells: Floats

    def tally(self, columns: Sequence[Column]) -> Tally:
        """The rows of these columns, one a reference, in the reference's bins."""
        counts = np.zeros_like(self.known)
        ks, moved = np.full((2, len(self.references)), np.nan)
        looked = look(self.probe, [np.asarray(columns[i].values, dtype=np.float64) for i in self.numeric])
        counts[self.numeric] = _spread(looked.counts, counts.shape[1])
        ks[self.numeric], moved[self.numeric] = self._distances(looked)
        for i, (reference, column) in enumerate(zip(self.references, columns, strict=True)):
            if reference.bins is None:
                counts[i] = _laid_out(reference.tally(column), counts.shape[1])
        return Tally(counts, ks, moved)

    def _distances(self, looked: Looked) -> tuple[Floats, Floats]:
        """Kolmogorov-Smirnov distance to the reference's percentiles, less what those do not know; and Wasserstein's,
        the area between the two distribution functions."""
        live = looked.at_grid / np.maximum(looked.finite, 1)[:, None]
        apart = np.abs(self.steps - live)
        known = (looked.finite > 0) & np.isfinite(self.coarse)
        ks = np.where(known, np.maximum(apart.max(axis=1, initial=0.0) - self.coarse, 0.0), np.nan)
        return ks, np.where(known, (apart * self.cells).sum(axis=1), np.nan)


@lru_cache(maxsize=KEPT)
def yardstick(references: tuple[FeatureReference, ...]) -> Yardstick:
    """Make references ready."""
    width = max((len(r.counts) for r in references), default=LAST)
    numeric = np.array([i for i, r in enumerate(references) if r.bins is not None], dtype=np.int64)
    grids = [np.asarray(references[i].grid or (0.0,), dtype=np.float64) for i in numeric]
    found = probe([references[i].bins for i in numeric], grids)
    steps = np.ones((len(grids), found.grid))
    coarse, cells = np.full(len(grids), np.nan), np.zeros((len(grids), found.grid))
    for n, grid in enumerate(grids):
        steps[n, : len(grid)] = np.searchsorted(grid, grid, side="right") / len(grid)
        if len(grid) > 1:
            coarse[n] = 1.0 / (len(grid) - 1)
            quartiles = float(np.quantile(grid, 0.75) - np.quantile(grid, 0.25))
            span = quartiles or float(grid[-1] - grid[0]) or 1.0
            cells[n, : len(grid) - 1] = np.diff(grid / span)
    design = Design(
        np.array([r.likeness[0] for r in references]), np.array([r.likeness[1] for r in references])
    )
    rows = [max(float(r.counts.sum()), 1.0) for r in references] / design.scale
    return Yardstick(
        references,
        np.array([_laid_out(r.counts, width) for r in references]).reshape(len(references), width),
        design,
        np.array([psi.least_eps0(n, len(r.counts)) for n, r in zip(rows, references, strict=True)]),
        tuple(_labels(r.labels, width) for r in references),
        numeric,
        found,
        steps,
        coarse,
        cells,
    )


def _laid_out(counts: Ints, width: int) -> Floats:
    """One feature's bins in a table of this width."""
    row = np.zeros(width)
    row[: len(counts) - LAST], row[-LAST:] = counts[:-LAST], counts[-LAST:]
    return row


def _spread(counts: Ints, width: int) -> Floats:
    """The same for many features of equal width."""
    table = np.zeros((len(counts), width))
    table[:, : counts.shape[1] - LAST], table[:, -LAST:] = counts[:, :-LAST], counts[:, -LAST:]
    return table


def _labels(labels: tuple[str, ...], width: int) -> tuple[str, ...]:
    return (*labels[:-LAST], *("",) * (width - len(labels)), *labels[-LAST:])
