"""The grid that a model version's telemetry is counted on: fixed cells per feature, cut once from its reference. Pure.

``Layout`` lays the cells of all features side by side, so that a bucket is one vector of counts and a window is a sum
of vectors. Cells refine the reference's own bins: 128 quantiles and the bins' edges, so that its PSI comes out
exactly. The surprising part: a cell outside the reference's range has a side (below, above), which PSI does not ask
for but distances do; and "null", "the key is not there" and "of a wrong type" are cells of their own.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import orjson
from numpy.typing import NDArray

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
#: Values further than so many units from the middle are counted as if they were there: 16 spans.
FURTHEST = 2**20
#: So many squares of them are added up without rounding.
EXACT = 2**12


@dataclass(frozen=True)
class FeatureGrid:
    """The cells of one feature.

    ``numbers``: below the range, the cells between ``edges`` (half-open, (a, b]), above it, then the unusable ones;
    ``bins`` are those of the edges that PSI uses. ``levels``: ``names``, any other, then the unusable ones.
    """

    name: str
    kind: Literal["numbers", "levels"]
    edges: tuple[float, ...] = ()
    bins: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    names: tuple[str, ...] = ()

    @cached_property
    def cuts(self) -> Floats:
        """``edges`` as an array."""
        return np.array(self.edges, np.float64)

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

    def tally(self, column: Column) -> tuple[Cells, Floats]:
        """Counts of the cells, shape (size,), and the usable numbers in order: as ``cells``, faster for many rows."""
        if self.kind != "numbers" or column.kind != "numeric":
            return np.bincount(self.cells(column), minlength=self.size), np.empty(0)
        x = np.sort(column.values).astype(np.float64, copy=False)
        states = np.bincount(column.state, minlength=UNUSABLE + 1)[1:]
        x = x[: len(x) - int(states.sum())]
        below, above = self._strayed(x)
        upto = np.searchsorted(x, self.cuts, side="right")
        counts = np.diff(np.concatenate([[0, below], upto, [len(x) - above, len(x)]]))
        return np.concatenate([counts, states]), x

    def moments(self, values: Floats) -> tuple[int, int]:
        """Sums of the numbers as whole units from the middle, and of their squares; exact, so that they add up."""
        first = second = 0
        for start in range(0, len(values), EXACT):
            with np.errstate(over="ignore"):  # what overflows is cut anyway
                scaled = (values[start : start + EXACT] - self.middle) / self.unit
            whole = np.rint(np.clip(scaled, -FURTHEST, FURTHEST))
            first, second = first + int(whole.sum()), second + int(whole @ whole)
        return first, second

    def _strayed(self, ordered: Floats) -> tuple[int, int]:
        """How many are below and above the range; as ReferenceBins has it, so that both agree on every last value."""
        if not self.bounded or not len(ordered):
            return 0, 0
        stray = MARGIN * self.high - MARGIN * self.low
        low, high = self.low / 2 - stray / 2, self.high / 2 + stray / 2
        below = 0 if ordered[0] / 2 >= low else int(np.searchsorted(ordered / 2, low, side="left"))
        over = 0 if ordered[-1] / 2 <= high else int(np.searchsorted(ordered / 2, high, side="right"))
        return below, len(ordered) - over if over or ordered[-1] / 2 > high else 0

    def _numbers(self, column: Column) -> Cells:
        if column.kind != "numeric":
            return np.full(len(column.values), self.size - 1, np.int64)
        x = column.values
        found: Cells = np.searchsorted(self.cuts, x, side="left") + 1
        if self.bounded:
            # As ReferenceBins has it, so that both agree on every last value.
            stray = MARGIN * self.high - MARGIN * self.low
            found[x / 2 < self.low / 2 - stray / 2] = 0
            found[x / 2 > self.high / 2 + stray / 2] = len(self.edges) + 2
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
        whole = {"features": [asdict(f) for f in self.features]}
        return orjson.dumps(
            whole | {"error_unit": self.error_unit, "positive": self.positive}, option=orjson.OPT_SORT_KEYS
        )

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

    def part(self, name: str) -> tuple[FeatureGrid, slice]:
        """A feature's grid and its stretch of the counts; KeyError when it has none."""
        for i, grid in enumerate(self.features):
            if grid.name == name:
                return grid, slice(self.offsets[i], self.offsets[i + 1])
        raise KeyError(name)


def layout(spec: ModelSpec, reference: Reference | None) -> Layout:
    """The layout of a model under a reference; without one only presence and overflow are counted."""
    known = reference.features if reference else {}
    scale = reference.loss.scale if reference and reference.loss else 0.0
    return Layout(
        tuple(_grid(f, known.get(f.name)) for f in spec.features),
        float(2.0 ** math.floor(math.log2(scale))) * RESOLUTION if scale > 0.0 else 0.0,
        reference.positive if reference else "",
    )


def load(dumped: bytes) -> Layout:
    """The layout that ``dumped`` wrote."""
    raw = orjson.loads(dumped)
    features = tuple(
        FeatureGrid(
            f["name"], f["kind"], tuple(f["edges"]), tuple(f["bins"]), f["low"], f["high"], tuple(f["names"])
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
    edges = known.cells or tuple(np.unique([*bins.edges, *known.grid[:-1]]).tolist())
    return FeatureGrid(spec.name, "numbers", edges, bins.edges, bins.low, bins.high)
