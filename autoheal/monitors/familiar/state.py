"""The state of familiar, and how detectors become plain data: infinities and NaN are not JSON. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from autoheal.monitors.familiar.rules import Rule
from autoheal.monitors.reference import Reference
from autoheal.stats.adwin import Adwin, Bucket
from autoheal.stats.familiar import Ddm, Ewma, PageHinkley

Detector = Ddm | Adwin | PageHinkley | Ewma
Plain = float | int | bool | None | list[list[float]]


@dataclass(frozen=True, slots=True)
class Stream:
    """One detector over the champion's losses: its numbers, rows read, and rows since it last went off (-1: never)."""

    detector: Mapping[str, Plain] = field(default_factory=dict)
    rows: int = 0
    quiet: int = -1


@dataclass(frozen=True, slots=True)
class FamiliarState:
    """Of one version. ``read``: labels that counted until then have been entered; ``since``: breaches (unix seconds)."""

    version: str = ""
    streams: Mapping[str, Stream] = field(default_factory=dict)
    read: float | None = None
    since: Mapping[str, float] = field(default_factory=dict)


def started(rule: Rule, reference: Reference) -> Detector:
    """A detector that has seen nothing."""
    assert reference.loss is not None
    if rule.name == "ddm":
        return Ddm(level=rule.limit)
    if rule.name == "adwin":
        return Adwin(delta=rule.limit)
    if rule.name == "page_hinkley":
        return PageHinkley(threshold=rule.limit)
    mean = reference.loss.mean
    known = reference.performance.get("mae")
    # Of classes the spread follows from the rate; a rate of 0 has none, so one error is the smallest rate there is.
    rate = min(max(mean, 1.0 / reference.loss.n), 1.0 - 1.0 / reference.loss.n)
    spread = known.sd / reference.loss.scale if known else math.sqrt(rate * (1.0 - rate))
    return Ewma(mean, max(spread, 1e-9), width=rule.limit)


def packed(detector: Detector) -> dict[str, Plain]:
    """Plain numbers; None stands for infinity or NaN."""
    if isinstance(detector, Adwin):
        buckets = [[float(b.rows), b.total, b.squares] for b in detector.buckets]
        return {"buckets": buckets, "seen": detector.seen}
    raw: dict[str, Any] = asdict(detector)
    return {key: value if math.isfinite(value) else None for key, value in raw.items()}


def unpacked(fresh: Detector, numbers: Mapping[str, Plain]) -> Detector:
    """The detector as it was; ``fresh`` says of which kind and with which settings."""
    if not numbers:
        return fresh
    if isinstance(fresh, Adwin):
        raw: Any = numbers["buckets"]
        held = tuple(Bucket(int(rows), total, squares) for rows, total, squares in raw)
        seen: Any = numbers["seen"]
        return Adwin(fresh.delta, held, int(seen))
    known: dict[str, Any] = {key: value for key, value in numbers.items() if value is not None}
    return type(fresh)(**known)
