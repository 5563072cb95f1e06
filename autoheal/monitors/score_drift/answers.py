"""Answers counted as the reference counts them: classes, scores, numbers. Pure.

One ``Look`` a subject: ``class`` (shares of the predicted classes), ``score`` (of the positive class), ``prediction``
(numbers). A class that the version never gave on held-out rows is ``<other>``; a score that is missing is a bin too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from autoheal.domain.names import Task
from autoheal.monitors.reference_parts import Output
from autoheal.monitors.rows import Ints
from autoheal.monitors.view import View
from autoheal.stats.categorical import OTHER
from autoheal.stats.design_effect import Design, independent

#: Held-out rows below which their spread is no yardstick.
LEAST_REFERENCE = 200


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The held-out counts and names of the bins of one subject; "" in ``why_not`` when it can be judged. ``design``
    is how alike neighbouring answers were among the held-out rows."""

    known: Ints
    labels: tuple[str, ...]
    why_not: str = ""
    design: Design = field(default_factory=lambda: independent(1))


def subjects(task: Task) -> tuple[str, ...]:
    return ("class", "score") if task is Task.CLASSIFICATION else ("prediction",)


def look(output: Output, subject: str) -> Look:
    """What a subject is compared with."""
    nothing = np.zeros(0, np.int64)
    mean, cv2 = output.likeness.get(subject, (1.0, 0.0))
    design = Design(np.array([mean]), np.array([cv2]))
    if output.n < LEAST_REFERENCE:
        return Look(nothing, (), f"{output.n} of {LEAST_REFERENCE} held-out rows in the reference")
    if subject == "class":
        if output.confusion is None:
            return Look(nothing, (), "the reference holds no predicted classes")
        known = np.append(output.confusion.sum(axis=1), 0)
        return Look(known, (*output.classes, OTHER), design=design)
    if output.bins is None:
        return Look(nothing, (), f"the reference holds no {subject} with two different values")
    if output.counts.sum() < LEAST_REFERENCE:
        return Look(nothing, (), f"{output.counts.sum()} of {LEAST_REFERENCE} held-out rows with a score")
    return Look(output.counts, output.bins.labels(), design=design)


def counted(view: View, output: Output, subject: str, places: Ints) -> Ints:
    """Rows of the window in each bin of the subject."""
    rows = view.rows
    if subject == "class":
        return class_counts(rows.prediction[places], rows.classes, output.classes)
    assert output.bins is not None
    values = rows.score if subject == "score" else rows.prediction
    return output.bins.counts(values[places])


def class_counts(codes: np.ndarray, live: tuple[str, ...], known: tuple[str, ...]) -> Ints:
    """Rows of each known class, then of all others; the live codes have names of their own."""
    place = np.array([known.index(name) if name in known else len(known) for name in live], np.int64)
    seen = codes[~np.isnan(codes)].astype(np.int64)
    return np.bincount(place[seen], minlength=len(known) + 1).astype(np.int64)


def absent(view: View, subject: str, places: Ints) -> bool:
    """Whether the newest rows hold nothing of this subject at all."""
    return subject == "score" and bool(np.isnan(view.rows.score[places]).all())
