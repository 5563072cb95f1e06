"""The grid that a model version's telemetry is counted on: fixed cells per feature, cut once from its reference. Pure.

``Layout`` lays the cells of all features side by side, so that a bucket is one vector of counts and a window is a sum
of vectors. Cells refine the reference's own bins: 128 quantiles and the bins' edges, so that its PSI comes out
exactly. The surprising part: a cell outside the reference's range has a side (below, above), which PSI does not ask
for but distances do; and "null", "the key is not there" and "of a wrong type" are cells of their own.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from autoheal.domain.names import Task
from autoheal.domain.specs import FeatureSpec, ModelSpec
from autoheal.monitors.reference import FeatureReference, Reference, number_level
from autoheal.monitors.rows import NULL, PRESENT, Column, Floats, Rows
from autoheal.stats.reference_bins import MARGIN

Cells = NDArray[np.int64]
#: Quantile cells of a numeric feature.
CELLS = 128
#: Further edges at these shares from either end, since outer cells are wide and Wasserstein's error with them.
TAILS = (1 / 256, 1 / 512, 1 / 1024)
#: Cells at the end of every feature: null, absent, wrong type, in the order of the states of ``monitors.rows``.
UNUSABLE = 3
#: Moments are sums of whole units; a unit is this share (a power of two) of the reference's span.
RESOLUTION = 2.0**-16
#: Errors of a regression are sums of whole units of this, whatever the reference: a label that is corrected after another
#: reference came is taken back exactly. They are Python's whole numbers, which have no end.
ERROR_UNIT = 2.0**-100
#: Values further than so many units from the middle are counted as if they were there: 16 spans.
FURTHEST = 2**20


@dataclass(frozen=True)
class FeatureGrid:
    """The cells of one feature.

    ``numbers``: below the range, the cells between ``edges`` (half-open, (a, b]; kept as an array, which is a quarter of
    the floats' size), above it, then the unusable ones;
    ``bins`` are those of the edges that PSI uses. ``levels``: ``names``, any other, then the unusable ones.
    """

    name: str
    kind: Literal["numbers", "levels"]
    edges: Sequence[float] = ()
    bins: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", array("d", self.edges))

    @cached_property
    def cuts(self) -> Floats:
        """``edges`` as an array of numpy's, over the same memory."""
        return np.asarray(self.edges)

    @cached_property
    def size(self) -> int:
        values = len(self.edges) + 3 if self.kind == "numbers" else len(self.names) + 1
        return values + UNUSABLE

    @property
    def bounded(self) -> bool:
        """Whether a reference gave it a range; without one all numbers share a cell."""
        return self.kind == "numbers" and self.high > self.low

    @cached_property
    def unit(self) -> float:
        """The whole unit of the moments, in the feature's unit."""
        span = self.high - self.low if self.bounded else 1.0
        return float(2.0 ** math.floor(math.log2(max(span, 1e-290)))) * RESOLUTION

    @property
    def middle(self) -> float:
        return self.low / 2.0 + self.high / 2.0

    def cells(self, column: Column) -> Cells:
        """The cell of each row of a column, shape (rows,)."""
        values = self._numbers(column) if self.kind == "numbers" else self._levels(column)
        bad = column.state != PRESENT
        if bool(bad.any()):
            values[bad] = self.size - UNUSABLE - NULL + column.state[bad]
        return values

    @cached_property
    def halves(self) -> tuple[float, float]:
        """Half of the smallest and of the largest number within the range, as ReferenceBins has it, so that both agree on
        every last value; half, since a sum of large ones would overflow."""
        if not self.bounded:
            return -math.inf, math.inf
        stray = MARGIN * self.high - MARGIN * self.low
        return self.low / 2 - stray / 2, self.high / 2 + stray / 2

    def _numbers(self, column: Column) -> Cells:
        if column.kind != "numeric":
            return np.full(len(column.values), self.size - 1, np.int64)
        x = column.values
        found: Cells = np.searchsorted(self.cuts, x, side="left") + 1
        if self.bounded:
            low, high = self.halves
            found[x / 2 < low] = 0
            found[x / 2 > high] = len(self.edges) + 2
        return found

    def _levels(self, column: Column) -> Cells:
        places = {name: i for i, name in enumerate(self.names)}
        other = len(self.names)
        if column.kind == "categorical":
            table = np.array([*(places.get(name, other) for name in column.levels), other], np.int64)
            return table[column.values.astype(np.int64)]
        known, inverse = np.unique(column.values, return_inverse=True)
        table = np.array([places.get(number_level(v), other) for v in known.tolist()], np.int64)
        return table[inverse]


_STORED = tuple(f.name for f in fields(FeatureGrid))


@dataclass(frozen=True)
class Layout:
    """All features of one version side by side. ``error_unit`` is the unit of error sums of a regression (0: none),
    ``positive`` the class that scores are about."""

    features: tuple[FeatureGrid, ...] = ()
    error_unit: float = 0.0
    positive: str = ""

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each feature begins in the vector of counts, and the length of the whole."""
        return tuple(np.cumsum([0, *(f.size for f in self.features)]).tolist())

    @property
    def size(self) -> int:
        return self.offsets[-1]

    @cached_property
    def digest(self) -> str:
        """Names the layout; equal layouts have equal digests, and only their counts may be added."""
        return hashlib.sha256(self.dumped()).hexdigest()[:16]

    def dumped(self) -> bytes:
        # Not asdict, which copies every edge: a thousand models do this when the daemon starts.
        features = [
            {name: getattr(f, name) for name in _STORED} | {"edges": list(f.edges)} for f in self.features
        ]
        whole = {"features": features, "error_unit": self.error_unit, "positive": self.positive}
        return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)

    def cells(self, rows: Rows) -> Cells:
        """The flat cell of each row and feature, shape (features, rows)."""
        found = np.empty((len(self.features), len(rows)), np.int64)
        for i, grid in enumerate(self.features):
            found[i] = grid.cells(rows.features[grid.name]) + self.offsets[i]
        return found

    @cached_property
    def scale(self) -> tuple[Floats, Floats]:
        """Middle and unit of each feature, shape (features, 1) each."""
        middles = np.array([[f.middle] for f in self.features]).reshape(-1, 1)
        return middles, np.array([[f.unit] for f in self.features]).reshape(-1, 1)

    def numbers(self, rows: Rows) -> tuple[Floats, Cells]:
        """Usable numbers and what they are in whole units, shape (features, rows) twice; NaN and 0 where there is none."""
        found = np.full((len(self.features), len(rows)), np.nan)
        for i, grid in enumerate(self.features):
            column = rows.features[grid.name]
            if grid.kind == "numbers" and column.kind == "numeric":
                found[i] = column.values
        middles, units = self.scale
        with np.errstate(over="ignore"):
            scaled = np.clip((found - middles) / units, -FURTHEST, FURTHEST)
        return found, np.where(np.isnan(scaled), 0.0, np.rint(scaled)).astype(np.int64)

    @cached_property
    def halves(self) -> tuple[Floats, Floats]:
        """The ranges' ends of all features, halved, shape (features,) each."""
        low, high = zip(*(f.halves for f in self.features), strict=True) if self.features else ((), ())
        return np.array(low, np.float64), np.array(high, np.float64)

    def part(self, name: str) -> tuple[FeatureGrid, slice]:
        """A feature's grid and its stretch of the counts; KeyError when it has none."""
        for i, grid in enumerate(self.features):
            if grid.name == name:
                return grid, slice(self.offsets[i], self.offsets[i + 1])
        raise KeyError(name)


def layout(spec: ModelSpec, reference: Reference | None) -> Layout:
    """The layout of a model under a reference; without one only presence and overflow are counted."""
    known = reference.features if reference else {}
    return Layout(
        tuple(_grid(f, known.get(f.name)) for f in spec.features),
        ERROR_UNIT if spec.task is Task.REGRESSION else 0.0,
        reference.positive if reference else "",
    )


def load(dumped: bytes) -> Layout:
    """The layout that ``dumped`` wrote."""
    raw = orjson.loads(dumped)
    features = tuple(
        FeatureGrid(
            f["name"], f["kind"], f["edges"], tuple(f["bins"]), f["low"], f["high"], tuple(f["names"])
        )
        for f in raw["features"]
    )
    return Layout(features, raw["error_unit"], raw["positive"])


def cell_edges(values: Floats, bins: Sequence[float]) -> tuple[float, ...]:
    """The edges of a numeric reference sample (finite, at least one): its quantiles j/128 and in the tails, with those of ``bins``."""
    ordered = np.sort(values)
    shares = np.concatenate([np.arange(1, CELLS) / CELLS, TAILS, 1.0 - np.array(TAILS)])
    ranks = np.ceil(shares * ordered.size).astype(np.int64) - 1
    return tuple(np.unique(np.concatenate([ordered[np.maximum(ranks, 0)], bins])).tolist())


def _grid(spec: FeatureSpec, known: FeatureReference | None) -> FeatureGrid:
    if known is None:
        return FeatureGrid(spec.name, "numbers" if spec.kind == "numeric" else "levels")
    if known.bins is None:
        return FeatureGrid(spec.name, "levels", names=known.levels.names if known.levels else ())
    bins = known.bins
    edges = known.cells or np.unique([*bins.edges, *known.grid[:-1]]).tolist()
    return FeatureGrid(spec.name, "numbers", edges, bins.edges, bins.low, bins.high)
