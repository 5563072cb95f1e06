"""One column of reference.json: its bins or levels, and how alike its neighbouring rows are. Written and read. Pure.

``telemetry.reference`` calls both directions. A column is what any training script has: a list or an array, None or NaN
for missing, in the order of time. Surprise: a number with few values is kept by levels, as a category is.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoheal.domain.specs import FeatureSpec
from autoheal.monitors.reference import FeatureReference, number_level
from autoheal.stats.categorical import Levels, by_frequency, levels, reference_counts, unlisted_share
from autoheal.stats.reference_bins import FEATURE_BINS, ReferenceBins, cut, kind_of
from autoheal.telemetry.grid import cell_edges
from autoheal.telemetry.likeness import likeness
from autoheal.telemetry.values import level_of

#: Levels of a category that are written down; rarer ones share what is left.
MAX_LEVELS = 1000


def build_column(spec: FeatureSpec, column: Sequence[Any]) -> dict[str, Any]:
    """One column on its bins or levels, and how alike its neighbouring rows are."""
    raw = _binned(spec, column)
    known = load_column(len(column), raw)
    return raw | {"likeness": likeness(known, cells_of(spec, column, raw))}


def cells_of(spec: FeatureSpec, column: Sequence[Any], raw: Mapping[str, Any]) -> Sequence[Any]:
    """A column as ``likeness`` counts it."""
    return _numbers(column).tolist() if "quantiles" in raw else _level_cells(spec, column)


def _level_cells(spec: FeatureSpec, column: Sequence[Any]) -> list[str | None]:
    if spec.kind == "categorical":
        return _names(column)
    return [None if math.isnan(v) else number_level(v) for v in _numbers(column).tolist()]


def _binned(spec: FeatureSpec, column: Sequence[Any]) -> dict[str, Any]:
    if spec.kind == "categorical":
        return _levels_of(_names(column)) | {"kind": "categorical"}
    values = _numbers(column)
    present = values[~np.isnan(values)]
    common: dict[str, Any] = {
        "kind": "numeric",
        "missing": (len(values) - len(present)) / len(values),
        "min": float(present.min()) if len(present) else None,
        "max": float(present.max()) if len(present) else None,
    }
    if kind_of(values) != "numeric":
        return _levels_of(_level_cells(spec, column)) | common
    bins = cut(values, FEATURE_BINS)
    grid = np.percentile(present, np.arange(101), method="lower")
    return common | {
        "quantiles": list(bins.edges),
        "counts": bins.counts(values).tolist(),
        "grid": grid.tolist(),
        "cells": _cells(present, bins.edges),
        **_habits(values.tolist()),
    }


def _cells(present: NDArray[np.float64], bins: Sequence[float]) -> dict[str, Any]:
    edges = cell_edges(present, bins)
    places = np.searchsorted(edges, present, side="left")
    return {"edges": list(edges), "counts": np.bincount(places, minlength=len(edges) + 1).tolist()}


def _numbers(column: Sequence[Any]) -> NDArray[np.float64]:
    values = np.array([np.nan if _missing(v) else float(v) for v in column], np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def _names(column: Sequence[Any]) -> list[str | None]:
    return [None if _missing(v) else level_of(v) for v in column]


def as_numbers(
    features: Sequence[FeatureSpec], columns: Mapping[str, Sequence[Any]]
) -> dict[str, Sequence[Any]]:
    return {
        f.name: _names(columns[f.name]) if f.kind == "categorical" else _numbers(columns[f.name]).tolist()
        for f in features
    }


def _levels_of(values: list[str | None]) -> dict[str, Any]:
    tally: dict[str, int] = {}
    for value in values:
        if value is not None:
            tally[value] = tally.get(value, 0) + 1
    return {
        "levels": dict(by_frequency(tally)[:MAX_LEVELS]),
        "unlisted": unlisted_share(tally, MAX_LEVELS),
        "missing": (len(values) - sum(tally.values())) / len(values),
        **_habits(values),
    }


def _habits(values: Sequence[Any]) -> dict[str, Any]:
    """What is usual: the longest stretch of one value (missing cells neither end nor lengthen it), the longest stretch without
    any, distinct values, and the share of the most frequent one."""
    run = gap = length = without = 0
    last: object = None
    tally: Counter[object] = Counter()
    for value in values:
        if _missing(value):
            without += 1
            gap = max(gap, without)
            continue
        without = 0
        length = length + 1 if value == last else 1
        last = value
        run = max(run, length)
        tally[value] += 1
    top = max(tally.values(), default=0) / max(tally.total(), 1)
    return {"run": run, "gap": gap, "distinct": len(tally), "top": top}


def _missing(value: object) -> bool:
    return value is None or value != value or value == ""  # noqa: PLR0124 - NaN differs from itself


def load_column(rows: int, raw: Mapping[str, Any]) -> FeatureReference:
    bins: ReferenceBins | None = None
    named: Levels | None = None
    tally: dict[str, int] = {str(k): int(v) for k, v in raw.get("levels", {}).items()}
    missing = float(raw.get("missing", 0.0))
    fine = raw.get("cells", {})
    if "quantiles" in raw:
        bins = ReferenceBins(tuple(raw["quantiles"]), float(raw["min"]), float(raw["max"]))
        counts = np.array(raw["counts"], np.int64)
        if counts.shape != (bins.size,):
            raise ValueError(f"{len(counts)} counts do not fit {bins.size} bins")
    else:
        named = levels(tally) if tally else Levels(())
        gone = round(missing * rows)
        # Levels that were not written down are among the others.
        rest = max(rows - gone - sum(tally.values()), 0) if int(raw.get("distinct", 0)) > len(tally) else 0
        counts = reference_counts(named, tally, missing=gone, rest=rest)
    return FeatureReference(
        kind=raw["kind"],
        rows=rows,
        counts=counts,
        bins=bins,
        levels=named,
        known=frozenset(tally),
        missing=missing,
        low=raw.get("min"),
        high=raw.get("max"),
        grid=array("d", raw.get("grid", ())),
        run=int(raw.get("run", 0)),
        distinct=int(raw.get("distinct", 0)),
        likeness=(
            float(raw.get("likeness", {}).get("mean", 1.0)),
            float(raw.get("likeness", {}).get("cv2", 0.0)),
        ),
        cells=array("d", fine.get("edges", ())),
        cell_counts=array("q", fine.get("counts", ())),
        # Not in files of earlier releases.
        unlisted=float(raw.get("unlisted", unlisted_share(tally))),
        gap=int(raw.get("gap", 0)),
        top=float(raw.get("top", 0.0)),
    )
