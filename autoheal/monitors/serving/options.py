"""The options of serving. Pure."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from autoheal.domain.durations import Duration
from autoheal.monitors.options import MonitorOptions, Share, Window

#: A share of good requests: 99.9% or 0.999, never all and never none.
Objective = Annotated[Share, Field(gt=0.0, lt=1.0)]


class LatencySlo(BaseModel):
    """``{below: 300ms, for: 99%}``: this share of the requests is answered within this time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    below: Duration
    share: Objective = Field(alias="for")

    @field_validator("below")
    @classmethod
    def _some_time(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("nothing is answered in no time")
        return value


class Slo(BaseModel):
    """``errors: 99.9%``: this share of the requests does not fail."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    errors: Objective | None = None
    latency: LatencySlo | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.errors is None and self.latency is None:
            raise ValueError("an slo needs errors (like 99.9%) or latency (like {below: 300ms, for: 99%})")
        return self


class ServingOptions(MonitorOptions):
    """``latency_limit_ms`` replaces ``latency_ratio`` times the version's baseline. ``absent_after``: how long no
    prediction may come before that is an alarm of its own. ``habit``: compare traffic and latency with the same hour of
    the week, once it is known; ``metrics`` are further ones to compare so. Hours and the dates of ``holidays``, which
    neither have a habit nor make one, are those of ``zone`` (IANA)."""

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
    slo: Slo | None = None
    habit: bool = True
    habit_ratio: float = Field(default=1.3, gt=1)
    spike_ratio: float = Field(default=2.0, gt=1)
    metrics: tuple[str, ...] = ()
    zone: str = "UTC"
    holidays: frozenset[date] = frozenset()

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{value!r} is no IANA time zone; write one like Europe/Zurich") from error
        return value

    @field_validator("metrics")
    @classmethod
    def _no_names_of_ours(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        taken = {"latency", "errors", "traffic", "absent", "monitor", "slo_errors", "slo_latency"} & set(
            value
        )
        if taken:
            raise ValueError(f"{', '.join(sorted(taken))} is watched already")
        return value
