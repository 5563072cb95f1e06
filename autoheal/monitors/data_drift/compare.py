"""A window of inputs beside the reference: how far each feature has moved, in the usual numbers. Pure.

Many features at once, since the numerics cost per call and not per feature. These are effect sizes for people and for
the thresholds; whether they are evidence is ``evidence.py``'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoheal.monitors.reference import Counts, FeatureReference
from autoheal.monitors.rows import Column, Floats
from autoheal.stats import psi


@dataclass(frozen=True, slots=True)
class Compared:
    """One feature of the window: ``psi``, the Kolmogorov-Smirnov distance of numbers, and where it moved, in words."""

    psi: float
    ks: float | None
    moved: str


def compare(references: Sequence[FeatureReference], columns: Sequence[Column]) -> list[Compared]:
    """Each column beside its reference."""
    if not references:
        return []
    known, current = tallies(references, columns)
    shifts = psi.psi_many(known, current)
    return [
        Compared(float(shifts[i]), _ks(r, column), _moved(r, current[i, : len(r.counts)]))
        for i, (r, column) in enumerate(zip(references, columns, strict=True))
    ]


def tallies(
    references: Sequence[FeatureReference], columns: Sequence[Column]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows in the reference's bins, then and now: (features, bins) twice, padded with zeros."""
    counted = [r.tally(c) for r, c in zip(references, columns, strict=True)]
    width = max(len(t) for t in counted)
    known, current = np.zeros((len(counted), width)), np.zeros((len(counted), width))
    for i, (r, tally) in enumerate(zip(references, counted, strict=True)):
        known[i, : len(tally)] = r.counts
        current[i, : len(tally)] = tally
    return known, current


def _ks(reference: FeatureReference, column: Column) -> float | None:
    """Kolmogorov-Smirnov distance of a numeric column to the reference's percentiles.

    Percentiles know the reference to one point in a hundred, which is taken off.
    """
    if reference.bins is None or len(reference.grid) < 2:
        return None
    values: Floats = np.sort(column.values[column.usable])
    if not len(values):
        return None
    grid = np.array(reference.grid)
    share = np.searchsorted(grid, grid, side="right") / len(grid)
    live = np.searchsorted(values, grid, side="right") / len(values)
    return max(float(np.abs(share - live).max()) - 1.0 / (len(grid) - 1), 0.0)


def _moved(reference: FeatureReference, tally: Counts | NDArray[np.float64]) -> str:
    """The bin whose share grew most, in words."""
    now, was = tally / max(tally.sum(), 1), reference.counts / max(reference.counts.sum(), 1)
    place = int(np.argmax(now - was))
    return f"{reference.labels[place]} {was[place]:.0%} -> {now[place]:.0%}"
