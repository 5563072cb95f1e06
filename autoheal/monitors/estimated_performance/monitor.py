"""``estimated_performance``: the champion's accuracy, F1 or MAE on rows whose labels are still to come. Pure.

Shown with a band in the detail. Evidence is gathered as in performance, with each row's expected loss in the place of
its loss, but only ever to notify. The surprising part: it hides itself (``not_yet``, with the reason) when its scores
cannot be calibrated or when labels that came later disagreed; and its silence is no all-clear, since it assumes that
the truth given the answer is as it was.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Task, Verdict
from autoheal.monitors.champion import ceiling
from autoheal.monitors.contract import finding, from_unix, plain, verdict_of
from autoheal.monitors.estimated_performance.cohorts import compared, liar
from autoheal.monitors.estimated_performance.expected import expected_losses, why_not
from autoheal.monitors.estimated_performance.options import (
    EstimatedPerformanceOptions,
    EstimatedPerformanceState,
)
from autoheal.monitors.freshness import freshness
from autoheal.monitors.reference import Reference
from autoheal.monitors.rows import Bools, Floats, Ints
from autoheal.monitors.scores import Metric
from autoheal.monitors.unread import unread
from autoheal.monitors.view import View
from autoheal.monitors.worsening import limit_of
from autoheal.stats.eprocess import K_RATES, log_e_losses
from autoheal.stats.estimate import cbpe_decided

#: The one subject of the alarm clock: all metrics stand on the same expected losses.
LOSS = "loss"
#: A breach lasts while the effect is above this share of what began it.
LASTING = 0.75
#: The newest rows must be known in this share, or the estimate speaks of something else.
KNOWN_SHARE = 0.8
#: Log evidence that never goes off: this monitor is not allowed to act.
NEVER = np.full(K_RATES, -700.0)
#: Standard errors of a 95% band.
BAND = 1.96


class EstimatedPerformance:
    kind = "estimated_performance"
    Options = EstimatedPerformanceOptions
    State = EstimatedPerformanceState

    def start(self) -> EstimatedPerformanceState:
        return EstimatedPerformanceState()

    def update(
        self,
        options: EstimatedPerformanceOptions,
        state: EstimatedPerformanceState,
        view: View,
        now: datetime,
    ) -> tuple[EstimatedPerformanceState, tuple[Finding, ...]]:
        if state.version != view.champion:
            state = EstimatedPerformanceState(view.champion, mark=state.mark, checked=state.checked)
        metrics = _metrics(view)
        why = why_not(view.task, view.reference) if view.reference else "no reference"
        if why or view.reference is None:
            why = f"version {view.champion or '(none)'}: {why}"
            return state, tuple(
                finding(view, self.kind, m, now, Verdict.NOT_YET, detail=why) for m in metrics
            )
        state = compared(options, state, view, view.reference)
        losses, known, chances = _expected(view, view.reference)
        state = _learn(options, state, view, view.reference, losses, known)
        places = np.flatnonzero(view.served())
        places = places[options.window.pick(view.rows.time[places])]
        unready = _unready(options, state, view, places, known)
        places = places[known[places]]
        said: dict[Metric, dict[str, Any]] = {}
        for metric in metrics:
            if unready is not None:
                said[metric] = {"verdict": unready[0], "detail": unready[1], "n": len(places)}
            else:
                said[metric] = _judge(options, state, view, metric, losses[places], chances[places], places)
        first = float(view.rows.time[places].min()) if len(places) else view.as_of
        since: dict[str, float] = {
            m: state.since.get(m, first) for m, what in said.items() if what["verdict"] is Verdict.BREACH
        }
        findings = tuple(
            finding(view, self.kind, m, now, started_at=from_unix(since[m]) if m in since else None, **what)
            for m, what in said.items()
        )
        over = [LOSS] if state.since and not since and unready is None else []
        return replace(state, since=since, gauge=state.gauge.release(over)), findings


def _metrics(view: View) -> tuple[Metric, ...]:
    if view.task is Task.REGRESSION:
        return ("mae",)
    known = view.reference.performance if view.reference else {}
    return ("accuracy", "f1") if "f1" in known else ("accuracy",)


def _expected(view: View, reference: Reference) -> tuple[Floats, Bools, Floats]:
    """Expected loss and P(positive) of all rows that the champion answered itself; NaN elsewhere."""
    assert reference.output is not None
    rows = view.rows
    losses, known, chances = expected_losses(
        view.task, reference.output, rows.prediction, rows.score, _positive(view)
    )
    return losses, known & view.served(), chances


def _positive(view: View) -> int:
    name = view.reference.positive if view.reference else ""
    return view.rows.classes.index(name) if name in view.rows.classes else -1


def _learn(
    options: EstimatedPerformanceOptions,
    state: EstimatedPerformanceState,
    view: View,
    reference: Reference,
    losses: Floats,
    known: Bools,
) -> EstimatedPerformanceState:
    """Every row that can be estimated is evidence once."""
    assert reference.loss is not None
    windows, mark = unread(view, known, state.mark, options.min_rows)
    gauge, p0 = state.gauge, ceiling(reference.loss, options.tolerance)
    for window in windows:
        expected = np.clip(losses[window.places] / reference.loss.scale, 0.0, 1.0)
        log_e = log_e_losses(p0, expected).sum(axis=0) / reference.loss.alike
        gauge = gauge.step({LOSS: (log_e, NEVER)}, window.days, view.budget)
    return replace(state, gauge=gauge, mark=mark)


def _unready(
    options: EstimatedPerformanceOptions,
    state: EstimatedPerformanceState,
    view: View,
    places: Ints,
    known: Bools,
) -> tuple[Verdict, str] | None:
    fresh = freshness(view.rows.time, view.rows.arrived, view.as_of, options.stale_after)
    if fresh is not None and fresh.late:
        return Verdict.NO_DATA, f"no prediction for {plain(fresh.silent)}"
    if len(places) < options.min_rows:
        return Verdict.NOT_YET, f"{len(places)} of {options.min_rows} rows answered by {view.champion}"
    share = float(known[places].mean())
    if share < KNOWN_SHARE:
        what = "have no score" if view.task is Task.CLASSIFICATION else "are beyond the held-out predictions"
        return Verdict.NOT_YET, f"{1.0 - share:.0%} of the newest rows {what}"
    why = liar(state)
    return (Verdict.NOT_YET, why) if why else None


def _judge(
    options: EstimatedPerformanceOptions,
    state: EstimatedPerformanceState,
    view: View,
    metric: Metric,
    losses: Floats,
    chances: Floats,
    places: Ints,
) -> dict[str, Any]:
    """What to say about one metric of the newest rows."""
    assert view.reference is not None
    base = view.reference.performance.get(metric)
    value, error = _estimate(view, metric, losses, chances, places)
    if base is None or math.isnan(value):
        return {
            "verdict": Verdict.NOT_YET,
            "detail": f"{metric} is undefined on these rows",
            "n": len(places),
        }
    worse_by = value - base.value if metric == "mae" else base.value - value
    limit = limit_of(metric, options.max_drop)
    effect, level = limit.effect(worse_by, base.value), state.gauge.level(LOSS)
    bad = bool(level) and effect >= limit.value * (LASTING if metric in state.since else 1.0)
    # A few errors among few positives may put F1 anywhere.
    bad = bad and worse_by > BAND * error
    severity = Severity.WARNING if bad else Severity.NONE
    low, high = max(value - BAND * error, 0.0), value + BAND * error
    high = high if metric == "mae" else min(high, 1.0)
    return {
        "verdict": verdict_of(severity),
        "severity": severity,
        "value": value,
        "reference": base.value,
        "effect": effect,
        "evidence": max(state.gauge.evidence(LOSS), -700.0),
        "level": level if bad else "",
        "n": len(places),
        "detail": f"{metric} estimated {value:.3g} ({low:.3g} to {high:.3g}) vs {base.value:.3g} at training, "
        f"without labels, n={len(places)}",
    }


def _estimate(
    view: View, metric: Metric, losses: Floats, chances: Floats, places: Ints
) -> tuple[float, float]:
    """The metric on these rows and its standard error: what the labels themselves would vary by."""
    if metric == "mae":
        base = view.reference.performance.get("mae") if view.reference else None
        return float(losses.mean()), (base.sd if base else 0.0) / math.sqrt(len(losses))
    found = cbpe_decided(chances, view.rows.prediction[places] == _positive(view))
    if metric == "f1":
        # The spread of F1 is about that of twice the errors over the positives.
        hits = 2.0 * found.tp + found.fp + found.fn
        return found.f1, 2.0 * found.accuracy_sd * len(losses) / hits if hits else 0.0
    return found.accuracy, found.accuracy_sd
