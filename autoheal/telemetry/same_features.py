"""Whether a feature as served is what the training pipeline computes: two values in, what became of them out. Pure.

Which ids are compared is decided by their SHA-256, so that a pipeline in any language knows which ones to compute. The
surprising part: how far two numbers lie apart is kept as whole millionths of the larger one, because sums of whole
numbers can be taken back exactly and a feature in large units does not drown the others.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

from autoheal.domain.specs import FeatureSpec
from autoheal.monitors.compared import DIFFERENT, EQUAL, NOT_SERVED, NOT_TRAINED
from autoheal.monitors.data_quality.options import SkewOptions, Tolerance
from autoheal.telemetry.records import Scalar
from autoheal.telemetry.values import level_of

#: Per feature that was compared: what became of it, and how far apart two numbers were (millionths of the larger).
Result = Mapping[str, tuple[int, int]]
MILLION = 1_000_000


def sampled(id_: str, share: float) -> bool:
    """Whether an id is to be compared: the first 8 bytes of its SHA-256, read big-endian, are below ``share`` of 2**64.

    >>> [i for i in map(str, range(200)) if sampled(i, 0.02)]
    ['23', '75', '110', '127', '147', '150']
    """
    first = int.from_bytes(hashlib.sha256(id_.encode()).digest()[:8], "big")
    return first < share * 2.0**64


def compare(
    features: tuple[FeatureSpec, ...],
    served: Mapping[str, Scalar],
    trained: Mapping[str, Scalar],
    options: SkewOptions,
) -> Result:
    """What became of each feature of the model that the pipeline named."""
    return {
        f.name: _one(f, served.get(f.name), trained[f.name], options.tolerance_of(f.name))
        for f in features
        if f.name in trained
    }


def _one(feature: FeatureSpec, ours: Scalar, theirs: Scalar, tolerance: Tolerance) -> tuple[int, int]:
    if _missing(ours, feature) or _missing(theirs, feature):
        if _missing(ours, feature) and _missing(theirs, feature):
            return EQUAL, 0
        return (NOT_SERVED if _missing(ours, feature) else NOT_TRAINED), 0
    if feature.kind == "numeric" and not isinstance(ours, str) and not isinstance(theirs, str):
        return _numbers(float(ours or 0.0), float(theirs or 0.0), tolerance)
    # A text in a column of numbers is what a model sees as missing, whatever it says.
    same = type(ours) is type(theirs) if feature.kind == "numeric" else True
    return (EQUAL if same and level_of(ours) == level_of(theirs) else DIFFERENT), 0


def _numbers(ours: float, theirs: float, tolerance: Tolerance) -> tuple[int, int]:
    larger, gap = max(abs(ours), abs(theirs)), abs(ours - theirs)
    if gap <= tolerance.absolute + tolerance.relative * larger:
        return EQUAL, 0
    # Halves first: the gap of two huge numbers of unlike sign is infinite.
    return DIFFERENT, round(2.0 * MILLION * (abs(ours / 2.0 - theirs / 2.0) / larger))


def _missing(value: Scalar, feature: FeatureSpec) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return feature.kind == "numeric" or math.isnan(value)
    return value is None or (value == "" and feature.kind == "categorical")
