"""Errors: the share of requests that failed, against a stated rate. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np

from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.contract import verdict_of
from autoheal.monitors.gauge import Gauge
from autoheal.monitors.serving.limits import ERRORS, SAMPLED
from autoheal.monitors.serving.options import ServingOptions
from autoheal.monitors.serving.recent import recent, samples
from autoheal.monitors.view import View


def judge(options: ServingOptions, gauge: Gauge, view: View, *, silent: bool) -> dict[str, Any]:
    """What to say about ``errors``."""
    places = recent(view, options.window)
    scraped = samples(view, "error_rate")
    if not silent and len(places) >= options.min_rows:
        failed = view.rows.failed[places]
        count, n = int(failed.sum()), len(places)
        level = gauge.level(ERRORS)
        said = _say(options, bad=bool(level), value=count / n, n=n)
        said |= {"level": level if said["verdict"] is Verdict.BREACH else ""}
        first = {"first": float(view.rows.time[places][np.argmax(failed)])} if count else {}
        own = said | {"evidence": max(gauge.evidence(ERRORS), -700.0)} | first
        # Requests that failed before a record was written show in the service's own counters only.
        if scraped is None or said["verdict"] is Verdict.BREACH:
            return own
    elif scraped is None:
        if silent and len(view.rows):
            return {"verdict": Verdict.NO_DATA, "detail": "no prediction and no error metric"}
        return {
            "verdict": Verdict.NOT_YET,
            "n": len(places),
            "detail": f"{len(places)} of {options.min_rows} rows",
        }
    level = gauge.level(SAMPLED[ERRORS])
    bad = bool(level) and bool((scraped > options.errors_warning).all())
    said = _say(options, bad=bad, value=float(np.median(scraped)), n=len(scraped))
    evidence = max(gauge.evidence(SAMPLED[ERRORS]), -700.0)
    return said | {"level": level if said["verdict"] is Verdict.BREACH else "", "evidence": evidence}


def _say(options: ServingOptions, *, bad: bool, value: float, n: int) -> dict[str, Any]:
    severity = Severity.NONE
    if bad and value > options.errors_warning:
        severity = Severity.CRITICAL if value >= options.errors_critical else Severity.WARNING
    return {
        "verdict": verdict_of(severity),
        "severity": severity,
        "value": value,
        "reference": options.errors_warning,
        "effect": max(value - options.errors_warning, 0.0),
        "n": n,
        "detail": f"{value:.1%} of requests failed, limit {options.errors_warning:.1%}, n={n}",
    }
