"""What is kept of many rows: counts on a grid, exact sums, confusion, scores, calibration. Pure.

``Summary`` is one bucket (a model version, a slice, a stretch of time) or any sum of buckets. Adding is exact: all
parts are whole numbers, smallest or largest values, so any split of the rows, in any order, gives the same summary.
That is why moments and losses are sums of whole units and not of floats, which would depend on the order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from autoheal.monitors.rows import Floats, Rows
from autoheal.stats.ddsketch import DDSketch
from autoheal.telemetry.class_scores import ClassScores
from autoheal.telemetry.counting import LookedUp, sorted_out
from autoheal.telemetry.grid import Cells, FeatureGrid, Layout

#: Equal bins of [0, 1] of scores.
SCORES = 20
#: Relative error of quantiles of the latency.
LATENCY_ACCURACY = 0.02
#: Errors of numbers count as this at most: the squares of larger ones have no place among floats.
WORST = 1e100
#: Rows of a group from which on its columns are sorted.
SORTED = 64


@dataclass(slots=True, eq=False)
class Answers:
    """Of the answers: ``tally`` of rows, failed, fallback; ``scores`` (20 bins); ``latency`` in milliseconds. Of the
    labelled ones that the version answered itself: ``confusion`` of (truth, said), ``errors`` in whole units: n, sum,
    absolute, squares; ``scored`` are those with a score, by true class."""

    tally: Counter[str] = field(default_factory=Counter)
    scores: Cells = field(default_factory=lambda: np.zeros(SCORES, np.int64))
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    scored: dict[str, ClassScores] = field(default_factory=dict)
    latency: DDSketch = field(default_factory=lambda: DDSketch(LATENCY_ACCURACY))

    def add(self, other: Answers) -> None:
        self.tally.update(other.tally)
        self.scores += other.scores
        for (truth, said), n in other.confusion.items():
            self._confuse(truth, said, n)
        self.errors = [a + b for a, b in zip(self.errors, other.errors, strict=True)]
        for name, scores in other.scored.items():
            self._scored(name).add(scores)
        self.scored = {name: scores for name, scores in self.scored.items() if not scores.blank}
        self.latency = self.latency.merge(other.latency)

    def judge(self, label: Judged, layout: Layout, times: int = 1) -> None:
        """Count one labelled answer; ``times=-1`` takes it back, when its label is corrected."""
        if isinstance(label.truth, str):
            self._confuse(label.truth, str(label.said), times)
            if label.score is not None:
                scores = self._scored(label.truth)
                scores.count(label.score, times)
                if scores.blank:
                    del self.scored[label.truth]
        elif layout.error_unit:
            off = min(max(float(label.said) - label.truth, -WORST), WORST)
            error = round(off / layout.error_unit)
            made = (1, error, abs(error), error * error)
            self.errors = [a + times * b for a, b in zip(self.errors, made, strict=True)]

    def _scored(self, name: str) -> ClassScores:
        return self.scored.setdefault(name, ClassScores())

    def _confuse(self, truth: str, said: str, n: int) -> None:
        self.confusion[truth, said] += n
        if not self.confusion[truth, said]:
            del self.confusion[truth, said]


@dataclass(frozen=True, slots=True)
class Judged:
    """One answer beside its truth: classes by name, or numbers."""

    truth: str | float
    said: str | float
    score: float | None = None


@dataclass(slots=True, eq=False)
class Summary:
    """``counts`` on the layout's cells; per feature ``sums`` (features, 2) of whole units and their squares over the
    usable numbers, ``low`` and ``high`` of them (inf, -inf where there is none); and the ``answers``."""

    layout: Layout
    rows: int
    counts: Cells
    sums: Cells
    low: Floats
    high: Floats
    answers: Answers

    def add(self, other: Summary) -> None:
        """Take in another one; ValueError when it was counted on another grid."""
        if other.layout.digest != self.layout.digest:
            raise ValueError("summaries on different grids cannot be added")
        self.rows += other.rows
        self.counts += other.counts
        self.sums += other.sums
        np.minimum(self.low, other.low, out=self.low)
        np.maximum(self.high, other.high, out=self.high)
        self.answers.add(other.answers)

    def feature(self, name: str) -> FeatureSummary:
        """One feature's part; KeyError when the model has none of that name."""
        grid, part = self.layout.part(name)
        place = self.layout.features.index(grid)
        return FeatureSummary(
            grid, self.counts[part], self.sums[place], float(self.low[place]), float(self.high[place])
        )


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSummary:
    """One feature of a summary, with what people ask of it."""

    grid: FeatureGrid
    counts: Cells
    sums: Cells
    low: float
    high: float

    @property
    def present(self) -> int:
        return int(self.counts[:-3].sum())

    @property
    def missing(self) -> int:
        """Rows without a usable value: null, absent, or of a wrong type."""
        return int(self.counts[-3:].sum())

    @property
    def out_of_range(self) -> int:
        """Numbers outside the reference's range, levels that the reference does not name."""
        if self.grid.kind == "levels":
            return int(self.counts[-4])
        return int(self.counts[0] + self.counts[-4])

    @property
    def mean(self) -> float | None:
        """Within half a unit (2^-17 of the reference's span) of the exact one; values
        beyond 16 spans count as if they were there. None without a number, or without a reference."""
        if not self.grid.bounded or not self.present:
            return None
        return self.grid.middle + self.grid.unit * int(self.sums[0]) / self.present

    @property
    def variance(self) -> float | None:
        """Of the population, in the feature's unit squared."""
        if not self.grid.bounded or not self.present:
            return None
        n, first, second = self.present, int(self.sums[0]), int(self.sums[1])
        return self.grid.unit**2 * (n * second - first * first) / n**2


