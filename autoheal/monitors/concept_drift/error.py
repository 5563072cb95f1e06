"""The sequential test on the champion's errors: Shiryaev-Roberts evidence that the mean loss left its ceiling. Pure.

``learn`` feeds every matured row to the e-detector exactly once; ``judge`` reads it. A breach needs the evidence
*and* a recent mean above the ceiling, so it ends soon after the errors do. Evidence beyond twenty times the threshold
is dropped (which only makes false alarms rarer), or a long breach would take as long to forget.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from autoheal.domain.names import Severity, Task, Verdict
from autoheal.monitors.champion import Matured, bounded_losses, ceiling
from autoheal.monitors.concept_drift.options import ConceptDriftOptions
from autoheal.monitors.concept_drift.state import ConceptDriftState
from autoheal.monitors.contract import verdict_of
from autoheal.monitors.reference import LossBaseline
from autoheal.monitors.view import View
from autoheal.stats.eprocess import EState, fresh, log_e_losses, log_m, trace

#: Log of how far above the threshold evidence is remembered.
REMEMBERED = math.log(20.0)
#: Log of how far below the threshold a breach that goes on may sink.
LASTING = math.log(20.0)
#: A row stands for at least this many days, so that equal times do not divide by nothing.
LEAST_DAYS = 1e-6


def learn(
    options: ConceptDriftOptions, state: ConceptDriftState, view: View, loss: LossBaseline, rows: Matured
) -> ConceptDriftState:
    """The state after all rows that began to count since the last beat."""
    new = rows.take(rows.counts_from > (-math.inf if state.cursor is None else state.cursor))
    if not len(new):
        return state
    p0 = ceiling(loss, options.tolerated(view.task))
    steps = log_e_losses(p0, bounded_losses(view, new.answers, loss))
    newest = float(new.time[-1])
    began = float(new.time[0]) if state.last is None else state.last
    days = max((newest - began) / 86_400.0 / len(new), LEAST_DAYS)
    evidence, _ = trace(EState(state.log_r), steps, days)
    most = math.log(options.days) + REMEMBERED
    return replace(
        state,
        cursor=view.as_of,
        last=max(newest, state.last or newest),
        rows=state.rows + len(new),
        log_r=tuple(min(r, most) for r in evidence.log_r),
    )


def judge(
    options: ConceptDriftOptions, state: ConceptDriftState, view: View, loss: LossBaseline, rows: Matured
) -> tuple[ConceptDriftState, dict[str, Any]]:
    """What to say about ``error``; evidence is forgotten when the recent errors are back under the ceiling."""
    if state.rows < options.min_rows or len(rows) < options.min_rows:
        seen = min(state.rows, len(rows))
        why = f"{seen} of {options.min_rows} labelled rows answered by {view.champion}"
        return state, {"verdict": Verdict.NOT_YET, "n": seen, "detail": why}
    recent = bounded_losses(view, rows.take(slice(-options.recent_rows, None)).answers, loss)
    mean, p0 = float(recent.mean()), ceiling(loss, options.tolerated(view.task))
    days = log_m(EState(state.log_r))
    severity = Severity.NONE
    needed = math.log(options.days) - (LASTING if state.since is not None else 0.0)
    if days >= needed and mean > p0:
        limit = options.critical_rise(view.task)
        severe = limit.effect(mean - loss.mean, loss.mean) >= limit.value
        severity = Severity.CRITICAL if severe else Severity.WARNING
    elif mean <= p0 and days >= needed:
        state = replace(state, log_r=fresh().log_r)
    name = "error rate" if view.task is Task.CLASSIFICATION else "mean loss"
    odds = (
        f"once in {np.exp(min(days, 20.0)):.3g} d by chance" if severity is not Severity.NONE else "no drift"
    )
    return state, {
        "verdict": verdict_of(severity),
        "severity": severity,
        "value": mean,
        "reference": loss.mean,
        "effect": mean - loss.mean,
        "evidence": max(days, -700.0),
        "n": state.rows,
        "detail": f"{name} {mean:.3g} in the last {len(recent)} rows vs {loss.mean:.3g} at training, {odds}",
    }
