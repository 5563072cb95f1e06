"""Scores of labelled answers by their true class, from which calibration, Brier score, log loss and AUC are read. Pure.

Sums are of whole units, so that adding is exact in any order. The surprising part: which class the scores are about need
not be known when they are counted, since a label may come before any reference does, and be corrected after another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from autoheal.monitors.scores import SMALLEST
from autoheal.telemetry.grid import Cells

#: Equal bins of [0, 1] for calibration.
CALIBRATION = 10
#: Scores, and log losses in nats, are added up in units of this.
SCORE_UNIT = 2.0**-20


@dataclass(slots=True, eq=False)
class ClassScores:
    """Of one class: ``bins`` (10, 2): rows, and the sum of their scores; ``squares`` of the scores; the sums of their log
    ``losses``, if the score is about this class, and if it is about another. All in units."""

    bins: Cells = field(default_factory=lambda: np.zeros((CALIBRATION, 2), np.int64))
    squares: int = 0
    losses: tuple[int, int] = (0, 0)

    @property
    def blank(self) -> bool:
        """Whether all that was counted was taken back."""
        return not self.bins.any() and not self.squares and self.losses == (0, 0)

    def count(self, score: float, times: int) -> None:
        """One more row, or with ``times=-1`` one less."""
        whole = round(score / SCORE_UNIT)
        self.bins[min(int(score * CALIBRATION), CALIBRATION - 1)] += np.array([1, whole]) * times
        self.squares += times * whole * whole
        self.losses = (self.losses[0] + times * _loss(score), self.losses[1] + times * _loss(1.0 - score))

    def add(self, other: ClassScores) -> None:
        self.bins += other.bins
        self.squares += other.squares
        self.losses = (self.losses[0] + other.losses[0], self.losses[1] + other.losses[1])


def _loss(chance: float) -> int:
    return round(-math.log(max(chance, SMALLEST)) / SCORE_UNIT)
