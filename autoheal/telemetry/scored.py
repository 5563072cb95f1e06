"""How good a version's answers were, read off summaries, each metric with a bound on its error. Pure.

Accuracy and F1 are those of the rows. MAE and RMSE come from errors that were rounded to a unit (2^-100), so they are
within half of it, log loss and Brier score likewise from sums in units of 2^-20. AUC comes from ten bins of scores: the value
is the middle of what those allow. The surprising part: a label that was corrected after its version changed grids is
negative on one of them, so answers are added over all grids.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from autoheal.monitors.scores import Metric
from autoheal.telemetry.class_scores import SCORE_UNIT, ClassScores
from autoheal.telemetry.classes import OTHER
from autoheal.telemetry.summary import Summary


@dataclass(frozen=True, slots=True)
class Score:
    """A metric of ``n`` labelled answers that the version gave itself, within ``error`` of that of the rows."""

    metric: Metric
    value: float
    n: int
    error: float = 0.0


def scores_of(parts: Sequence[Summary]) -> Iterator[Score]:
    """All metrics that can be told of these summaries of one version; none without labels."""
    confusion: Counter[tuple[str, str]] = Counter()
    for part in parts:
        for pair, n in part.answers.confusion.items():
            confusion[pair] += n
    positive = next((part.layout.positive for part in reversed(parts) if part.layout.positive), "")
    if (labelled := sum(confusion.values())) > 0:
        yield from _classes(+confusion, positive, labelled)
        if positive:
            yield from _scores(parts, positive)
    yield from _numbers(parts)


def _classes(confusion: Counter[tuple[str, str]], positive: str, n: int) -> Iterator[Score]:
    yield Score("accuracy", sum(rows for (truth, said), rows in confusion.items() if truth == said) / n, n)
    names = [positive] if positive else sorted({truth for truth, _ in confusion})
    # What the classes without a seat share is no class.
    found = [None if name == OTHER else _f1(confusion, name) for name in names]
    if all(value is not None for value in found):
        yield Score("f1", float(np.mean([value for value in found if value is not None])), n)


def _f1(confusion: Counter[tuple[str, str]], name: str) -> float | None:
    said = sum(n for (_, answer), n in confusion.items() if answer == name)
    true = sum(n for (truth, _), n in confusion.items() if truth == name)
    return 2.0 * confusion[name, name] / (said + true) if said + true else None


def _scores(parts: Sequence[Summary], positive: str) -> Iterator[Score]:
    """Of the answers with a score, which is about the positive class."""
    mine, others = ClassScores(), ClassScores()
    for part in parts:
        for name, one in part.answers.scored.items():
            (mine if name == positive else others).add(one)
    hits, misses = mine.bins[:, 0].astype(np.float64), others.bins[:, 0].astype(np.float64)
    n = int(hits.sum() + misses.sum())
    if n <= 0:
        return
    yield Score("log_loss", (mine.losses[0] + others.losses[1]) * SCORE_UNIT / n, n, SCORE_UNIT / 2.0)
    # The sum of (s - y)^2 is that of s^2, less twice that of s over the positives, and their number.
    squares = (mine.squares + others.squares) * SCORE_UNIT**2
    brier = (squares - 2.0 * int(mine.bins[:, 1].sum()) * SCORE_UNIT + float(hits.sum())) / n
    yield Score("brier", brier, n, 2.0 * SCORE_UNIT)
    if (pairs := hits.sum() * misses.sum()) > 0.0:
        below = np.concatenate([[0.0], np.cumsum(misses)[:-1]])
        even = float(hits @ misses) / pairs
        yield Score("auc", float(hits @ below) / pairs + even / 2.0, n, even / 2.0)


def _numbers(parts: Iterable[Summary]) -> Iterator[Score]:
    n, absolute, squares, unit = 0, 0.0, 0.0, 0.0
    for part in parts:
        mine, size = part.answers.errors, part.layout.error_unit
        n, unit = n + mine[0], max(unit, size)
        absolute, squares = absolute + mine[2] * size, squares + mine[3] * size * size
    if n > 0:
        yield Score("mae", absolute / n, n, unit / 2.0)
        yield Score("rmse", math.sqrt(max(squares, 0.0) / n), n, unit / 2.0)
