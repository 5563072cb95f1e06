"""What retraining looks like without an engine: the other columns of the healing benchmark, on the same forest.

Labels come at once. *Clock-n* trains n times, evenly spaced, on the newest rows (as many as the first version had).
*ADWIN* (``stats.adwin``, delta 0.002, the usual default) trains on the newest 500 rows when it drops some past for a
higher error, as the tutorials do. *Random* trains as often as autoheal promoted, at rows drawn by a fixed seed, on the
newest rows like the clock, averaged over a few draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import _healing_forest as forest
import numpy as np
from _healing_streams import Stream

from autoheal.stats.adwin import Adwin

#: Rows that a training at an alarm takes.
AT_ALARM = 500
#: Rows answered at once.
STRIDE = 50


def accuracy(right: Sequence[bool]) -> float:
    """In per cent."""
    return 100.0 * float(np.mean(right))


def at_rows(stream: Stream, rows: Sequence[int], learned: int | None = None) -> list[bool]:
    """Right or not of each live row, with a training before each of ``rows`` on the newest ``learned`` ones."""
    size = stream.trained if learned is None else learned
    marks = [stream.trained, *sorted(rows), len(stream)]
    right: list[bool] = []
    model = _fit(stream, 0, stream.trained)
    for n, (first, last) in enumerate(pairwise(marks)):
        if n:
            model = _fit(stream, max(first - size, 0), first)
        if last > first:
            right += _right(stream, model, first, last)
    return right


def clock(stream: Stream, times: int) -> list[bool]:
    gap = (len(stream) - stream.trained) / (times + 1)
    return at_rows(stream, [stream.trained + round(gap * n) for n in range(1, times + 1)])


def chance(stream: Stream, times: int, seeds: int) -> float:
    """Mean accuracy in per cent of ``seeds`` draws of as many rows."""
    found = []
    for seed in range(seeds):
        draw = np.random.default_rng(seed).integers(stream.trained + 1, len(stream), times)
        found.append(accuracy(at_rows(stream, draw.tolist())))
    return float(np.mean(found))


def adwin(stream: Stream) -> tuple[list[bool], int]:
    """Right or not of each live row, and the number of trainings."""
    model, detector = _fit(stream, 0, stream.trained), Adwin()
    right: list[bool] = []
    trainings = 0
    for first in range(stream.trained, len(stream), STRIDE):
        last = min(first + STRIDE, len(stream))
        said = _right(stream, model, first, last)
        right += said
        rose = False
        for one in said:
            detector = detector.update(0.0 if one else 1.0)
            rose = rose or (detector.alarm and detector.rose)
        if rose and last < len(stream):
            model, detector, trainings = _fit(stream, max(last - AT_ALARM, 0), last), Adwin(), trainings + 1
    return right, trainings


def next_rows(stream: Stream, row: int, models: Sequence[Any], count: int) -> list[float]:
    """Accuracy in per cent of each model on the ``count`` rows from ``row`` on."""
    last = min(row + count, len(stream))
    return [accuracy(_right(stream, model, row, last)) for model in models]


def _fit(stream: Stream, first: int, last: int) -> Any:
    labels = stream.labels[first:last]
    return forest.fit(stream.rows[first:last], labels)


def _right(stream: Stream, model: Any, first: int, last: int) -> list[bool]:
    said = model.predict(stream.rows[first:last]).tolist()
    return [a == b for a, b in zip(said, stream.labels[first:last], strict=True)]
