"""Which labelled rows may be learned from or judged by, and how they are split. Pure.

Rows served while a feature was broken must never reach a trainer: a column that arrives empty teaches a model that
emptiness is normal. Such stretches are found by the share of missing values in short runs of rows; rows in them are
dropped, and when the newest rows are broken, or too many are, everything is refused. What surprises: the held-back
rows are by default every third one of the newest part and not its end, because labels that come in runs make a block
of neighbours say anything at all; the end alone is the choice where neighbours in time are much alike.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from autoheal.domain.names import Task
from autoheal.domain.specs import FeatureSpec, ModelSpec

Row = Mapping[str, Any]
#: Rows in a run whose share of missing values is looked at.
RUN: Final = 50
#: A run is broken when its missing share exceeds the usual one by this much.
JUMP: Final = 0.2
#: With a larger share of dropped rows nothing is left to trust.
MOST_DROPPED: Final = 0.5
#: A missing value is an exception when its usual share is below this.
EXCEPTION: Final = 0.01
#: One row in this many of the newest part is held back.
STRIDE: Final = 3


@dataclass(frozen=True, slots=True)
class Cleaned:
    """``rows`` in the order of time. ``dropped`` counts by reason; ``refusal`` says why nothing may be used."""

    rows: tuple[Row, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    refusal: str = ""


def clean(spec: ModelSpec, newest_first: Sequence[Row], usual_missing: Mapping[str, float]) -> Cleaned:
    """Sound rows only. ``usual_missing`` is each feature's missing share in the reference of the champion; where it
    is not known, the median over the rows at hand stands for it."""
    rows = sorted(newest_first, key=lambda row: (row["time"], str(row["id"])))
    dropped: Counter[str] = Counter()
    bad: set[int] = set()
    for place, row in enumerate(rows):
        if why := _unusable(spec, row):
            bad.add(place)
            dropped[why] += 1
    for feature in spec.features:
        broken = _broken(feature.name, rows, usual_missing.get(feature.name))
        if broken.now:
            return Cleaned((), dropped, broken.now)
        if fresh := broken.places - bad:
            dropped[f"served while {feature.name} was broken"] += len(fresh)
            bad |= fresh
    kept = tuple(row for place, row in enumerate(rows) if place not in bad)
    if rows and len(kept) < (1.0 - MOST_DROPPED) * len(rows):
        shown = ", ".join(f"{count} {why}" for why, count in dropped.most_common(5))
        return Cleaned((), dropped, f"only {len(kept)} of {len(rows)} labelled rows are sound: {shown}")
    return Cleaned(kept, dropped)


def split(rows: Sequence[Row], share: float, *, spread: bool = True) -> tuple[list[Row], list[Row]]:
    """(to learn from, held back): every third row of the newest part, so that ``share`` of all is held back.

    Without ``spread`` the newest rows themselves are held back: honest about the weeks to come where the world keeps
    changing, but blind to what those rows could have taught, and misleading where labels come in blocks.
    """
    wide = STRIDE if share * STRIDE <= 1.0 else max(int(1.0 / share), 1)
    stride = wide if spread else 1
    first = len(rows) - round(min(share * stride, 1.0) * len(rows))
    held = set(range(len(rows) - 1, first - 1, -stride))
    return (
        [row for place, row in enumerate(rows) if place not in held],
        [row for place, row in enumerate(rows) if place in held],
    )


def one_class(spec: ModelSpec, rows: Sequence[Row]) -> bool:
    """Whether a classifier would see a single class."""
    return spec.task is Task.CLASSIFICATION and len({str(row["label"]) for row in rows}) < 2


def _unusable(spec: ModelSpec, row: Row) -> str:
    label = row["label"]
    if label is None or (isinstance(label, float) and not math.isfinite(label)):
        return "without a label"
    if spec.task is Task.REGRESSION and (isinstance(label, bool) or not isinstance(label, int | float)):
        return "with a label that is no number"
    for feature in spec.features:
        if _wrong_type(feature, row["features"].get(feature.name)):
            return f"{feature.name} of a wrong type"
    return ""


def _wrong_type(feature: FeatureSpec, value: Any) -> bool:
    if _is_missing(value):
        return False
    if feature.kind == "numeric":
        return not isinstance(value, int | float)
    return isinstance(value, list | dict)


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and not math.isfinite(value))


@dataclass(frozen=True, slots=True)
class _Broken:
    """Rows in which one feature is broken; ``now`` is a sentence when it still is."""

    places: frozenset[int] = frozenset()
    now: str = ""


def _broken(name: str, rows: Sequence[Row], known: float | None) -> _Broken:
    """Stretches in which a feature is missing too often. Runs overlap by half, so that none is missed by its place."""
    missing = [_is_missing(row["features"].get(name)) for row in rows]
    runs = [(start, missing[start : start + RUN]) for start in range(0, len(missing), RUN // 2)]
    runs = [(start, run) for start, run in runs if len(run) >= RUN // 2] or runs[:1]
    if not runs:
        return _Broken()
    usual = median(sum(run) / len(run) for _, run in runs) if known is None else known
    places: set[int] = set()
    for start, run in runs:
        if sum(run) / len(run) > usual + JUMP:
            gone = [start + i for i, is_gone in enumerate(run) if is_gone]
            places.update(range(gone[0], gone[-1] + 1))
    newest = missing[-RUN:]
    if sum(newest) / len(newest) > usual + JUMP:
        share = f"missing in {sum(newest)} of the newest {len(newest)} labelled rows, usually in {usual:.1%}"
        return _Broken(now=f"{name} is broken: {share}")
    if places and usual < EXCEPTION:
        # Where a missing value is an exception, the odd ones at the edges of a broken time go with it.
        places.update(place for place, is_gone in enumerate(missing) if is_gone)
    return _Broken(frozenset(places))
