"""Traffic: requests in the newest stretch of time against the same stretches before. Pure.

Stretches are a day by default, because a day against days knows no night. Until seven earlier ones are held in memory
(they never are for a very busy model, whose scraped ``requests_per_s`` then belongs on a dashboard) it says not_yet.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.contract import plain, verdict_of
from autoheal.monitors.serving.options import ServingOptions
from autoheal.monitors.view import View

DAY, WEEK = 86_400.0, 7 * 86_400.0
#: Earlier stretches that make a habit, and the rows that a usual one must have.
STRETCHES = 7
#: A thousand to one at a single look. Looks overlap, so this never goes beyond ``notify``; a habit may.
EVIDENCE = math.log(1000.0)
USUAL_ROWS = 20


def judge(options: ServingOptions, view: View) -> dict[str, Any]:
    """What to say about ``traffic``."""
    span = DAY if options.traffic_window is None else options.traffic_window.total_seconds()
    time = view.rows.time
    if not len(time):
        return {"verdict": Verdict.NOT_YET, "detail": "no prediction has arrived yet"}
    end = float(time.max())
    held = int((end - float(time.min())) // span)
    if held <= STRETCHES:
        return {
            "verdict": Verdict.NOT_YET,
            "n": len(time),
            "detail": f"{held} of {STRETCHES + 1} stretches of {plain(span)}",
        }
    back = np.floor((end - time) / span).astype(np.int64)
    counts = np.bincount(back[back <= 4 * STRETCHES], minlength=STRETCHES + 1)
    now, usual = int(counts[0]), float(np.median(counts[1 : min(held, 4 * STRETCHES + 1)]))
    if usual < USUAL_ROWS:
        return {
            "verdict": Verdict.NOT_YET,
            "n": now,
            "detail": f"only {usual:.0f} requests in a usual {plain(span)}",
        }
    ratio = now / usual
    # Likelihood ratio of two Poisson laws, for how sure one may be.
    evidence = (now * np.log(ratio) if now else 0.0) - (now - usual)
    odd = _odd(options, ratio) and evidence >= EVIDENCE
    week = WEEK / span
    if odd and week.is_integer() and week < len(counts):
        # A Sunday is like the Sunday before, if there was one.
        odd = _odd(options, now / max(int(counts[int(week)]), 1))
    severity = Severity.WARNING if odd else Severity.NONE
    return {
        "verdict": verdict_of(severity),
        "severity": severity,
        "level": "notify" if odd else "",
        "value": float(now),
        "reference": usual,
        "effect": abs(ratio - 1.0),
        "evidence": float(evidence),
        "n": now,
        "first": end - span,
        "detail": f"{now} requests in {plain(span)}, usual are {usual:.0f}",
    }


def _odd(options: ServingOptions, ratio: float) -> bool:
    return ratio < options.traffic_low or ratio > options.traffic_high
