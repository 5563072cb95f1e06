"""Whom the champion's losses point to: segments and inputs that explain the rise, as short sentences. Pure.

The change of the mean loss from before the change to after it is split by segment into mix and rate
(``stats.attribution``); a segment is named when it holds more of the rise than its share of the rows was before. Inputs are ranked
by sqrt(PSI), all counting alike because no importance is registered with a version. A ranking for people, never proof,
and no step decides on it. What surprises: segments are cut on the rows *before* the change, so that a value that is
new shows as one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autoheal.domain.specs import FeatureSpec, ModelSpec
from autoheal.stats.attribution import feature_scores, segments
from autoheal.stats.psi import p_value, psi
from autoheal.telemetry.values import level_of

Row = Mapping[str, Any]
Floats = NDArray[np.float64]
#: Fewer rows on either side explain nothing.
LEAST: Final = 50
#: Named at the most.
MOST: Final = 3
#: Levels of a category that are segments of their own.
LEVELS: Final = 8
#: A segment is worth a sentence when it holds this much of the rise beyond its share of rows.
WORTH: Final = 0.1
#: Below this PSI an input did not move.
MOVED: Final = 0.1
#: Chance of calling inputs moved that did not.
ALPHA: Final = 0.01


@dataclass(frozen=True, slots=True)
class Named:
    """A segment: how much of the rise it holds beyond the share of rows that it had, and the sentence about it."""

    excess: float
    text: str


def blame(
    spec: ModelSpec, before: Sequence[Row], after: Sequence[Row], old: Floats, new: Floats
) -> dict[str, list[str]]:
    """``old`` and ``new`` are the losses of the rows; empty lists when nothing stands out or too few rows are in."""
    if len(before) < LEAST or len(after) < LEAST:
        return {"segments": [], "inputs": []}
    named: list[Named] = []
    drift: dict[str, float] = {}
    for feature in spec.features:
        labels, codes_old, codes_new = _cells(feature, before, after)
        counts = [np.bincount(c, minlength=len(labels)).astype(float) for c in (codes_old, codes_new)]
        drift[feature.name] = psi(counts[0], counts[1])
        named += _segments(labels, codes_old, codes_new, old, new)
    named.sort(key=lambda n: -n.excess)
    return {"segments": [n.text for n in named[:MOST]], "inputs": _inputs(drift)}


def moved(spec: ModelSpec, before: Sequence[Row], after: Sequence[Row]) -> str:
    """Which inputs changed beyond what does no harm, or nothing: each at its share of one false word in a hundred."""
    found = []
    for feature in spec.features:
        labels, a, b = _cells(feature, before, after)
        counts = [np.bincount(c, minlength=len(labels)) for c in (a, b)]
        if p_value(counts[0], counts[1], MOVED) < ALPHA / len(spec.features):
            found.append(f"{feature.name} (PSI {psi(counts[0], counts[1]):.2f})")
    return ", ".join(found)


def _segments(
    labels: Sequence[str], a: NDArray[Any], b: NDArray[Any], old: Floats, new: Floats
) -> list[Named]:
    """Sentences about the segments of one feature that hold more than their share."""
    size = len(labels)
    rows = [np.bincount(codes, minlength=size).astype(float) for codes in (a, b)]
    sums = [np.bincount(c, weights=x, minlength=size) for c, x in ((a, old), (b, new))]
    rates = [s / np.maximum(n, 1.0) for s, n in zip(sums, rows, strict=True)]
    split = segments(rows[0], rates[0], rows[1], rates[1])
    if split.total <= 0.0:
        return []
    share, now = (n / n.sum() for n in rows)
    parts = (split.mix + split.rate) / split.total
    found = []
    for i, label in enumerate(labels):
        if parts[i] - share[i] < WORTH or rows[1][i] < LEAST / 2:
            continue
        was = f"{rates[0][i]:.2g}" if rows[0][i] else "never seen"
        text = f"{label}: {now[i]:.0%} of rows, {parts[i]:.0%} of the rise, loss {was} to {rates[1][i]:.2g}"
        found.append(Named(float(parts[i] - share[i]), text))
    return found


def _inputs(drift: Mapping[str, float]) -> list[str]:
    most = {name: value for name, value in drift.items() if value >= MOVED}
    if not most:
        return []
    shares = feature_scores(list(most.values()))
    ranked = sorted(zip(most, shares.tolist(), strict=True), key=lambda pair: -pair[1])
    return [f"{name}: PSI {drift[name]:.2f}, {share:.0%} of all movement" for name, share in ranked[:MOST]]


def _cells(
    feature: FeatureSpec, before: Sequence[Row], after: Sequence[Row]
) -> tuple[list[str], NDArray[Any], NDArray[Any]]:
    """Names of the segments, and the segment of each row on both sides; the last one holds what is missing."""
    olds, news = ([row["features"].get(feature.name) for row in rows] for rows in (before, after))
    labels, old, new = (
        _quartiles(feature.name, _numbers(olds), _numbers(news))
        if feature.kind == "numeric"
        else _levels(feature.name, olds, news)
    )
    if feature.sensitive:
        # Levels and edges are raw values; that the rise sits in a part of this column may be said.
        labels = [*(f"a part of {feature.name}" for _ in labels[:-1]), labels[-1]]
    return labels, old, new


def _quartiles(name: str, old: Floats, new: Floats) -> tuple[list[str], NDArray[Any], NDArray[Any]]:
    known = old[np.isfinite(old)]
    edges = np.unique(np.quantile(known, [0.25, 0.5, 0.75], method="lower")) if known.size else np.empty(0)
    marks = [f"{edge:.4g}" for edge in edges]
    labels = [f"{name} <= {marks[0]}"] if marks else [name]
    labels += [f"{name} in ({low}, {high}]" for low, high in pairwise(marks)]
    labels += [f"{name} > {marks[-1]}"] if marks else []
    codes = [
        np.where(np.isfinite(side), np.searchsorted(edges, side, side="left"), len(labels))
        for side in (old, new)
    ]
    return [*labels, f"{name} missing"], codes[0], codes[1]


def _levels(
    name: str, old: Sequence[Any], new: Sequence[Any]
) -> tuple[list[str], NDArray[Any], NDArray[Any]]:
    texts = [[None if v is None or v == "" else level_of(v) for v in side] for side in (old, new)]
    seen = Counter(t for side in texts for t in side if t is not None)
    common = sorted(seen, key=lambda t: (-seen[t], t))[:LEVELS]
    place = {text: i for i, text in enumerate(common)}
    other, gone = len(common), len(common) + 1
    codes = [np.array([gone if t is None else place.get(t, other) for t in side]) for side in texts]
    return [*(f"{name} = {t}" for t in common), f"{name} other", f"{name} missing"], codes[0], codes[1]


def _numbers(values: Sequence[Any]) -> Floats:
    return np.array(
        [float(v) if isinstance(v, int | float) and math.isfinite(v) else math.nan for v in values],
        np.float64,
    )
