"""How good a version's answers were, read off summaries, each metric with a bound on its error. Pure.

Accuracy and F1 are those of the rows. MAE and RMSE come from errors that were rounded to a unit (2^-100), so they are
within half of it, and log loss likewise from losses in whole units. Brier score and AUC come from
ten bins of scores with their rows, sums and positives: the value is the middle of what those allow. The surprising part: a label
that was corrected after its version changed grids is negative on one of them, so answers are added over all grids.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from autoheal.monitors.scores import Metric
from autoheal.telemetry.grid import Cells
from autoheal.telemetry.summary import CALIBRATION, OTHER_CLASS, SCORE_UNIT, Summary


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
        losses = [sum(part.answers.log_loss[i] for part in parts) for i in (0, 1)]
        if losses[0] > 0:
            yield Score("log_loss", losses[1] * SCORE_UNIT / losses[0], losses[0], SCORE_UNIT / 2.0)
        yield from _scores(
            sum((part.answers.calibration for part in parts), np.zeros((CALIBRATION, 3), np.int64))
        )
    yield from _numbers(parts)


def _classes(confusion: Counter[tuple[str, str]], positive: str, n: int) -> Iterator[Score]:
    right = sum(count for (truth, said), count in confusion.items() if truth == said)
    # Classes beyond the most that are kept apart share a name: right or wrong among them cannot be told.
    vague = confusion[OTHER_CLASS, OTHER_CLASS] / n
    yield Score("accuracy", right / n - vague / 2.0, n, vague / 2.0)
    names = [positive] if positive else sorted({truth for truth, _ in confusion})
    found = [_f1(confusion, name) for name in names]
    if not vague and all(value is not None for value in found):
        yield Score("f1", float(np.mean([value for value in found if value is not None])), n)


def _f1(confusion: Counter[tuple[str, str]], name: str) -> float | None:
    said = sum(n for (_, answer), n in confusion.items() if answer == name)
    true = sum(n for (truth, _), n in confusion.items() if truth == name)
    return 2.0 * confusion[name, name] / (said + true) if said + true else None


def _scores(bins: Cells) -> Iterator[Score]:
    """Of the answers with a score of the positive class."""
    n = int(bins[:, 0].sum())
    positives = bins[:, 2].astype(np.float64)
    negatives = bins[:, 0] - positives
    pairs = positives.sum() * negatives.sum()
    if n <= 0:
        return
    yield _brier(bins, n)
    if pairs > 0.0:
        below = np.concatenate([[0.0], np.cumsum(negatives)[:-1]])
        even = float(positives @ negatives) / pairs
        yield Score("auc", float(positives @ below) / pairs + even / 2.0, n, even / 2.0)


def _brier(bins: Cells, n: int) -> Score:
    """The sum of (s - y)^2 is that of s^2, less twice that of s over the positives, and their number."""
    rows, total, hits = bins[:, 0].astype(np.float64), bins[:, 1] * SCORE_UNIT, bins[:, 2].astype(np.float64)
    low = np.arange(CALIBRATION) / CALIBRATION
    high = low + 1.0 / CALIBRATION
    mean = np.clip(total / np.maximum(rows, 1.0), low, high)
    least = rows * mean**2
    most = least + rows * (mean - low) * (high - mean)
    misses = rows - hits
    fewest = np.maximum(hits * low, total - misses * high)
    largest = np.minimum(hits * high, total - misses * low)
    bounds = [float(s.sum() - 2.0 * p.sum() + hits.sum()) / n for s, p in ((least, largest), (most, fewest))]
    # The sums are of scores that were rounded.
    return Score("brier", sum(bounds) / 2.0, n, abs(bounds[1] - bounds[0]) / 2.0 + 4.0 * SCORE_UNIT)


def _numbers(parts: Iterable[Summary]) -> Iterator[Score]:
    n, absolute, squares, unit = 0, 0.0, 0.0, 0.0
    for part in parts:
        mine, size = part.answers.errors, part.layout.error_unit
        n, unit = n + mine[0], max(unit, size)
        absolute, squares = absolute + mine[2] * size, squares + mine[3] * size * size
    if n > 0:
        yield Score("mae", absolute / n, n, unit / 2.0)
        yield Score("rmse", math.sqrt(max(squares, 0.0) / n), n, unit / 2.0)
