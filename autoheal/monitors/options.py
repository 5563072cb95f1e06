"""Pieces that the options of several monitors share: windows, amounts, shares. Pure.

Each monitor's options are a pydantic model with a default for everything, so ``performance: {}`` is a whole
configuration; unknown keys are refused. The policy loader checks them at load, ``evaluate`` reads them at each beat.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from autoheal.domain.durations import Duration
from autoheal.monitors.rows import Floats, Ints, newest


def _percent(value: object) -> object:
    """``"25%"`` is 0.25; numbers pass."""
    if isinstance(value, str) and value.strip().endswith("%"):
        return float(value.strip()[:-1]) / 100.0
    return value


#: A share in [0, 1], as a number or as a percentage.
Share = Annotated[float, BeforeValidator(_percent), Field(ge=0.0, le=1.0)]


class MonitorOptions(BaseModel):
    """What every monitor has. ``stale_after``: how long nothing may arrive before it says no_data; None: ten times
    the usual time between arrivals, at least five minutes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stale_after: Duration | None = None


class Window(BaseModel):
    """The newest ``rows``, or those of the newest ``time`` (in the data's own time); with both, the fewer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int | None = Field(default=None, ge=10, le=100_000)
    time: Duration | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.rows is None and self.time is None:
            raise ValueError("a window needs rows (like 500) or time (like 7d)")
        return self

    def pick(self, time: Floats) -> Ints:
        """Positions of the window's rows, in the order of time."""
        chosen = newest(time, len(time) if self.rows is None else self.rows)
        if self.time is not None and len(chosen):
            ordered = time[chosen]
            start = np.searchsorted(ordered, ordered[-1] - self.time.total_seconds(), side="right")
            chosen = chosen[start:]
        return chosen


class Amount(BaseModel):
    """How much worse is too much: ``0.05`` in the metric's own unit, or ``25%`` of the baseline."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float = Field(gt=0.0, allow_inf_nan=False)
    relative: bool = False

    @model_validator(mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        if isinstance(value, str) and value.strip().endswith("%"):
            return {"value": float(value.strip()[:-1]) / 100.0, "relative": True}
        return {"value": value} if isinstance(value, int | float) else value

    def effect(self, worse_by: float, baseline: float) -> float:
        """``worse_by`` on this amount's scale: itself, or as a share of the baseline."""
        return worse_by / max(abs(baseline), 1e-12) if self.relative else worse_by
