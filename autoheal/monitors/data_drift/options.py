"""The options of data_drift, and what it remembers between beats. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from autoheal.monitors.gauge import Gauge
from autoheal.monitors.options import MonitorOptions, Window


class DataDriftOptions(MonitorOptions):
    """``window``: the rows shown. ``min_rows``: rows that a look for evidence takes at least. ``harmless``: a PSI up to
    this is never evidence, twice as much never for acting. ``features``: only these (all, when empty)."""

    window: Window = Window(rows=500)
    min_rows: int = Field(default=200, ge=50)
    psi_warning: float = Field(default=0.2, gt=0)
    psi_critical: float = Field(default=0.3, gt=0)
    ks_warning: float = Field(default=0.25, gt=0, le=1)
    harmless: float = Field(default=0.05, gt=0)
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataDriftState:
    """Since when each feature has been off (unix seconds), and the evidence against ``version``: rows that arrived no
    later than ``cursor`` are in ``gauge``, once; ``last`` is the newest data time of them."""

    version: str = ""
    since: Mapping[str, float] = field(default_factory=dict)
    gauge: Gauge = Gauge()
    cursor: float | None = None
    last: float | None = None
