"""What became of every model's outcomes, for the API and the metrics page. Reads telemetry, changes nothing."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from autoheal.domain.label_state import ModelLabels, VersionLabels
from autoheal.telemetry.joins_table import Joins
from autoheal.telemetry.service import Telemetry


def label_report(telemetry: Telemetry, *, now: datetime) -> tuple[ModelLabels, ...]:
    """One entry a model; costs about a millisecond each, so off the event loop."""
    joins = telemetry.joins()
    return tuple(
        ModelLabels(
            model,
            asdict(joins.get(model, Joins())),
            tuple(
                VersionLabels(m.version, m.answers, m.matured, m.share, m.watermark)
                for m in telemetry.maturity(model, now=now)
            ),
        )
        for model in telemetry.tasks
    )
