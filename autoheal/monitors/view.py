"""What a monitor is given at one beat: rows, metrics, the champion and its reference. Pure.

Telemetry builds it (``telemetry.view``), ``evaluate`` hands it on. The surprising part is *maturity*: a label counts
from the later of its arrival and its prediction's time plus the model's label lag, so that answers whose truth comes
fast do not pass for all answers. ``as_of`` is the time up to which everything that arrived is certainly in the view.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from autoheal.domain.names import ModelName, Task, Version
from autoheal.domain.specs import ModelSpec
from autoheal.monitors.budget import Budget
from autoheal.monitors.compared import Compared
from autoheal.monitors.reference import Reference
from autoheal.monitors.rows import Bools, Floats, Rows


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one service metric in the order of arrival."""

    time: Floats
    value: Floats


@dataclass(frozen=True, slots=True)
class View:
    """One model's telemetry. ``since`` is when ``champion`` began to serve (-inf: always); times are unix seconds.
    ``budget`` is what the monitor that looks may spend of the fleet's false alarms. ``kept`` is the share of the
    predictions that was stored: below 1 after an overload, the rows are a sample. ``skew``: features beside those of the
    training pipeline, None when that is not watched."""

    spec: ModelSpec
    champion: Version
    since: float
    reference: Reference | None
    as_of: float
    rows: Rows
    metrics: Mapping[str, Series] = field(default_factory=dict)
    budget: Budget = Budget()
    kept: float = 1.0
    skew: Compared | None = None

    @property
    def model(self) -> ModelName:
        return self.spec.name

    @property
    def task(self) -> Task:
        return self.spec.task

    def matured_at(self) -> Floats:
        """Per row, when its label began to count; inf where there is none."""
        lag = self.spec.label_lag.total_seconds()
        matured: Floats = np.maximum(self.rows.labelled, self.rows.time + lag)
        return matured

    def served(self) -> Bools:
        """Rows that the champion itself answered since it became champion: the only ones that say how good it is."""
        rows = self.rows
        mask: Bools = (
            rows.version_is(self.champion) & ~rows.fallback & ~rows.failed & (rows.time >= self.since)
        )
        return mask & ~np.isnan(rows.prediction)
