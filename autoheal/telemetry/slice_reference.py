"""The key ``slices`` of reference.json: what each slice was like when the version was made. Written and read.

``telemetry.reference`` calls all of it. A slice has the metric and loss of its own held-out rows, and its own training
rows on the bins of the whole column, so that a corner that always was harder or different is measured against itself.
The surprising part: which levels have a slice is decided by the held-out rows where there are any, since the rest of
the levels is one slice, which must mean the same on both sides. Slices with too few rows are left out, never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autoheal.domain.specs import SliceSpec
from autoheal.monitors.reference import (
    Baseline,
    FeatureReference,
    LossBaseline,
    SlicedReference,
    SlicePart,
)
from autoheal.monitors.rows import Ints
from autoheal.monitors.slicing import Cut, cut_of
from autoheal.telemetry.likeness import counts_of, likeness
from autoheal.telemetry.values import level_of

#: Fewer held-out rows are no baseline, fewer training rows no reference of inputs.
LEAST_HELD, LEAST_ROWS = 50, 100

Raw = dict[str, Any]


def judged_slices(
    slices: Sequence[SliceSpec], columns: Mapping[str, Sequence[Any]], judge: Callable[[Ints], Raw]
) -> Raw:
    """The cuts, and the ``judge``'s word on the held-out rows of each slice."""
    made = {}
    for one in slices:
        cut = _cut(one, columns[one.feature])
        parts = _places(cut, columns[one.feature])
        made[one.feature] = _head(cut) | {
            "parts": {name: judge(rows) for name, rows in parts.items() if len(rows) >= LEAST_HELD}
        }
    return made


def add_features(
    judged: Raw,
    slices: Sequence[SliceSpec],
    columns: Mapping[str, Sequence[Any]],
    known: Mapping[str, FeatureReference],
    cells: Mapping[str, Sequence[Any]],
) -> Raw:
    """The same with the training rows of each slice; ``cells`` are the columns as ``likeness`` takes them."""
    made: Raw = {}
    for one in slices:
        before = judged.get(one.feature)
        cut = _cut(one, columns[one.feature])
        if before is not None and before["bins"] == list(cut.bins):
            cut = replace(cut, levels=tuple(before["levels"]))
        parts = {name: dict(part) for name, part in (before or {"parts": {}})["parts"].items()}
        others = {name: reference for name, reference in known.items() if name != one.feature}
        for name, rows in _places(cut, columns[one.feature]).items():
            part = parts.setdefault(name, {})
            part["rows"] = len(rows)
            if len(rows) >= LEAST_ROWS:
                part["features"] = {f: _feature(r, cells[f], rows) for f, r in others.items()}
        made[one.feature] = _head(cut) | {"parts": parts}
    return made


def load_slices(
    raw: Mapping[str, Any], features: Mapping[str, FeatureReference]
) -> dict[str, SlicedReference]:
    """The frozen form, by feature."""
    return {
        feature: SlicedReference(
            Cut(feature, tuple(map(float, one["bins"])), tuple(map(str, one["levels"]))),
            {name: _load_part(part, features) for name, part in one["parts"].items()},
        )
        for feature, one in raw.items()
    }


def load_performance(raw: Mapping[str, Any]) -> dict[str, Baseline]:
    return {
        name: Baseline(float(b["value"]), int(b["n"]), float(b["sd"]), float(b.get("alike", 1.0)))
        for name, b in raw.items()
    }


def load_loss(raw: Mapping[str, Any]) -> LossBaseline:
    likeness = max(float(raw.get("alike", 1.0)), 1.0)
    return LossBaseline(float(raw["mean"]), int(raw["n"]), float(raw["scale"]), likeness)


def _load_part(raw: Mapping[str, Any], features: Mapping[str, FeatureReference]) -> SlicePart:
    rows, loss = int(raw.get("rows", 0)), raw.get("loss")
    mine = raw.get("features", {})
    return SlicePart(
        rows,
        {name: _load_feature(features[name], rows, one) for name, one in mine.items()},
        load_performance(raw.get("performance", {})),
        load_loss(loss) if loss else None,
    )


def _load_feature(whole: FeatureReference, rows: int, raw: Mapping[str, Any]) -> FeatureReference:
    """A slice of a column: the bins are the whole's, the rows its own."""
    counts = np.array(raw["counts"], np.int64)
    if counts.shape != whole.counts.shape:
        raise ValueError(f"{len(counts)} counts do not fit {len(whole.counts)} bins")
    alike = raw.get("likeness", {})
    likeness = (float(alike.get("mean", 1.0)), float(alike.get("cv2", 0.0)))
    missing = float(counts[-1]) / max(rows, 1)
    return replace(
        whole, rows=rows, counts=counts, missing=missing, likeness=likeness, grid=(), cells=(), cell_counts=()
    )


def _feature(reference: FeatureReference, cells: Sequence[Any], rows: Ints) -> Raw:
    mine = [cells[i] for i in rows.tolist()]
    return {"counts": counts_of(reference, mine).tolist(), "likeness": likeness(reference, mine)}


def _head(cut: Cut) -> Raw:
    return {"bins": list(cut.bins), "levels": list(cut.levels)}


def _cut(one: SliceSpec, column: Sequence[Any]) -> Cut:
    """With the most frequent levels of these rows."""
    tally = Counter(level for level in _levels(column) if level is not None) if not one.bins else {}
    ranked = sorted(tally, key=lambda level: (-tally[level], level))
    return cut_of(one, ranked)


def _places(cut: Cut, column: Sequence[Any]) -> dict[str, Ints]:
    """The rows of each slice, in order."""
    codes = [cut.number(v) for v in _numbers(column)] if cut.bins else [cut.level(v) for v in _levels(column)]
    found = np.array(codes, np.int64)
    return {name: np.flatnonzero(found == place) for place, name in enumerate(cut.names)}


def _numbers(column: Sequence[Any]) -> Iterable[float | None]:
    return (None if _missing(v) else float(v) for v in column)


def _levels(column: Sequence[Any]) -> Iterable[str | None]:
    return (None if _missing(v) else level_of(v) for v in column)


def _missing(value: object) -> bool:
    return value is None or value == "" or value != value  # noqa: PLR0124 - NaN differs from itself
