"""Evidence from the champion's answers: every matured row goes to the alarm clock once, in order. Pure.

Shared by ``performance`` and ``concept_drift``. A row counts when its label has matured, in the order of prediction
time, in small blocks, so that a long beat notices trouble as soon as a short one would. The surprising part: the days
that a block covers are those of the *data*, so a feed that is played back fast keeps its promise on its own calendar.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from autoheal.monitors.budget import Budget
from autoheal.monitors.champion import Matured
from autoheal.monitors.gauge import Gauge
from autoheal.monitors.rows import Floats
from autoheal.monitors.scores import Answers

DAY = 86_400.0
#: Rows of one step of the clock at most, and steps of one beat at most (a long backlog takes larger steps).
BLOCK, MOST_STEPS = 25, 400
#: Log e-values of rows, (rows, K) for each subject.
BetsOf = Callable[[Answers], Mapping[str, Floats]]


@dataclass(frozen=True, slots=True)
class LossEvidence:
    """Rows that counted from no later than ``cursor`` are in ``gauge``, once; ``last`` is the newest data time of them
    and ``rows`` their number. Times are unix seconds."""

    gauge: Gauge = Gauge()
    cursor: float | None = None
    last: float | None = None
    rows: int = 0

    def learn(self, rows: Matured, as_of: float, bets_of: BetsOf, budget: Budget) -> LossEvidence:
        """With all rows that began to count since the last beat."""
        new = rows.take(rows.counts_from > (-math.inf if self.cursor is None else self.cursor))
        if not len(new):
            return self
        steps = -(-len(new) // max(BLOCK, -(-len(new) // MOST_STEPS)))
        starts = np.arange(steps) * len(new) // steps
        newest = float(new.time[-1])
        began = float(new.time[0]) if self.last is None else min(self.last, newest)
        bets = {s: np.add.reduceat(log_e, starts, axis=0) for s, log_e in bets_of(new.answers).items()}
        gauge = self.gauge.run(bets, (newest - began) / DAY / steps, budget)
        return LossEvidence(gauge, as_of, max(newest, began), self.rows + len(new))

    def release(self, subjects: Collection[str]) -> LossEvidence:
        """These have recovered: they start from nothing."""
        return replace(self, gauge=self.gauge.release(subjects))
