"""Labels meet their predictions: whichever came first, whatever came twice. In the store's transaction and thread.

Each outcome of a batch gets one fate, which is counted exactly (``joins_table``). The surprising part: an outcome that
finds no prediction waits in a table of its own, so that memory does not grow with what never comes.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from autoheal.domain.names import ModelName
from autoheal.telemetry import outcomes_table
from autoheal.telemetry.predictions_table import Joined
from autoheal.telemetry.records import Outcome, Prediction

#: How what became of an outcome is called in the counts; one that waits is counted when it no longer does.
COUNTED_AS = {"new": "joined", "same": "doubled", "corrected": "corrected", "waiting": ""}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A row that got a label, or another one."""

    model: ModelName
    label: object
    row: Joined


@dataclass(slots=True)
class Joining:
    """What one batch did: rows to label in memory, ``fates`` of outcomes, and the ``tally`` for the table of counts.
    ``label`` joins one outcome."""

    label: Callable[[sqlite3.Connection, Outcome, float], Joined | None]
    labels: list[Labelled] = field(default_factory=list)
    fates: Counter[str] = field(default_factory=Counter)
    tally: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def early(self) -> int:
        """Outcomes that waited and found their prediction in this batch."""
        return sum(n for (_, name), n in self.tally.items() if name == "early")

    def by_model(self) -> dict[ModelName, list[Labelled]]:
        found: dict[ModelName, list[Labelled]] = {}
        for one in self.labels:
            found.setdefault(one.model, []).append(one)
        return found

    def predictions(self, records: Sequence[Prediction], new: Iterable[int]) -> None:
        """Count the predictions of the batch; ``new`` are the places of those not seen before."""
        fresh = Counter(records[place].model for place in new)
        every = Counter(record.model for record in records)
        self.tally.update({(model, "predictions"): n for model, n in fresh.items()})
        self.tally.update({(model, "repeated"): n - fresh[model] for model, n in every.items()})

    def waited(self, db: sqlite3.Connection, records: Iterable[tuple[int, Prediction]], stamp: float) -> None:
        """Give new predictions, by number, the outcomes that waited for them."""
        for _, record in records:
            if outcome := outcomes_table.take(db, record):
                row = self.label(db, outcome, stamp)
                assert row is not None
                self.labels.append(Labelled(outcome.model, outcome.label, row))
                self.tally.update(((outcome.model, "early"), (outcome.model, "joined")))

    def outcomes(self, db: sqlite3.Connection, outcomes: Iterable[Outcome], stamp: float) -> None:
        """Join the outcomes of the batch, in its order."""
        for outcome in outcomes:
            row = self.label(db, outcome, stamp)
            fate = outcomes_table.keep(db, outcome, stamp) if row is None else row.how
            self.fates[fate] += 1
            self.tally[outcome.model, COUNTED_AS[fate]] += 1
            if row is not None and row.how != "same":
                self.labels.append(Labelled(outcome.model, outcome.label, row))
