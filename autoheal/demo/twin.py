"""The unhealed twin of each model, and the books in which both are scored on the same rows.

The twin serves what its team released and nothing else: no rollback, no retraining, no stand-in. It gets the same
broken inputs. It runs in the demo's process from the same registry.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from autoheal.actions.targets.registry import Registry
from autoheal.demo import estimator
from autoheal.demo.estimator import Estimator, StandIn
from autoheal.demo.feeds import Row

KEPT = 200_000


@dataclass(slots=True)
class Twin:
    """Answers by the newest *released* version."""

    registry: Registry
    model: str
    version: str = "v1"
    _loaded: Estimator | StandIn | None = None

    def release(self, version: str) -> None:
        self.version, self._loaded = version, None

    def answer(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        if self._loaded is None:
            self._loaded = estimator.load(self.registry.artefact(self.model, self.version))
        return self._loaded.predict(rows)[0]


@dataclass(frozen=True, slots=True)
class Scored:
    """One row: the truth, the answer with healing (None: none came), the answer without."""

    time: datetime
    label: float
    healed: float | None
    alone: float


def _scored() -> deque[Scored]:
    return deque(maxlen=KEPT)


@dataclass(slots=True)
class Books:
    """What was answered, by model: the newest ``KEPT`` rows, which is all but when the data are played again."""

    rows: defaultdict[str, deque[Scored]] = field(default_factory=lambda: defaultdict(_scored))

    def note(self, model: str, row: Row, healed: float | None, alone: float) -> None:
        self.rows[model].append(Scored(row.time, row.label, healed, alone))

    def compare(
        self, model: str, metric: Literal["mae", "accuracy"], start: datetime, end: datetime
    ) -> tuple[float, float, int] | None:
        """(with healing, without, rows) between two data times; a row without an answer is left out of both."""
        rows = [r for r in self.rows[model] if start <= r.time < end and r.healed is not None]
        if not rows:
            return None
        if metric == "mae":
            healed = sum(abs((r.healed or 0.0) - r.label) for r in rows)
            alone = sum(abs(r.alone - r.label) for r in rows)
        else:
            healed = sum(float(r.healed == r.label) for r in rows)
            alone = sum(float(r.alone == r.label) for r in rows)
        return healed / len(rows), alone / len(rows), len(rows)

    def unanswered(self, model: str) -> int:
        return sum(r.healed is None for r in self.rows[model])
