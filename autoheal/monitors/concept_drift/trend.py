"""The trend of the champion's daily errors: a creep that no single window shows. Pure.

One point a day (UTC), the mean bounded loss of its matured rows. A breach needs a rise per week that matters, that
least squares and Mann-Kendall both call significant, and a last week that really is worse than the baseline's ceiling;
a slope alone fires nine days a year on a model that has nothing. It is no e-value, so it never goes beyond ``notify``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.champion import Matured, bounded_losses, ceiling
from autoheal.monitors.concept_drift.options import ConceptDriftOptions
from autoheal.monitors.contract import from_unix, verdict_of
from autoheal.monitors.reference import LossBaseline
from autoheal.monitors.rows import Floats
from autoheal.monitors.view import View
from autoheal.stats.trend import least_squares, mann_kendall, theil_sen

DAY = 86_400.0
WEEK_DAYS = 7


def judge(options: ConceptDriftOptions, view: View, loss: LossBaseline, rows: Matured) -> dict[str, Any]:
    """What to say about ``trend``."""
    day, mean = daily(rows.time, bounded_losses(view, rows.answers, loss), options)
    if len(day) < options.min_days:
        why = f"{len(day)} of {options.min_days} days with {options.min_rows_per_day} labelled rows or more"
        return {"verdict": Verdict.NOT_YET, "n": len(day), "detail": why}
    line, (score, kendall) = least_squares(day, mean), mann_kendall(mean)
    weekly = theil_sen(day, mean) * WEEK_DAYS
    limit = options.weekly_rise(view.task)
    rises = line.slope > 0 and score > 0 and max(line.p / 2, kendall / 2) <= options.trend_p
    last_week = float(mean[-WEEK_DAYS:].mean())
    worse = last_week > ceiling(loss, options.tolerated(view.task))
    effect = limit.effect(weekly, loss.mean)
    severity = Severity.WARNING if rises and worse and effect >= limit.value else Severity.NONE
    return {
        "verdict": verdict_of(severity),
        "severity": severity,
        "level": "" if severity is Severity.NONE else "notify",
        "value": weekly,
        "reference": 0.0,
        "effect": effect,
        "n": len(day),
        "started_at": None if severity is Severity.NONE else from_unix(float(day[0]) * DAY),
        "detail": f"daily loss {weekly:+.3g} a week over {len(day)} days, {last_week:.3g} in the last"
        f" vs {loss.mean:.3g} at training",
    }


def daily(time: Floats, losses: Floats, options: ConceptDriftOptions) -> tuple[Floats, Floats]:
    """Day numbers and mean losses of the newest ``trend_days`` days that have enough rows."""
    if not len(time):
        return np.empty(0), np.empty(0)
    number = np.floor(time / DAY)
    days, place, count = np.unique(number, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=losses) / count
    kept = (count >= options.min_rows_per_day) & (days > days[-1] - options.trend_days)
    return days[kept], means[kept]
