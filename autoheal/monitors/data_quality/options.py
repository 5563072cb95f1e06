"""The options and the state of data_quality. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from autoheal.monitors.gauge import Gauge
from autoheal.monitors.options import MonitorOptions, Share


class DataQualityOptions(MonitorOptions):
    """``rows``: the newest rows that are judged (24 suits an hourly feed); ``wide_rows``: those in which
    the beginning of a fault is looked for. The shares say how much more than in the reference is too much. ``margin``: how far
    outside the reference's range, as a share of its span, a value may lie."""

    rows: int = Field(default=50, ge=10, le=10_000)
    wide_rows: int = Field(default=200, ge=10, le=20_000)
    missing_rise: Share = 0.10
    wrong_type: Share = 0.01
    out_of_range: Share = 0.02
    new_category: Share = 0.01
    critical: Share = 0.5
    margin: float = Field(default=0.1, ge=0)
    constant: bool = True


@dataclass(frozen=True, slots=True)
class DataQualityState:
    """Since when each subject has been bad (unix seconds), and the evidence against ``version``'s reference: rows that
    arrived no later than ``cursor`` are in ``gauge``, once; ``last`` is the newest data time of them."""

    version: str = ""
    since: Mapping[str, float] = field(default_factory=dict)
    gauge: Gauge = Gauge()
    cursor: float | None = None
    last: float | None = None
