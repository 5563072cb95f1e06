"""The sequential test on the champion's errors: Shiryaev-Roberts evidence that the mean loss left its ceiling. Pure.

``learn`` feeds every matured row to the e-detector exactly once; ``judge`` reads it. A breach needs the evidence
*and* a recent mean that is worse by an amount that matters (to last: one above the ceiling), so that a bad weekend
is none and a breach ends soon after the errors do. Evidence beyond twenty times the threshold
is dropped (which only makes false alarms rarer), or a long breach would take as long to forget.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from autoheal.domain.names import Severity, Task, Verdict
from autoheal.monitors.champion import Matured, bets, bounded_losses, ceiling
from autoheal.monitors.concept_drift.options import ConceptDriftOptions
from autoheal.monitors.concept_drift.state import ConceptDriftState
from autoheal.monitors.contract import verdict_of
from autoheal.monitors.reference import LossBaseline
from autoheal.monitors.view import View
from autoheal.stats.eprocess import EState, fresh, log_m, trace

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
    steps = bets(view, new.answers, loss, options.tolerated(view.task))
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
    severity = _severity(options, state, view, loss, mean)
    if severity is Severity.NONE and mean <= p0 and days >= math.log(options.days) - LASTING:
        state = replace(state, log_r=fresh().log_r)
    name = "error rate" if view.task is Task.CLASSIFICATION else "mean loss"
    odds = (
        "" if severity is Severity.NONE else f", by chance once in {math.exp(min(days, 20.0)):.2g} d or rarer"
    )
    return state, {
        "verdict": verdict_of(severity),
        "severity": severity,
        "value": mean,
        "reference": loss.mean,
        "effect": mean - loss.mean,
        "evidence": max(days, -700.0),
        "n": state.rows,
        "detail": f"{name} {mean:.3g} in the last {len(recent)} rows vs {loss.mean:.3g} at training{odds}",
    }


def _severity(
    options: ConceptDriftOptions, state: ConceptDriftState, view: View, loss: LossBaseline, mean: float
) -> Severity:
    """None without the evidence or the effect; a breach that goes on needs less of both."""
    lasting, worse_by = state.since is not None, mean - loss.mean
    needed = math.log(options.days) - (LASTING if lasting else 0.0)
    rise, critical = options.least_rise(view.task), options.critical_rise(view.task)
    matters = lasting or rise.effect(worse_by, loss.mean) >= rise.value
    above = mean > ceiling(loss, options.tolerated(view.task))
    if not (matters and above and log_m(EState(state.log_r)) >= needed):
        return Severity.NONE
    return Severity.CRITICAL if critical.effect(worse_by, loss.mean) >= critical.value else Severity.WARNING
