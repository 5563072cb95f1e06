"""The state of serving: bounded (about 25 kB of JSON a metric), plain data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autoheal.monitors.gauge import Gauge
from autoheal.monitors.serving.habit import Habit
from autoheal.monitors.serving.limits import Limits
from autoheal.monitors.serving.slo import Counts
from autoheal.monitors.serving.spikes import Ticks


@dataclass(frozen=True, slots=True)
class ServingState:
    """Since when each subject has been bad (unix seconds); by metric its habit and its last ticks; by objective what
    was counted; the evidence about limits. ``version`` is whose latency the evidence is about."""

    since: Mapping[str, float] = field(default_factory=dict)
    version: str = ""
    gauge: Gauge = field(default_factory=Gauge)
    habits: Mapping[str, Habit] = field(default_factory=dict)
    ticks: Mapping[str, Ticks] = field(default_factory=dict)
    slo: Mapping[str, Counts] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
