"""The options and the state of data_quality. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from autoheal.domain.durations import Duration, parse_duration
from autoheal.monitors.gauge import Gauge
from autoheal.monitors.options import MonitorOptions, Share


class Tolerance(BaseModel):
    """Two numbers are equal when they differ by at most ``absolute`` + ``relative`` times the larger."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    relative: float = Field(default=1e-6, ge=0.0, lt=1.0, allow_inf_nan=False)
    absolute: float = Field(default=1e-9, ge=0.0, allow_inf_nan=False)


class SkewOptions(BaseModel):
    """Features as served beside those that the training pipeline computes. ``share`` of the ids are sampled for it; of
    the newest ``rows`` compared ones more than ``too_much`` may not differ; from ``critical`` on, if it is given, that is
    critical, else it is a warning, since nobody can say which side is wrong; ``stale_after`` without a comparison
    it is no_data. ``features`` have tolerances of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: Share = Field(default=0.01, gt=0.0)
    rows: int = Field(default=100, ge=20, le=500)
    too_much: float = Field(default=0.01, ge=0.001, le=0.5)
    stale_after: Duration = parse_duration("3d")
    tolerance: Tolerance = Tolerance()
    features: Mapping[str, Tolerance] = Field(default_factory=dict)
    critical: Share | None = None

    def tolerance_of(self, feature: str) -> Tolerance:
        return self.features.get(feature, self.tolerance)


class DataQualityOptions(MonitorOptions):
    """``rows``: the newest rows that are judged (24 suits an hourly feed); ``wide_rows``: those in which
    the beginning of a fault is looked for. The shares say how much more than in the reference is too much. ``margin``: how far
    outside the reference's range, as a share of its span, a value may lie. ``skew``: also compare with the features that
    the training pipeline computes."""

    rows: int = Field(default=50, ge=10, le=10_000)
    wide_rows: int = Field(default=200, ge=10, le=20_000)
    missing_rise: Share = 0.10
    wrong_type: Share = 0.01
    out_of_range: Share = 0.02
    new_category: Share = 0.01
    critical: Share = 0.5
    margin: float = Field(default=0.1, ge=0)
    constant: bool = True
    skew: SkewOptions | None = None


@dataclass(frozen=True, slots=True)
class SkewState:
    """Evidence that features of ``version`` are not those of the pipeline, from comparisons up to ``cursor``; ``last`` is
    the newest time of a prediction in it, ``since`` when each feature that is bad began to be."""

    version: str = ""
    gauge: Gauge = Gauge()
    cursor: float | None = None
    last: float | None = None
    since: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DataQualityState:
    """Since when each subject has been bad (unix seconds), and the evidence against ``version``'s reference: rows that
    arrived no later than ``cursor`` are in ``gauge``, once; ``last`` is the newest data time of them."""

    version: str = ""
    since: Mapping[str, float] = field(default_factory=dict)
    gauge: Gauge = Gauge()
    cursor: float | None = None
    last: float | None = None
    skew: SkewState = SkewState()
