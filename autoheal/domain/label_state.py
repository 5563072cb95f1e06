"""What became of a model's outcomes, as everybody is told: the API and the metrics page. Pure.

Made by ``telemetry.label_report``; it is not part of the world, because it changes with every row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from autoheal.domain.names import ModelName, Version


@dataclass(frozen=True, slots=True)
class VersionLabels:
    """``answers`` are those held that are older than the label lag, ``matured`` of them have a label that counts; of the
    answers up to ``watermark`` (a prediction's time) nearly all do (None: of the oldest already too few)."""

    version: Version
    answers: int
    matured: int
    share: float | None
    watermark: datetime | None


@dataclass(frozen=True, slots=True)
class ModelLabels:
    """``joins`` counts records since telemetry began: predictions, repeated, joined, early, doubled, corrected,
    orphaned, expired, sampled_out, and outcomes that are still waiting."""

    model: ModelName
    joins: Mapping[str, int]
    versions: tuple[VersionLabels, ...]
