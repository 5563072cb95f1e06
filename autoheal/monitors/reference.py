"""What a model version was like when it was made: the frozen yardstick of every comparison. Pure.

Read from the registry's reference.json by ``telemetry.reference`` (which also builds that file). It belongs to a
*version*: a promoted version is measured against its own training data, not its predecessor's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from autoheal.monitors.reference_parts import Joint, Output
from autoheal.monitors.rows import Column
from autoheal.monitors.slicing import Cut
from autoheal.stats.categorical import MISSING, Levels
from autoheal.stats.reference_bins import ReferenceBins

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureReference:
    """One column of the training data.

    Exactly one of ``bins`` (quantities) and ``levels`` (categories, constants, and numbers with few values) is set;
    ``counts`` are the reference rows on it. ``grid`` are percentiles 0..100 for the Kolmogorov-Smirnov distance.
    ``likeness`` is the design effect of
    neighbouring rows (mean and squared variation; (1, 0): each speaks for itself).
    ``run`` is the longest stretch of one and the same value in time order, 0 when unknown. ``cells`` are the edges of
    the fine grid that history is counted on, ``cell_counts`` the reference rows between them; empty in old files.
    ``unlisted`` is the share of present rows of the same world whose level ``known`` lacks: never 0 for a category that
    always brings new levels. ``gap`` is the longest stretch without a value, ``top`` the share of the most frequent value
    among those present.
    """

    kind: Literal["numeric", "categorical"]
    rows: int
    counts: Counts
    bins: ReferenceBins | None = None
    levels: Levels | None = None
    known: frozenset[str] = frozenset()
    missing: float = 0.0
    low: float | None = None
    high: float | None = None
    grid: Sequence[float] = ()
    run: int = 0
    distinct: int = 0
    likeness: tuple[float, float] = (1.0, 0.0)
    cells: Sequence[float] = ()
    cell_counts: Sequence[int] = ()
    unlisted: float = 0.0
    gap: int = 0
    top: float = 0.0

    def tally(self, column: Column) -> Counts:
        """The rows of a column on this reference's bins; cells of a wrong type count as missing."""
        if self.bins is not None:
            return self.bins.counts(column.values)
        assert self.levels is not None
        if column.kind == "categorical":
            codes = column.values[column.usable]
            seen = np.bincount(codes.astype(np.int64), minlength=len(column.levels))
            tally = {name: int(n) for name, n in zip(column.levels, seen, strict=True) if n}
        else:
            values, seen = np.unique(column.values[column.usable], return_counts=True)
            tally = {number_level(v): int(n) for v, n in zip(values.tolist(), seen.tolist(), strict=True)}
        tally[MISSING] = len(column.values) - sum(tally.values())
        return self.levels.counts(tally)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the bins of ``counts``."""
        if self.bins is not None:
            return self.bins.labels()
        return self.levels.labels if self.levels is not None else ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """A metric on held-out rows: ``sd`` is per row, so that ``sd / sqrt(n)`` is the uncertainty of ``value``; ``alike``: see
    ``LossBaseline``, for metrics with a loss of their own."""

    value: float
    n: int
    sd: float
    alike: float = 1.0


@dataclass(frozen=True, slots=True)
class LossBaseline:
    """The bounded loss of held-out rows: mean of ``min(loss, scale) / scale``; for classes the error rate, scale 1.

    ``alike`` is how many neighbouring rows say as much as one independent row (1: each speaks for itself).
    """

    mean: float
    n: int
    scale: float
    alike: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class SlicePart:
    """One slice: ``rows`` of the training data with their ``features`` on the bins of the whole, and the ``performance``
    and ``loss`` of the held-out rows in it (empty and None where these were too few)."""

    rows: int
    features: Mapping[str, FeatureReference] = field(default_factory=dict)
    performance: Mapping[str, Baseline] = field(default_factory=dict)
    loss: LossBaseline | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SlicedReference:
    """How one column was cut, and its slices by name; those of which there were too few rows are not among them."""

    cut: Cut
    parts: Mapping[str, SlicePart]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """All of it; ``slices`` by feature. ``positive`` is the class that scores and F1 are about ("" for none)."""

    rows: int
    features: Mapping[str, FeatureReference]
    performance: Mapping[str, Baseline] = field(default_factory=dict)
    loss: LossBaseline | None = None
    latency_p95_ms: float | None = None
    classes: tuple[str, ...] = ()
    positive: str = ""
    output: Output | None = None
    joint: Joint | None = None
    slices: Mapping[str, SlicedReference] = field(default_factory=dict)


def number_level(value: float) -> str:
    """How a number is called as a category: whole ones without a point."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
