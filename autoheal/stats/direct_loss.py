"""DLE: a second model that predicts the loss of each row from its features and the prediction, for regression.

Pure. Learned on labelled rows of then, averaged over the rows of now: an estimate of the mean absolute (or any) error
before labels come. It sees inputs that move to where the model was always bad; it cannot see that the world changed there
(concept drift), nor regions without labelled rows. ``skill`` is honest: the share of the variance of the loss explained
on rows that were not learned from; below ``LEAST_SKILL`` the estimate only repeats the old mean, and says so.

After NannyML's Direct Loss Estimation; learner: boosted_trees.py. Features (n, d), NaN = missing; predictions and losses
(n,), losses >= 0. Raises ValueError for other values and for fewer than 200 labelled rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs
from autoheal.stats.boosted_trees import Boosted, fit

Floats = NDArray[np.float64]
LEAST_ROWS = 200
LEAST_SKILL = 0.01
TWO_SIDED = 1.959964


@dataclass(frozen=True, slots=True, eq=False)
class LossModel:
    """What was learned, the mean loss then, the spread of a row around its estimate, and the skill."""

    model: Boosted
    mean: float
    residual_sd: float
    skill: float
    n: int

    @property
    def useful(self) -> bool:
        """Does it know more than the mean?"""
        return self.skill >= LEAST_SKILL


@dataclass(frozen=True, slots=True)
class Estimate:
    """Mean loss expected now with its 95% band, and what it was then. ``moved``: in units of the old mean."""

    mean: float
    low: float
    high: float
    then: float

    @property
    def moved(self) -> float:
        """(now - then) / then; 0 when then was 0."""
        return (self.mean - self.then) / self.then if self.then > 0 else 0.0


def learn(features: ArrayLike, predictions: ArrayLike, losses: ArrayLike) -> LossModel:
    """Learn the loss from all rows, and how well from rows not learned from (alternate rows)."""
    rows, loss = _rows(features, predictions), inputs.vector("losses", losses)
    if len(rows) != loss.size or loss.size < LEAST_ROWS or (loss < 0).any():
        raise ValueError(f"need a loss >= 0 a row, at least {LEAST_ROWS}; got {len(rows)} and {loss.size}")
    guess = np.empty(loss.size)
    for side in (0, 1):
        own = np.arange(loss.size) % 2 == side
        guess[~own] = fit(rows[own], loss[own], logistic=False).predict(rows[~own])
    rest, spread = loss - guess, float(loss.var())
    skill = 1.0 - float((rest**2).mean()) / spread if spread > 0 else 0.0
    model = fit(rows, loss, logistic=False)
    return LossModel(model, float(loss.mean()), float(rest.std()), skill, loss.size)


def estimate(learned: LossModel, features: ArrayLike, predictions: ArrayLike) -> Estimate:
    """Expected mean loss of rows without labels. The band holds while the relation learned still does."""
    rows = _rows(features, predictions)
    guess = np.maximum(learned.model.predict(rows), 0.0)
    mean = float(guess.mean()) if learned.useful else learned.mean
    # The rows of now scatter, and so did those that were learned from.
    half = TWO_SIDED * learned.residual_sd * math.sqrt(1.0 / len(rows) + 1.0 / learned.n)
    return Estimate(mean, max(mean - half, 0.0), mean + half, learned.mean)


def _rows(features: ArrayLike, predictions: ArrayLike) -> Floats:
    x, guess = np.asarray(features, dtype=np.float64), inputs.vector("predictions", predictions)
    if x.ndim != 2 or len(x) != guess.size:
        raise ValueError(f"need a row of features a prediction, got shape {x.shape} and {guess.size}")
    return np.column_stack([x, guess])
