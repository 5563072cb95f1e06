"""The options and the state of score_drift. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from autoheal.monitors.gauge import Gauge
from autoheal.monitors.options import MonitorOptions, Window
from autoheal.monitors.unread import Mark


class ScoreDriftOptions(MonitorOptions):
    """``window``: the rows that the effect is taken from; evidence takes every row once, ``min_rows`` at a time.
    ``harmless``: a PSI up to this is never evidence to notify, up to twice this never evidence to act."""

    window: Window = Window(rows=500)
    min_rows: int = Field(default=200, ge=50)
    psi_warning: float = Field(default=0.1, gt=0)
    psi_critical: float = Field(default=0.25, gt=0)
    harmless: float = Field(default=0.05, gt=0)


@dataclass(frozen=True, slots=True)
class ScoreDriftState:
    """Of one version: evidence, how far rows were read, since when each subject has been off (unix seconds)."""

    version: str = ""
    gauge: Gauge = field(default_factory=Gauge)
    mark: Mark = field(default_factory=Mark)
    since: Mapping[str, float] = field(default_factory=dict)
