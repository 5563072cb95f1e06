"""What is kept of a model's past, as everybody is told: facts per stretch of time, sampled raw rows, and skew. Pure.

Made by ``telemetry`` (``facts``, ``sample``, ``skew_report``), handed out by the API; not part of the world, which would have to hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Fact:
    """``value`` of ``n`` rows with since <= time < until, in the metric's own unit, within ``error`` of that of the rows.

    ``path`` is ``monitor/subject`` as in findings; ``version`` is empty for service metrics, which belong to none.
    ``reference`` is the version's own value, where it has one. ``known_at``: a backtest may not use it before.
    ``more`` are further numbers of the same rows.
    """

    since: datetime
    until: datetime
    version: str
    path: str
    value: float
    n: int
    error: float = 0.0
    reference: float | None = None
    known_at: datetime | None = None
    more: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SampledRow:
    """One raw row: ``features`` are those that may be shown, ``label`` is None while (or for ever when) none is known."""

    id: str
    version: str
    time: datetime
    features: Mapping[str, Any]
    prediction: Any
    score: float | None
    label: Any


@dataclass(frozen=True, slots=True)
class Samples:
    """A uniform sample of the rows with since < time <= until, by time; ``hidden`` features are sensitive."""

    model: str
    since: datetime
    until: datetime
    rows: tuple[SampledRow, ...]
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of since <= time < until, in order of time."""

    model: str
    since: datetime
    until: datetime
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class FeatureSkew:
    """Of ``compared`` ids of a version, how many had another value, were missing as served, are missing in the pipeline;
    ``share`` of them are not the same. ``apart``: how far numbers lay apart on average, as a share of the larger; 0 for
    sensitive features."""

    version: str
    feature: str
    compared: int
    different: int
    not_served: int
    not_trained: int
    apart: float
    share: float


@dataclass(frozen=True, slots=True)
class SkewRecords:
    """What became of the pipeline's records since telemetry.db was made; each is in exactly one."""

    compared: int = 0
    doubled: int = 0
    corrected: int = 0
    late: int = 0
    orphaned: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class SkewId:
    """An id that is sampled; ``time`` and ``version`` of its prediction."""

    id: str
    time: datetime
    version: str


@dataclass(frozen=True, slots=True)
class Skew:
    """Served features beside the training pipeline's, of the hours of predictions that begin in since <= hour < until.
    ``ids`` are the oldest ones with since < time <= until whose features have not come; ``more``: there are others."""

    model: str
    since: datetime
    until: datetime
    features: tuple[FeatureSkew, ...]
    records: SkewRecords
    ids: tuple[SkewId, ...] = ()
    more: bool = False
