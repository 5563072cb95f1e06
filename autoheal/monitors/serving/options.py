"""The options and the state of serving. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from autoheal.domain.durations import Duration
from autoheal.monitors.options import MonitorOptions, Share, Window


class ServingOptions(MonitorOptions):
    """``latency_limit_ms`` replaces ``latency_ratio`` times the version's baseline. ``absent_after``: how long no
    prediction may come before that is an alarm of its own; by default as ``stale_after``."""

    window: Window = Window(rows=200)
    min_rows: int = Field(default=50, ge=10)
    latency_ratio: float = Field(default=2.0, gt=1)
    latency_critical: float = Field(default=4.0, gt=1)
    latency_limit_ms: float | None = Field(default=None, gt=0)
    errors_warning: Share = 0.01
    errors_critical: Share = 0.05
    traffic_window: Duration | None = None
    traffic_low: float = Field(default=0.3, ge=0, lt=1)
    traffic_high: float = Field(default=3.0, gt=1)
    absent_after: Duration | None = None


@dataclass(frozen=True, slots=True)
class ServingState:
    """Since when each subject has been bad, in unix seconds."""

    since: Mapping[str, float] = field(default_factory=dict)
