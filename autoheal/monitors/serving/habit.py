"""Hours beside the same hour of the week: is the metric what it usually is on a Tuesday at 14:00? Pure.

Habit = median of the last eight weeks (three at least; else the same hour of weekdays or weekend days). The log ratio to
it, freed of what the hour before already said, is ranked among the last 672 hours, and the ranks bet on the monitor's
alarm clock (``stats.seasonal``). Hours are numbered in UTC and stand in the table by local time. What surprises: hours during an alarm are kept out of the habit, and when
an alarm has lasted a week the habit is forgotten and learned anew, since what lasts a week is the new habit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autoheal.monitors.rows import Bools, Floats
from autoheal.stats import seasonal

#: Hours kept of the table, of the residuals, residuals without which a rank says nothing, hours until a new habit.
TABLE, RESIDUALS, LEAST_RESIDUALS, FORGET = seasonal.WEEKS * seasonal.HOURS, seasonal.HISTORY, 168, 168
#: Unix hour 0 was a Thursday; the table begins on a Monday.
THURSDAY = 72
#: Stands for "not known" in the table, where no value is negative.
UNKNOWN = -1.0
#: Digits that are kept, which is what a state file pays for.
DIGITS = 6


@dataclass(frozen=True, slots=True)
class Habit:
    """Eight weeks by the hour as a ring, and the newest residuals in nats (None: unknown), oldest first.

    ``hour`` is the newest hour in it (since 1970), ``value`` and ``usual`` that hour's; ``excluded`` counts the hours
    in a row that an alarm kept out; ``shift`` is how far the clocks of ``zone`` were ahead of UTC in that hour.
    """

    hour: int | None = None
    table: tuple[float, ...] = ()
    residuals: tuple[float | None, ...] = ()
    value: float | None = None
    usual: float | None = None
    excluded: int = 0
    shift: int = 0
    zone: str = "UTC"

    @property
    def ready(self) -> bool:
        """Whether the newest hour could be judged."""
        return self.usual is not None and self.value is not None and self.known >= LEAST_RESIDUALS

    @property
    def known(self) -> int:
        return sum(r is not None for r in self.residuals)

    @property
    def days(self) -> float:
        """Hours of the table that are known, in days."""
        return sum(v != UNKNOWN for v in self.table) / 24.0

    @property
    def span(self) -> int:
        """Hours since the oldest that is known."""
        known = np.flatnonzero(np.array(self.table) != UNKNOWN)
        if self.hour is None or not len(known):
            return 0
        return int(((_place(self.hour + self.shift) - known) % TABLE).max())

    @property
    def seen(self) -> Bools:
        """Of each hour of the week, whether it ever had a value: (168,)."""
        table = np.array(self.table or (UNKNOWN,) * seasonal.HOURS).reshape(-1, seasonal.HOURS)
        seen: Bools = (table != UNKNOWN).any(axis=0)
        return seen

    @property
    def ratio(self) -> float | None:
        """The newest hour as a multiple of the usual."""
        if self.value is None or self.usual is None or self.usual <= 0.0:
            return None
        return self.value / self.usual


@dataclass(frozen=True, slots=True)
class Hour:
    """What one hour says: log e-values (6,) for "more" and "less" than usual, None where it says nothing."""

    more: Floats | None = None
    less: Floats | None = None


def entered(
    habit: Habit, hour: int, value: float, *, alarmed: bool, least: float, shift: int = 0
) -> tuple[Habit, Hour]:
    """The habit after one more hour, in order; NaN is a gap. ``least``: a usual value below it is no habit."""
    local = hour + shift
    table = _until(habit, local)
    usual = seasonal.usual_at(
        np.where(table == UNKNOWN, np.nan, table).reshape(-1, seasonal.HOURS), week_hour(local)
    )
    judged = not math.isnan(value) and usual >= least and usual > 0.0
    residual = float(seasonal.log_ratio(value, usual)) if judged else None
    before = habit.residuals if habit.hour is None or hour == habit.hour + 1 else _gap(habit.residuals)
    said = _said(before, residual) if residual is not None else Hour()
    if not alarmed and not math.isnan(value):
        table[_place(local)] = _short(value)
    residuals = _gap(before) if residual is None or alarmed else (*before, _short(residual))
    after = Habit(
        hour=hour,
        table=tuple(table.tolist()),
        residuals=residuals[-RESIDUALS:],
        value=None if math.isnan(value) else value,
        usual=usual if judged else None,
        excluded=habit.excluded + 1 if alarmed else 0,
        shift=shift,
        zone=habit.zone,
    )
    return after, said


def forgotten(habit: Habit, zone: str) -> Habit:
    """Learn anew from the next hour on, in this zone."""
    return Habit(hour=habit.hour, zone=zone)


def _said(before: tuple[float | None, ...], residual: float) -> Hour:
    series = np.array([math.nan if r is None else r for r in (*before, residual)])
    if (~np.isnan(series[:-1])).sum() < LEAST_RESIDUALS:
        return Hour()
    white = seasonal.whiten(series, seasonal.lag_one(series[:-1]))
    past, now = white[:-1], float(white[-1])
    return Hour(
        seasonal.log_e_rank(seasonal.rank_p(now, past)), seasonal.log_e_rank(seasonal.rank_p(-now, -past))
    )


def _gap(residuals: tuple[float | None, ...]) -> tuple[float | None, ...]:
    """With a mark that the next hour does not follow the last one; one mark for a gap of any length."""
    return residuals if not residuals or residuals[-1] is None else (*residuals, None)


def _until(habit: Habit, local: int) -> Floats:
    """The table with the hours in between as gaps; clocks that go back give an hour twice, and the later one stands."""
    if not habit.table or habit.hour is None or local - habit.hour - habit.shift >= TABLE:
        return np.full(TABLE, UNKNOWN)
    table = np.array(habit.table)
    # The hour itself still holds its value of eight weeks ago.
    for skipped in range(habit.hour + habit.shift + 1, local):
        table[_place(skipped)] = UNKNOWN
    return table


def week_hour(local: int) -> int:
    """The hour of the week, from Monday 00:00."""
    return (local + THURSDAY) % seasonal.HOURS


def _place(local: int) -> int:
    return (local + THURSDAY) % TABLE


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
