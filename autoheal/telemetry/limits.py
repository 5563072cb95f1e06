"""How much telemetry is kept, where, and for how long. Pure; the defaults carry a thousand models on one machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from autoheal.telemetry.ages import Ages
from autoheal.telemetry.overload import share


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept: rows per model on disk and in memory, metric samples, outcomes without a prediction, keys of
    batches. Rows leave ``row_days`` after they came, labelled or not; so do outcomes after ``waiting_days``.
    ``in_flight`` records may be on their way to the disk; ``overload`` says what happens to more: all is refused, or from
    half of it on a sample of the predictions is kept, and the rest counted. ``samples`` rows of each version and hour
    stay to be looked at when the others have left, and ``ages`` says how long history is kept how fine."""

    rows: int = 200_000
    memory_rows: int = 20_000
    metric_samples: int = 2_000
    waiting: int = 100_000
    waiting_days: float = 30.0
    in_flight: int = 200_000
    batches: int = 10_000
    row_days: float = 120.0
    overload: Literal["refuse", "sample"] = "refuse"
    samples: int = 20
    ages: Ages = field(default_factory=Ages)

    def kept(self, pending: int) -> float:
        """The share of new predictions that is stored with so many records under way."""
        return share(pending, self.in_flight) if self.overload == "sample" else 1.0