def empty(layout: Layout) -> Summary:
    """Of no rows: adding it changes nothing."""
    features = len(layout.features)
    return Summary(
        layout,
        0,
        np.zeros(layout.size, np.int64),
        np.zeros((features, 2), np.int64),
        np.full(features, np.inf),
        np.full(features, -np.inf),
        Answers(),
    )


def summarise(layout: Layout, rows: Rows, groups: Cells | None = None, number: int = 1) -> list[Summary]:
    """A summary per group; ``groups`` gives the group 0..number-1 of each row (all rows are one, when None).

    Labels do not enter here: they come later, one by one, through ``Answers.judge``.
    """
    places = np.zeros(len(rows), np.int64) if groups is None else groups
    found = [empty(layout) for _ in range(number)]
    order = np.argsort(places, kind="stable") if number > 1 else places
    starts = np.searchsorted(places[order], np.arange(number + 1)) if number > 1 else np.array([0, len(rows)])
    # Sorting a column beats looking up each row, unless the groups are tiny.
    tiny = LookedUp(layout, rows) if len(rows) < SORTED * number else None
    for group, summary in enumerate(found):
        chosen = slice(None) if number == 1 else order[starts[group] : starts[group + 1]]
        summary.rows = int(starts[group + 1] - starts[group])
        _answered(summary.answers, rows, chosen)
        counted = (
            sorted_out(layout, rows.features, summary.rows, chosen) if tiny is None else tiny.count(chosen)
        )
        summary.counts, summary.sums, summary.low, summary.high = counted
    return found


def total(layout: Layout, summaries: Iterable[Summary]) -> Summary:
    """The sum of summaries on one grid."""
    whole = empty(layout)
    for summary in summaries:
        whole.add(summary)
    return whole


def feature_total(grid: FeatureGrid, summaries: Iterable[Summary]) -> FeatureSummary | None:
    """One feature over all summaries that were counted on this grid of it, whatever their other grids; None without rows."""
    parts = []
    for one in summaries:
        known = [f for f in one.layout.features if f.name == grid.name]
        if known == [grid]:
            parts.append(one.feature(grid.name))
    if not any(part.present + part.missing for part in parts):
        return None
    return FeatureSummary(
        grid,
        np.sum([part.counts for part in parts], axis=0),
        np.sum([part.sums for part in parts], axis=0),
        min(part.low for part in parts),
        max(part.high for part in parts),
    )


def _answered(answers: Answers, rows: Rows, chosen: Cells | slice) -> None:
    failed, fallback, score = rows.failed[chosen], rows.fallback[chosen], rows.score[chosen]
    made = {"rows": len(failed), "failed": int(failed.sum()), "fallback": int(fallback.sum())}
    answers.tally.update({name: n for name, n in made.items() if n})
    scored = score[np.isfinite(score)]
    if len(scored):
        bins = np.minimum((scored * SCORES).astype(np.int64), SCORES - 1)
        answers.scores += np.bincount(bins, minlength=SCORES)
    latency = rows.latency[chosen]
    timed = latency[np.isfinite(latency)]
    if len(timed):
        answers.latency = answers.latency.update(timed)
