"""Absence: nobody asks, or nobody tells. The one subject that breaches on silence. Pure.

A feed that comes as regularly as a clock is absent after three of its intervals; one that does not, after ten times the
gap that only one in twenty exceeds, as in ``freshness``. Where no row ever came, scraped samples of any metric count.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.contract import plain, verdict_of
from autoheal.monitors.freshness import LEAST, MEMORY, Freshness, freshness
from autoheal.monitors.rows import Floats
from autoheal.monitors.serving.options import ServingOptions
from autoheal.monitors.view import View

#: Expected intervals after which a regular feed is absent, what regular means, and how many arrivals must show it.
EXPECTED = 3.0
REGULAR = 1.5
LEAST_ARRIVALS = 20


def judge(options: ServingOptions, view: View) -> dict[str, Any]:
    """What to say about ``absent``."""
    what, time, arrived = _feed(view)
    asked = options.absent_after or options.stale_after
    fresh = freshness(time, arrived, view.as_of, asked)
    if fresh is None:
        return {"verdict": Verdict.NOT_YET, "detail": "no prediction has arrived yet"}
    fresh = _sooner(fresh, arrived, asked)
    usual = "" if fresh.interval is None else f", usual is one every {plain(fresh.interval)}"
    severity = Severity.CRITICAL if fresh.late else Severity.NONE
    return {
        "verdict": verdict_of(severity),
        "severity": severity,
        "value": fresh.silent,
        "reference": fresh.limit,
        "effect": max(fresh.silent / fresh.limit - 1.0, 0.0),
        "n": len(time),
        "first": float(arrived.max()),
        "detail": f"last {what} {plain(fresh.silent)} ago{usual}",
    }


def _feed(view: View) -> tuple[str, Floats, Floats]:
    """What is expected to come: its name, data times and arrivals."""
    if len(view.rows) or not view.metrics:
        return "prediction", view.rows.time, view.rows.arrived
    newest = max(view.metrics.values(), key=lambda s: float(s.time.max()) if len(s.time) else -np.inf)
    time = newest.time[np.isfinite(newest.time)]
    return "sample", time, time


def _sooner(fresh: Freshness, arrived: Floats, asked: timedelta | None) -> Freshness:
    """Three intervals for a feed that has shown how regular it is."""
    gaps = np.diff(np.unique(arrived[-MEMORY:]))
    if asked is not None or len(gaps) < LEAST_ARRIVALS:
        return fresh
    usual, long = float(np.median(gaps)), float(np.quantile(gaps, 0.95))
    if usual <= 0.0 or long > REGULAR * usual:
        return fresh
    return Freshness(fresh.silent, min(fresh.limit, max(EXPECTED * long, LEAST)), fresh.interval)
