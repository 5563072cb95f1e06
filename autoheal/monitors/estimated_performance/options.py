"""The options and the state of estimated_performance. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from autoheal.monitors.gauge import Gauge
from autoheal.monitors.options import Amount, MonitorOptions, Share, Window
from autoheal.monitors.unread import Mark


class EstimatedPerformanceOptions(MonitorOptions):
    """``max_drop`` as in performance: 0.05 for accuracy and F1, 25% of the baseline for MAE. ``cohort_rows``: matured
    rows in which the estimate is compared with the truth."""

    window: Window = Window(rows=500)
    min_rows: int = Field(default=200, ge=50)
    max_drop: Amount | None = None
    tolerance: Share = 0.1
    cohort_rows: int = Field(default=500, ge=100)


@dataclass(frozen=True, slots=True)
class Cohort:
    """Estimate and truth of one cohort that matured, in loss, and whether they disagree."""

    estimate: float
    truth: float
    wrong: bool


@dataclass(frozen=True, slots=True)
class EstimatedPerformanceState:
    """Of one version. ``checked``: labels that counted until then have been compared (unix seconds)."""

    version: str = ""
    gauge: Gauge = field(default_factory=Gauge)
    mark: Mark = field(default_factory=Mark)
    cohorts: tuple[Cohort, ...] = ()
    checked: float | None = None
    since: Mapping[str, float] = field(default_factory=dict)
