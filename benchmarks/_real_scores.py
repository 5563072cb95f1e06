"""How alarms on the public series are scored: NAB's rule, incidents, and the Turing change-point measures. Pure.

Rows are 0-based; a window or incident is (first, last), both inside. Called by real_data.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Span = tuple[int, int]

#: Weights (FN, FP) of NAB's profiles; a true positive weighs 1.
PROFILES = {"standard": (1.0, 0.11), "low FP": (1.0, 0.22), "low FN": (2.0, 0.11)}
MARGIN = 5


def probation(rows: int) -> int:
    """The first rows of a NAB series, which are not scored."""
    return math.floor(0.15 * min(rows, 5000))


def _sigmoid(y: float) -> float:
    return 2.0 / (1.0 + math.exp(min(5.0 * y, 700.0))) - 1.0


def nab_raw(alarms: Iterable[int], windows: Sequence[Span], rows: int, profile: str) -> float:
    """NAB's raw score of one series (Lavin & Ahmad, "Evaluating real-time anomaly detection", 2015)."""
    fn, fp = PROFILES[profile]
    scored = sorted(a for a in alarms if a >= probation(rows))
    total = 0.0
    for first, last in windows:
        inside = [a for a in scored if first <= a <= last]
        if inside:
            y = -(last - inside[0] + 1) / (last - first + 1)
            total += _sigmoid(y) / _sigmoid(-1.0)
        else:
            total -= fn
    for alarm in scored:
        if any(first <= alarm <= last for first, last in windows):
            continue
        before = [w for w in windows if w[1] < alarm]
        total += fp * (_behind(alarm, before[-1]) if before else -1.0)
    return total


def _behind(alarm: int, window: Span) -> float:
    width = max(window[1] - window[0], 1)
    y = (alarm - window[1]) / width
    return -1.0 if y > 3.0 else _sigmoid(y)


def nab_score(raw: float, windows: int, profile: str) -> float:
    """From raw over a corpus to 0 (never an alarm) .. 100 (every window at its left edge, none outside)."""
    fn = PROFILES[profile][0]
    return 100.0 * (raw + fn * windows) / (windows * (1.0 + fn)) if windows else 0.0


@dataclass(frozen=True, slots=True)
class Incidents:
    """Counts over series: incidents, those found, alarms inside and outside, rows."""

    incidents: int = 0
    found: int = 0
    inside: int = 0
    outside: int = 0
    rows: int = 0

    def __add__(self, other: Incidents) -> Incidents:
        return Incidents(
            self.incidents + other.incidents,
            self.found + other.found,
            self.inside + other.inside,
            self.outside + other.outside,
            self.rows + other.rows,
        )

    @property
    def recall(self) -> float:
        return self.found / self.incidents if self.incidents else 1.0

    @property
    def f1(self) -> float:
        """Incidents found against incidents missed and alarms outside: alarms again in one incident count once."""
        return 2 * self.found / max(self.incidents + self.found + self.outside, 1)

    @property
    def false_per_1000(self) -> float:
        return 1000.0 * self.outside / max(self.rows, 1)


def incidents(alarms: Iterable[int], spans: Sequence[Span], rows: int, after: int = 0) -> Incidents:
    """One series. An alarm up to ``after`` rows behind an incident still belongs to it."""
    seen = list(alarms)
    hit = {i for a in seen for i, (first, last) in enumerate(spans) if first <= a <= last + after}
    inside = sum(any(first <= a <= last + after for first, last in spans) for a in seen)
    return Incidents(len(spans), len(hit), inside, len(seen) - inside, rows)


def spans(labels: Sequence[int]) -> list[Span]:
    """Runs of marked rows."""
    found: list[Span] = []
    for row, marked in enumerate(labels):
        if marked and found and found[-1][1] == row - 1:
            found[-1] = (found[-1][0], row)
        elif marked:
            found.append((row, row))
    return found


def cover(annotations: Sequence[Sequence[int]], changes: Iterable[int], rows: int) -> float:
    """Mean over annotators of how well the segments between changes cover theirs (van den Burg & Williams 2020)."""
    ours = _segments(changes, rows)
    total = 0.0
    for theirs in annotations:
        for a in _segments(theirs, rows):
            best = max(_jaccard(a, b) for b in ours)
            total += (a[1] - a[0]) * best / rows
    return total / len(annotations)


def _segments(changes: Iterable[int], rows: int) -> list[Span]:
    edges = [0, *sorted({c for c in changes if 0 < c < rows}), rows]
    return list(pairwise(edges))


def _jaccard(a: Span, b: Span) -> float:
    both = max(min(a[1], b[1]) - max(a[0], b[0]), 0)
    return both / (a[1] - a[0] + b[1] - b[0] - both)


def change_f1(annotations: Sequence[Sequence[int]], changes: Iterable[int], margin: int = MARGIN) -> float:
    """F1 with the start of the series as a change for all: precision against the union, recall a mean over annotators."""
    ours = {0, *changes}
    union = {0, *(c for theirs in annotations for c in theirs)}
    precision = len(_matched(union, ours, margin)) / len(ours)
    recall = sum(
        len(_matched({0, *theirs}, ours, margin)) / len({0, *theirs}) for theirs in annotations
    ) / len(annotations)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _matched(truth: set[int], ours: set[int], margin: int) -> list[int]:
    """Changes of the truth that have one of ours within the margin, each of ours used once."""
    left, found = set(ours), []
    for change in sorted(truth):
        near = [c for c in left if abs(c - change) <= margin]
        if near:
            left.remove(min(near, key=lambda c: abs(c - change)))
            found.append(change)
    return found
