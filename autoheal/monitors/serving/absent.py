"""Absence: nobody asks, or nobody tells. The one subject that breaches on silence. Pure.

A feed that comes as regularly as a clock is absent after three of its intervals; one that does not, after ten times the
gap that only one in twenty exceeds, as in ``freshness``. Where no row ever came, scraped samples of any metric count.
The surprising part: nights and weekends are silent too. So silence is also measured by the requests that usually come at
such hours (the habit of ``traffic``), and must be longer in these than any gap in memory. Before a week is known it must be
longer than those gaps by the clock, and nobody acts on it, unless the feed is regular.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.contract import plain, verdict_of
from autoheal.monitors.freshness import LEAST, MEMORY, Freshness, freshness
from autoheal.monitors.gauge import Level
from autoheal.monitors.rows import Floats
from autoheal.monitors.serving.habit import Habit, week_hour
from autoheal.monitors.serving.local import shift
from autoheal.monitors.serving.observed import HOUR
from autoheal.monitors.serving.options import ServingOptions
from autoheal.monitors.serving.usual import usual_of
from autoheal.monitors.view import View

#: Expected intervals after which a regular feed is absent, what regular means, and how many arrivals must show it.
EXPECTED = 3.0
REGULAR = 1.5
LEAST_ARRIVALS = 20
#: Requests that must be missing, and how many times as long as any gap before a silence must be.
MISSING = 10.0
LONGER = 1.5
#: So many of the longest gaps may have been outages.
OUTAGES = 2
#: Hours of a week, after which its nights are known; seconds of the past whose gaps are looked at.
WEEK, PAST = 168, 15 * 86_400.0


def judge(options: ServingOptions, view: View, habit: Habit | None = None) -> dict[str, Any]:
    """What to say about ``absent``; ``habit`` is that of ``traffic``."""
    what, time, arrived = _feed(view)
    asked = options.absent_after or options.stale_after
    fresh = freshness(time, arrived, view.as_of, asked)
    if fresh is None:
        return {"verdict": Verdict.NOT_YET, "detail": "no prediction has arrived yet"}
    sooner = _sooner(fresh, arrived, asked)
    usual = "" if fresh.interval is None else f", usual is one every {plain(fresh.interval)}"
    severity, level = Severity.CRITICAL if sooner.late else Severity.NONE, ""
    if asked is None and fresh.silent > LEAST:
        silence = _Silence(options, np.unique(arrived), view.as_of, habit or Habit())
        if sooner.late or _prompt(time, arrived):
            severity, level = silence.judged(late=sooner.late, regular=sooner is not fresh)
        usual = ", as is usual at such a time" if sooner.late and severity is Severity.NONE else usual
    return {
        "verdict": verdict_of(severity),
        "severity": severity,
        "level": level,
        "value": fresh.silent,
        "reference": sooner.limit,
        "effect": max(fresh.silent / sooner.limit - 1.0, 0.0),
        "n": len(time),
        "first": float(arrived.max()),
        "detail": f"last {what} {plain(fresh.silent)} ago{usual}",
    }


@dataclass(frozen=True, slots=True)
class _Silence:
    """Since the last of ``arrivals`` (ascending) until ``now``."""

    options: ServingOptions
    arrivals: Floats
    now: float
    habit: Habit

    def judged(self, *, late: bool, regular: bool) -> tuple[Severity, Level]:
        """How bad it is, and how far the evidence goes. ``late``: by the clock."""
        if self.habit.span < WEEK:
            longest = float(np.diff(self.arrivals).max(initial=0.0))
            if not late or self.now - self.arrivals[-1] <= LONGER * longest:
                return Severity.NONE, ""
            return (Severity.CRITICAL, "") if regular else (Severity.WARNING, "notify")
        # What usually comes says it alone when that much is missing that no clock is needed.
        least, longer = (MISSING, LONGER) if late else (3.0 * MISSING, 2.0 * LONGER)
        missing = float(self._expected(self.arrivals[-1:])[0])
        if missing < least:
            return Severity.NONE, ""
        upto = self._expected(self.arrivals[self.arrivals >= self.now - PAST])
        gaps = np.sort(-np.diff(upto))[-OUTAGES - 1 :]
        return (Severity.CRITICAL, "") if missing > longer * gaps.min(initial=np.inf) else (Severity.NONE, "")

    def _expected(self, times: Floats) -> Floats:
        """Requests that usually come between each of these times (ascending) and now."""
        if not len(times):
            return times
        usual, seen = usual_of(self.options, self.habit), self.habit.seen
        hours = np.arange(int(times[0] // HOUR), int(self.now // HOUR) + 2)
        zone = self.options.zone
        rates = np.array(
            [
                (usual(hour) or 0.0) if seen[week_hour(hour + shift(zone, hour))] else 0.0
                for hour in hours[:-1].tolist()
            ]
        )
        upto = np.concatenate([[0.0], np.cumsum(rates * HOUR)])
        until = np.interp(self.now, hours * HOUR, upto)
        return np.asarray(until - np.interp(times, hours * HOUR, upto))


def _feed(view: View) -> tuple[str, Floats, Floats]:
    """What is expected to come: its name, data times and arrivals."""
    if len(view.rows) or not view.metrics:
        return "prediction", view.rows.time, view.rows.arrived
    newest = max(view.metrics.values(), key=lambda s: float(s.time.max()) if len(s.time) else -np.inf)
    time = newest.time[np.isfinite(newest.time)]
    return "sample", time, time


def _prompt(time: Floats, arrived: Floats) -> bool:
    """Whether what comes is of now, so that the hour at which it usually happens is that at which it comes."""
    return float(np.median(arrived[-MEMORY:] - time[-MEMORY:])) < HOUR


def _sooner(fresh: Freshness, arrived: Floats, asked: timedelta | None) -> Freshness:
    """Three intervals for a feed that has shown how regular it is."""
    gaps = np.diff(np.unique(arrived[-MEMORY:]))
    if asked is not None or len(gaps) < LEAST_ARRIVALS:
        return fresh
    usual, long = float(np.median(gaps)), float(np.quantile(gaps, 0.95))
    if usual <= 0.0 or long > REGULAR * usual:
        return fresh
    return Freshness(fresh.silent, min(fresh.limit, max(EXPECTED * long, LEAST)), fresh.interval)
