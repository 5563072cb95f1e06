"""How good answers are: accuracy, F1, log loss, MAE, RMSE with the uncertainty of each. Pure.

Used on a training's held-out rows (``telemetry.reference``) and on windows of live rows, so that both sides of every
comparison come from the same code. The surprising part is ``influence``: each metric is written as the mean of one
number per row (its linearisation), so that one rule gives the standard error of all, and that rule looks at blocks of
neighbouring rows too, because errors of neighbours in time are alike and plain formulas are then far too sure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from autoheal.domain.names import Task
from autoheal.monitors.rows import Bools, Floats

Metric = Literal["accuracy", "f1", "log_loss", "brier", "auc", "mae", "rmse"]
METRICS: dict[Task, tuple[Metric, ...]] = {
    Task.CLASSIFICATION: ("accuracy", "f1", "log_loss", "brier", "auc"),
    Task.REGRESSION: ("mae", "rmse"),
}
#: Watched only when asked for: what they see, the others mostly see too.
ON_DEMAND: frozenset[Metric] = frozenset({"brier", "auc"})
#: Metrics that fall when a model gets worse; the others rise.
FALLING: frozenset[Metric] = frozenset({"accuracy", "f1", "auc"})
#: A probability is taken as at least this when its logarithm is needed.
SMALLEST = 1e-6
#: Blocks without which their means say nothing, and standard errors above 1 before rows count as alike.
LEAST_BLOCKS, SURE = 10, 3.0


@dataclass(frozen=True, slots=True)
class Answers:
    """Predictions beside the truth, in the order of time. Classes are codes; ``positive`` is one, or -1 for none."""

    prediction: Floats
    label: Floats
    score: Floats
    positive: int = -1

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric on ``n`` rows: ``error`` is its standard error with ``freedom`` degrees of freedom."""

    value: float
    n: int
    error: float
    freedom: float


def measure(metric: Metric, answers: Answers) -> Measured | None:
    """The metric on these rows, or None where it is undefined (no rows, no scores, no positive class anywhere)."""
    if metric in {"log_loss", "brier", "auc"}:
        answers = scored(answers)
    if len(answers) < 2:
        return None
    if metric == "auc":
        return _auc(answers)
    if metric == "f1":
        return _f1(answers)
    if metric == "rmse":
        squares = (answers.prediction - answers.label) ** 2
        root = math.sqrt(float(squares.mean()))
        return _measured(root, squares / (2 * root) if root else squares)
    rows = losses(metric, answers)
    mean = float(rows.mean())
    return _measured(1.0 - mean if metric == "accuracy" else mean, rows)


def losses(metric: Metric, answers: Answers) -> Floats:
    """Loss per row of the metrics that are plain means."""
    if metric == "mae":
        absolute: Floats = np.abs(answers.prediction - answers.label)
        return absolute
    if metric == "log_loss":
        right = np.where(answers.label == answers.positive, answers.score, 1.0 - answers.score)
        logs: Floats = -np.log(np.clip(right, SMALLEST, 1.0))
        return logs
    if metric == "brier":
        squares: Floats = (answers.score - (answers.label == answers.positive)) ** 2
        return squares
    wrong: Floats = (answers.prediction != answers.label).astype(np.float64)
    return wrong


def standard_error(rows: Floats) -> tuple[float, float]:
    """Standard error of the mean of rows in time order, and its degrees of freedom.

    The larger of two: from single rows, and from the differences of neighbouring blocks (von Neumann's), which sees
    that neighbours are alike but takes the one step of a model that broke for what it is and not for noise.
    """
    n = len(rows)
    single = float(rows.std(ddof=1)) / math.sqrt(n)
    size = max(math.isqrt(n), 1)
    blocks = n // size
    if blocks < 5:
        return single, n - 1.0
    means = rows[n - blocks * size :].reshape(blocks, size).mean(axis=1)
    blocked = math.sqrt(float((np.diff(means) ** 2).mean()) / 2.0 / blocks)
    # Differences share their blocks, which leaves about two thirds of their number as freedom.
    return (single, n - 1.0) if single >= blocked else (blocked, 2.0 * (blocks - 1) / 3.0)


def alike(rows: Floats) -> float:
    """How many neighbouring rows of a healthy time say as much as one independent row, at least 1.

    The largest of what neighbouring blocks show, and blocks of any longer size: nights and weekends are longer than
    neighbours, and what was healthy in the training data is no news.
    """
    n = len(rows)
    if n < 2 or (spread := float(rows.var(ddof=1))) <= 0.0:
        return 1.0
    error, _ = standard_error(rows)
    found = max(error**2 * n / spread, 1.0)
    size = max(math.isqrt(n), 1)
    while (blocks := n // size) >= LEAST_BLOCKS:
        means = rows[n - blocks * size :].reshape(blocks, size).mean(axis=1)
        effect = float(means.var(ddof=1)) * size / spread
        # Of a few blocks chance alone may show as much.
        if effect > 1.0 + SURE * math.sqrt(2.0 / (blocks - 1)):
            found = max(found, effect)
        size *= 2
    return found


def _measured(value: float, influence: Floats) -> Measured:
    error, freedom = standard_error(influence)
    return Measured(value, len(influence), error, freedom)


def scored(answers: Answers) -> Answers:
    """Those with a score of the positive class."""
    keep: Bools = ~np.isnan(answers.score)
    if answers.positive < 0 or not keep.any():
        return Answers(*(np.empty(0),) * 3)
    return Answers(answers.prediction[keep], answers.label[keep], answers.score[keep], answers.positive)


def _auc(answers: Answers) -> Measured | None:
    """Area under the ROC curve; each row's influence is its placement among the other class (DeLong et al. 1988)."""
    positive = answers.label == answers.positive
    high, low = np.sort(answers.score[positive]), np.sort(answers.score[~positive])
    if not len(high) or not len(low):
        return None
    places = np.where(
        positive,
        _placed(answers.score, low),
        1.0 - _placed(answers.score, high),
    )
    share = np.where(positive, positive.mean(), 1.0 - positive.mean())
    value = float(places[positive].mean())
    return _measured(value, (places - value) / share)


def _placed(scores: Floats, ordered: Floats) -> Floats:
    """The share of ``ordered`` below each score, ties by half."""
    below = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    placed: Floats = below / (2.0 * len(ordered))
    return placed


def _f1(answers: Answers) -> Measured | None:
    """F1 of the positive class; without one, the mean over the classes that occur."""
    classes = [answers.positive] if answers.positive >= 0 else np.unique(answers.label).astype(int).tolist()
    values, influence = [], np.zeros(len(answers))
    for code in classes:
        said, true = answers.prediction == code, answers.label == code
        hits = 2.0 * (said & true)
        total = said.astype(np.float64) + true
        if not total.any():
            return None
        value = float(hits.sum() / total.sum())
        values.append(value)
        influence += (hits - value * total) / float(total.mean()) / len(classes)
    return _measured(float(np.mean(values)), influence)
