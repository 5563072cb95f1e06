"""What a metric usually is: its recent level, and its habit at this time of the day and week. Pure.

The habit of a row is the median of the values at the same clock time (and one row to either side) on the same weekday of
up to four earlier weeks, once there are two; until then of the last seven days and those weekdays, once there are three.
Only the past enters. Gaps stay gaps. Series whose rows are further than a day apart, or that have no time, have no habit.

Values (n,), NaN = missing; ``slots`` (n,) = number of the row on the even grid of its step, ascending.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY = 86400.0
DAYS = (1, 2, 3, 4, 5, 6, 7, 14, 21, 28)
WEEKS = (7, 14, 21, 28)
CHUNK = 50_000


def filled(values: Floats) -> Floats:
    """Each gap takes the last known value; a gap at the beginning stays one."""
    at = np.where(np.isnan(values), 0, np.arange(len(values)))
    return np.asarray(values[np.maximum.accumulate(at)], dtype=np.float64)


def recent_median(values: Floats, rows: int) -> Floats:
    """Median of up to ``rows`` values before each; NaN before the first."""
    n = len(values)
    found = np.full(n, np.nan)
    for i in range(1, min(rows, n)):
        found[i] = np.median(values[:i])
    if n > rows:
        before = sliding_window_view(values, rows)[:-1]
        for start in range(0, len(before), CHUNK):
            part = before[start : start + CHUNK]
            found[rows + start : rows + start + len(part)] = np.median(part, axis=1)
    return found


def recent_mean(values: Floats, rows: int) -> Floats:
    """Mean of the last ``rows`` values up to and with each."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(values) + 1)
    begin = np.maximum(end - rows, 0)
    return np.asarray((sums[end] - sums[begin]) / (end - begin), dtype=np.float64)


def habit(values: Floats, slots: Ints, step: float) -> Floats:
    """The usual value at each row's time of week or day, (n,); NaN where there is no habit yet."""
    if not 0.0 < step <= DAY or len(values) == 0:
        return np.full(len(values), np.nan)
    a_day = max(round(DAY / step), 1)
    weekly = _median_at(values, slots, a_day, WEEKS, least=2)
    if a_day < 2:
        return weekly
    daily = _median_at(values, slots, a_day, DAYS, least=3)
    return np.where(np.isnan(weekly), daily, weekly)


def _median_at(values: Floats, slots: Ints, a_day: int, days: tuple[int, ...], least: int) -> Floats:
    """Median over the given days ago, one row to either side."""
    around = (-1, 0, 1) if a_day >= 24 else (0,)
    lags = np.array([day * a_day + off for day in days for off in around])
    usual = np.full(len(values), np.nan)
    for start in range(0, len(values), CHUNK):
        wanted = slots[start : start + CHUNK, None] - lags[None, :]
        at = np.minimum(np.searchsorted(slots, wanted), len(slots) - 1)
        seen = np.where(slots[at] == wanted, values[at], np.nan)
        enough = (~np.isnan(seen)).sum(axis=1) >= least * len(around)
        if enough.any():
            usual[start : start + CHUNK][enough] = np.nanmedian(seen[enough], axis=1)
    return usual
