"""The options of concept_drift. Pure."""

from __future__ import annotations

from pydantic import Field

from autoheal.domain.names import Task
from autoheal.monitors.options import Amount
from autoheal.monitors.worsening import LossOptions


class ConceptDriftOptions(LossOptions):
    """``tolerance``: by which share the mean
    loss may exceed the baseline and still be healthy (10% for classes, 25% for numbers, whose errors come in
    seasons). ``min_rise``: by how much the recent loss must exceed the baseline for a breach to begin (0.02 for classes,
    40% for numbers). ``max_rise_per_week``: of ``trend``, in the loss's unit or as a share of the baseline."""

    min_rows: int = Field(default=200, ge=50)
    recent_rows: int = Field(default=500, ge=50)
    min_rise: Amount | None = None
    critical: Amount | None = None
    max_rise_per_week: Amount | None = None
    trend_days: int = Field(default=28, ge=7, le=366)
    min_days: int = Field(default=10, ge=5)
    min_rows_per_day: int = Field(default=10, ge=1)
    trend_p: float = Field(default=1e-4, gt=0, lt=1)
    count_broken_inputs: bool = False

    def least_rise(self, task: Task) -> Amount:
        classes = task is Task.CLASSIFICATION
        return self.min_rise or (Amount(value=0.02) if classes else Amount(value=0.4, relative=True))

    def critical_rise(self, task: Task) -> Amount:
        classes = task is Task.CLASSIFICATION
        return self.critical or (Amount(value=0.05) if classes else Amount(value=0.5, relative=True))

    def weekly_rise(self, task: Task) -> Amount:
        classes = task is Task.CLASSIFICATION
        return self.max_rise_per_week or (
            Amount(value=0.03) if classes else Amount(value=0.10, relative=True)
        )
