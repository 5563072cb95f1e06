"""The rows that say how good the champion is: matured, answered by itself since it became champion. Pure.

Shared by ``performance`` and ``concept_drift``. Answers of a stand-in, of earlier versions, and failed ones never
count; rows with broken inputs count only when asked for. What is left is put in the order of prediction time, not of
label arrival, since labels of one kind of outcome often come faster.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from autoheal.domain.names import Task, Verdict
from autoheal.monitors.contract import from_unix, plain
from autoheal.monitors.freshness import freshness
from autoheal.monitors.reference import LossBaseline
from autoheal.monitors.rows import PRESENT, Bools, Chosen, Floats, Ints
from autoheal.monitors.scores import Answers
from autoheal.monitors.view import View
from autoheal.stats.changepoint import start_of
from autoheal.stats.eprocess import log_e_losses
from autoheal.stats.intervals import null_rate

#: A column that was missing in no more than this share of the training data is broken where it is missing live.
RARELY_MISSING = 0.01
#: How far back the beginning of a symptom is looked for.
ONSET_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Matured:
    """The champion's matured rows in the order of time; ``broken`` rows were left out of them. ``places`` are their
    positions in the view's rows."""

    time: Floats
    counts_from: Floats
    answers: Answers
    broken: int = 0
    places: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.time)

    def take(self, chosen: Chosen) -> Matured:
        a = self.answers
        answers = Answers(a.prediction[chosen], a.label[chosen], a.score[chosen], a.positive)
        places = self.places[chosen] if len(self.places) else self.places
        return Matured(self.time[chosen], self.counts_from[chosen], answers, self.broken, places)


def matured(view: View, *, count_broken: bool) -> Matured:
    """All of them that are held in memory."""
    rows = view.rows
    counts_from = view.matured_at()
    mask = view.served() & (counts_from <= view.as_of) & ~np.isnan(rows.label)
    broken = np.zeros(len(rows), np.bool_) if count_broken else broken_inputs(view)
    left_out = int(np.count_nonzero(mask & broken))
    places = np.flatnonzero(mask & ~broken)
    places = places[np.argsort(rows.time[places], kind="stable")]
    name = view.reference.positive if view.reference else ""
    positive = rows.classes.index(name) if name in rows.classes else -1
    answers = Answers(rows.prediction[places], rows.label[places], rows.score[places], positive)
    return Matured(rows.time[places], counts_from[places], answers, left_out, places)


def broken_inputs(view: View) -> Bools:
    """Rows in which a column is unusable that (almost) never was so in training."""
    broken = np.zeros(len(view.rows), np.bool_)
    if view.reference is not None:
        for name, column in view.rows.features.items():
            known = view.reference.features.get(name)
            if known is not None and known.missing <= RARELY_MISSING:
                broken |= column.state != PRESENT
    return broken


def silence(view: View, stale_after: timedelta | None) -> tuple[Verdict, str] | None:
    """Why nothing can be said about the champion now (predictions, its own answers or labels stopped), or None."""
    rows = view.rows
    feed = freshness(rows.time, rows.arrived, view.as_of, stale_after)
    if feed is None:
        return Verdict.NOT_YET, "no prediction has arrived yet"
    if feed.late:
        return (
            Verdict.NO_DATA,
            f"no prediction for {plain(feed.silent)}, usual is one every {plain(feed.interval or 0)}",
        )
    own = view.served()
    mine = freshness(rows.time[own], rows.arrived[own], view.as_of, stale_after)
    if mine is not None and mine.late:
        return Verdict.NO_DATA, f"{view.champion} has not answered itself for {plain(mine.silent)}"
    has_label = np.isfinite(rows.labelled)
    labels = freshness(rows.time[has_label], rows.labelled[has_label], view.as_of, stale_after)
    if labels is not None and labels.late:
        return (
            Verdict.NO_DATA,
            f"no label for {plain(labels.silent)}, usual is one every {plain(labels.interval or 0)}",
        )
    return None


def bounded_losses(view: View, answers: Answers, loss: LossBaseline) -> Floats:
    """One loss in [0, 1] per row: wrong or not, or the absolute error as a share of the baseline's largest."""
    if view.task is Task.CLASSIFICATION:
        wrong: Floats = (answers.prediction != answers.label).astype(np.float64)
        return wrong
    absolute = np.abs(answers.prediction - answers.label)
    bounded: Floats = np.minimum(absolute, loss.scale) / loss.scale
    return bounded


def ceiling(loss: LossBaseline, tolerance: float, alpha: float = 0.05) -> float:
    """The highest mean loss that still passes for healthy; the baseline's true mean is above its upper limit with
    probability ``alpha``."""
    rows = max(loss.n / loss.alike, 1.0)
    return min(max(null_rate(loss.mean * rows, rows, tolerance=tolerance, alpha=alpha), 1e-4), 0.99)


def bets(view: View, answers: Answers, loss: LossBaseline, tolerance: float, alpha: float = 0.05) -> Floats:
    """Log e-values of each row against the ceiling, (n, 6).

    Where neighbours are alike, evidence is taken to the power 1/alike: still an e-value (Jensen), and a bad day does
    not count as twenty-four bad hours.
    """
    steps: Floats = (
        log_e_losses(ceiling(loss, tolerance, alpha), bounded_losses(view, answers, loss)) / loss.alike
    )
    return steps


@dataclass(frozen=True, slots=True)
class Began:
    """When a symptom is thought to have begun, and between which times it did so with 80 % (unix seconds)."""

    at: float
    low: float
    high: float

    def __str__(self) -> str:
        """In words for a finding's detail; nothing when nobody can say more than one moment."""
        if self.low >= self.high:
            return ""
        low, high = from_unix(self.low), from_unix(self.high)
        until = f"{high:%H:%M}" if low.date() == high.date() else f"{high:%Y-%m-%d %H:%M}"
        return f"; began {low:%Y-%m-%d %H:%M} to {until}"


def onset(view: View, rows: Matured, tolerance: float, baseline: LossBaseline | None = None) -> Began | None:
    """When the champion's answers are thought to have become worse than the ``baseline`` (none: the whole model's): the
    posterior that the evidence itself carries."""
    loss = baseline or (view.reference.loss if view.reference else None)
    if loss is None or not len(rows):
        return None
    recent = rows.take(slice(max(len(rows) - ONSET_ROWS, 0), None))
    start = start_of(bets(view, recent.answers, loss, tolerance))
    return Began(*(float(recent.time[i]) for i in (start.median, start.low, start.high)))
