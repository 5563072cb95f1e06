"""Latency: the 95th percentile against the version's own, or against a stated limit. Pure.

``limits`` gathers the evidence, since p95 above the limit means that more than 5 % of the answers are slower than it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.contract import verdict_of
from autoheal.monitors.gauge import Gauge
from autoheal.monitors.rows import Floats
from autoheal.monitors.serving.limits import LATENCY, SAMPLED, SLOW_SHARE, latency_limit
from autoheal.monitors.serving.options import ServingOptions
from autoheal.monitors.serving.recent import recent, samples
from autoheal.monitors.view import View


def judge(options: ServingOptions, gauge: Gauge, view: View, *, silent: bool) -> dict[str, Any]:
    """What to say about ``latency``."""
    baseline = view.reference.latency_p95_ms if view.reference else None
    limit = latency_limit(options, view)
    if limit is None:
        return {"verdict": Verdict.NOT_YET, "detail": "no latency baseline and no latency_limit_ms"}
    usual = baseline or limit / options.latency_ratio
    places = recent(view, options.window)
    places = places[~np.isnan(view.rows.latency[places])]
    scraped = samples(view, "latency_p95_ms")
    if not silent and len(places) >= options.min_rows:
        return _from_rows(options, gauge, view.rows.latency[places], view.rows.time[places], limit, usual)
    if scraped is not None:
        value = float(np.median(scraped))
        level = gauge.level(SAMPLED[LATENCY])
        slow = bool(level) and bool((scraped > limit).all())
        said = _say(options, slow=slow, value=value, limit=limit, usual=usual, n=len(scraped))
        return said | {
            "level": level if slow else "",
            "evidence": max(gauge.evidence(SAMPLED[LATENCY]), -700.0),
        }
    if silent and len(view.rows):
        return {"verdict": Verdict.NO_DATA, "detail": "no prediction and no latency metric"}
    return {
        "verdict": Verdict.NOT_YET,
        "n": len(places),
        "detail": f"{len(places)} of {options.min_rows} rows",
    }


def _from_rows(
    options: ServingOptions, gauge: Gauge, latency: Floats, time: Floats, limit: float, usual: float
) -> dict[str, Any]:
    p95 = float(np.quantile(latency, 1.0 - SLOW_SHARE))
    slower = latency > limit
    level = gauge.level(LATENCY)
    slow = p95 > limit and bool(level)
    said = _say(options, slow=slow, value=p95, limit=limit, usual=usual, n=len(latency))
    first = {"first": float(time[np.argmax(slower)])} if slower.any() else {}
    sure = {"evidence": max(gauge.evidence(LATENCY), -700.0), "level": level if slow else ""}
    return said | sure | first


def _say(
    options: ServingOptions, *, slow: bool, value: float, limit: float, usual: float, n: int
) -> dict[str, Any]:
    very = value > limit * options.latency_critical / options.latency_ratio
    severity = (Severity.CRITICAL if very else Severity.WARNING) if slow else Severity.NONE
    return {
        "verdict": verdict_of(severity),
        "severity": severity,
        "value": value,
        "reference": usual,
        "effect": value / usual - 1.0,
        "n": n,
        "detail": f"p95 {value:.3g} ms vs {usual:.3g} ms usual, limit {limit:.3g} ms, n={n}",
    }
