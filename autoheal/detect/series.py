"""One metric over time: spikes, bursts and steps against its recent level and its habit, on one alarm clock. Pure.

Three looks share the false-alarm budget. *Spike*: one row against the nearer of its recent level and its habit, since
half of all incidents are one to three rows long. *Burst*: the mean of six rows against the 48 before. *Step*: the level of
two-hour blocks (or rows, where there is no day to know), less the habit, by ``step``. Spike and burst give p-values by
``stats.surprise``; all their share is bet on the p-value that alone reaches the threshold, so at ``share x row / T`` false alarms a
row the fleet's promise holds: at most one in T days as far as the fitted tails are true. A row counts for its step, at least
a minute and at most an hour: a yearly metric cannot be watched by the fortnight. After an alarm the metric is left alone
for half a day, and for a week the threshold grows with the root of how often it was reached. The surprising part: without
times a row counts as an hour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoheal.detect import baseline
from autoheal.detect.step import LEAST_BEFORE, steps
from autoheal.stats.alarm_clock import T_ACT, T_NOTIFY
from autoheal.stats.surprise import surprises

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHARE_SPIKE, SHARE_BURST, SHARE_STEP = 0.5, 0.17, 0.33
LEVEL_ROWS = 12
BURST_ROWS, BURST_BEFORE = 6, 48
BLOCK = 7200.0
HOLD_DAYS = 0.5
SPENT_DAYS = 7.0
MINUTE, HOUR = 60.0, 3600.0
LEAST_ROWS = 30


@dataclass(frozen=True, slots=True)
class Alarm:
    """``effect``: size in units of the usual deviation; ``log_m``: log days of the clock at this row."""

    row: int
    start: int
    look: str
    effect: float
    log_m: float


@dataclass(frozen=True, slots=True)
class Grid:
    """How rows lie in time: seconds from row to row (0: unknown), and the number of each on an even grid."""

    step: float
    slots: Ints

    @property
    def row_days(self) -> float:
        """What one row takes from the budget."""
        return (min(max(self.step, MINUTE), HOUR) if self.step > 0 else HOUR) / baseline.DAY

    @property
    def days(self) -> float:
        return float(self.slots[-1]) * self.step / baseline.DAY if len(self.slots) else 0.0


def grid_of(times: Floats | None, rows: int) -> Grid:
    """The grid of ascending unix seconds; without them, or when all are the same, rows are just numbered."""
    if times is not None and rows > 1:
        moves = np.diff(times)
        moves = moves[moves > 0]
        if len(moves):
            step = float(np.median(moves[: baseline.CHUNK]))
            return Grid(step, np.round((times - times[0]) / step).astype(np.int64))
    return Grid(0.0, np.arange(rows, dtype=np.int64))


def watch(values: Floats, times: Floats | None) -> list[Alarm]:
    """All alarms of one metric, rows in time order; values finite or NaN."""
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < LEAST_ROWS:
        return []
    first = int(known[0])
    # Exact, and squares of huge or tiny numbers stay numbers: nothing below knows the unit.
    values = np.ldexp(values, -int(np.frexp(np.nanmax(np.abs(values)))[1]))
    x = baseline.filled(values[first:])
    grid = grid_of(None if times is None else times[first:], len(x))
    usual = baseline.habit(values[first:], grid.slots, grid.step)
    found = _looks(x, usual, grid) + _steps(x, usual, grid)
    hold, week = max(round(HOLD_DAYS / grid.row_days), 3), round(SPENT_DAYS / grid.row_days)
    return [
        Alarm(a.row + first, a.start + first, a.look, a.effect, a.log_m)
        for a in one_an_episode(found, hold, week)
    ]


def _looks(x: Floats, usual: Floats, grid: Grid) -> list[Alarm]:
    floors = _resolution(x)
    level = x - baseline.recent_median(x, LEVEL_ROWS)
    habitual = x - usual
    nearer = np.abs(habitual) < np.abs(level)  # NaN is never nearer
    spike = np.abs(np.where(nearer, habitual, level))
    before = np.full(len(x), np.nan)
    before[BURST_ROWS - 1 :] = baseline.recent_median(x, BURST_BEFORE)[: len(x) - BURST_ROWS + 1]
    burst = np.abs(baseline.recent_mean(x, BURST_ROWS) - before)
    log_spike = _by_habit(surprises, spike, floors, habitual) + math.log(SHARE_SPIKE * grid.row_days)
    # Means of six rows overlap: six rows are one look.
    log_burst = surprises(burst, floors) + math.log(SHARE_BURST * BURST_ROWS * grid.row_days)
    total = np.logaddexp(log_spike, log_burst)
    scale = _by_habit(_usual_size, spike, floors, habitual)
    found = []
    for row in np.flatnonzero(total >= math.log(T_NOTIFY)).tolist():
        sudden = log_spike[row] >= log_burst[row]
        size, start = (spike[row], row) if sudden else (burst[row], max(row - BURST_ROWS + 1, 0))
        effect = float(size / scale[row]) if scale[row] > 0 else 0.0
        found.append(Alarm(row, start, "spike" if sudden else "burst", effect, float(total[row])))
    return found


def _by_habit(
    judge: Callable[[Floats, Floats], Floats], sizes: Floats, floors: Floats, habitual: Floats
) -> Floats:
    """Rows with a habit among their own kind: the mornings of the first days say nothing about them."""
    found = np.zeros(len(sizes))
    for rows in (np.flatnonzero(np.isnan(habitual)), np.flatnonzero(~np.isnan(habitual))):
        found[rows] = judge(sizes[rows], floors[rows])
    return found


def _steps(x: Floats, usual: Floats, grid: Grid) -> list[Alarm]:
    has_days = 0.0 < grid.step < baseline.DAY / 2 and grid.days >= 3.0
    y, origin = x, 0
    if has_days:
        # Before there is a habit, every morning is a step.
        with_habit = np.flatnonzero(~np.isnan(usual))
        if not len(with_habit):
            return []
        origin = int(with_habit[0])
        y = baseline.filled((x - usual)[origin:])
    rows = max(round(BLOCK / grid.step), 1) if has_days else 1
    blocks = len(y) // rows
    if blocks < LEAST_BEFORE:
        return []
    level = np.median(y[: blocks * rows].reshape(blocks, rows), axis=1)
    threshold = T_NOTIFY / SHARE_STEP
    return [
        Alarm(
            origin + (s.row + 1) * rows - 1,
            origin + s.start * rows,
            "step",
            s.size,
            s.log_m + math.log(SHARE_STEP),
        )
        for s in steps(level, grid.row_days * rows, threshold)
    ]


def one_an_episode(found: Sequence[Alarm], hold: int, week: int) -> list[Alarm]:
    """The first alarm of each half day; one that began before the last was raised is the same trouble.

    Each alarm of the last week makes the next one dearer. A metric that alarms more often than the budget allows is
    either in trouble, which shows, or has heavier tails than were fitted, and then the budget has to hold all the same.
    """
    kept: list[Alarm] = []
    for alarm in sorted(found, key=lambda a: (a.row, a.look == "step")):
        last = kept[-1] if kept else None
        if last is not None and (alarm.row - last.row <= hold or alarm.start <= last.row):
            continue
        lately = sum(alarm.row - one.row <= week for one in kept[-week:])
        if alarm.log_m >= math.log(T_NOTIFY) + math.log1p(lately) / 2:
            kept.append(alarm)
    return kept


def _resolution(x: Floats, every: int = 200, back: int = 1000) -> Floats:
    """The smallest usual difference between two values seen so far: no metric can surprise by less than one count."""
    floors = np.zeros(len(x))
    for start in range(0, len(x), every):
        seen = np.unique(x[max(start - back, 0) : max(start, min(LEAST_ROWS, len(x)))])
        gaps = np.diff(seen)
        floors[start : start + every] = float(np.quantile(gaps, 0.05)) if len(gaps) else 0.0
    return np.maximum(floors, 1e-9 * np.abs(x))


def _usual_size(sizes: Floats, floors: Floats, every: int = 200, back: int = 1000) -> Floats:
    """The 98% quantile of the sizes so far, to express an effect in."""
    usual = np.zeros(len(sizes))
    for start in range(0, len(sizes), every):
        past = sizes[max(start - back, 0) : max(start, LEAST_ROWS)]
        past = past[~np.isnan(past)]
        usual[start : start + every] = float(np.quantile(past, 0.98)) if len(past) else 0.0
    return np.maximum(usual, floors)


def is_act(log_m: float) -> bool:
    """Whether the clock has reached the stricter threshold."""
    return log_m >= math.log(T_ACT)
