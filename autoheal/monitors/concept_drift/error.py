"""The sequential test on the champion's errors: has the mean loss left its ceiling? Pure.

``learn`` feeds every matured row to the alarm clock exactly once; ``judge`` reads it. A breach needs the evidence
*and* a recent mean that is worse by an amount that matters (to last: one above the ceiling), so that a bad weekend
is none and a breach ends soon after the errors do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from autoheal.domain.names import Severity, Task, Verdict
from autoheal.monitors.champion import Matured, bets, bounded_losses, ceiling
from autoheal.monitors.concept_drift.options import ConceptDriftOptions
from autoheal.monitors.concept_drift.state import ConceptDriftState
from autoheal.monitors.contract import verdict_of
from autoheal.monitors.reference import LossBaseline
from autoheal.monitors.view import View

ERROR = "error"


def learn(
    options: ConceptDriftOptions, state: ConceptDriftState, view: View, loss: LossBaseline, rows: Matured
) -> ConceptDriftState:
    """The state after all rows that began to count since the last beat."""
    tolerance = options.tolerated(view.task)
    evidence = state.evidence.learn(
        rows, view.as_of, lambda answers: {ERROR: bets(view, answers, loss, tolerance)}, view.budget
    )
    return replace(state, evidence=evidence)


def judge(
    options: ConceptDriftOptions, state: ConceptDriftState, view: View, loss: LossBaseline, rows: Matured
) -> tuple[ConceptDriftState, dict[str, Any]]:
    """What to say about ``error``; the alarm is over when the recent errors are back under the ceiling."""
    counted = state.evidence.rows
    if counted < options.min_rows or len(rows) < options.min_rows:
        seen = min(counted, len(rows))
        why = f"{seen} of {options.min_rows} labelled rows answered by {view.champion}"
        return state, {"verdict": Verdict.NOT_YET, "n": seen, "detail": why}
    recent = bounded_losses(view, rows.take(slice(-options.recent_rows, None)).answers, loss)
    mean, p0 = float(recent.mean()), ceiling(loss, options.tolerated(view.task))
    level, evidence = state.evidence.gauge.level(ERROR), state.evidence.gauge.evidence(ERROR)
    severity = _severity(options, state, view, loss, mean)
    if level and severity is Severity.NONE and mean <= p0:
        state = replace(state, evidence=state.evidence.release([ERROR]))
    name = "error rate" if view.task is Task.CLASSIFICATION else "mean loss"
    return state, {
        "verdict": verdict_of(severity),
        "severity": severity,
        "level": "" if severity is Severity.NONE else level,
        "value": mean,
        "reference": loss.mean,
        "effect": mean - loss.mean,
        "evidence": max(evidence, -700.0),
        "n": counted,
        "detail": f"{name} {mean:.3g} in the last {len(recent)} rows vs {loss.mean:.3g} at training",
    }


def _severity(
    options: ConceptDriftOptions, state: ConceptDriftState, view: View, loss: LossBaseline, mean: float
) -> Severity:
    """None without the evidence or the effect; a breach that goes on needs less of the latter."""
    lasting, worse_by = state.since is not None, mean - loss.mean
    rise, critical = options.least_rise(view.task), options.critical_rise(view.task)
    matters = lasting or rise.effect(worse_by, loss.mean) >= rise.value
    above = mean > ceiling(loss, options.tolerated(view.task))
    if not (matters and above and state.evidence.gauge.level(ERROR)):
        return Severity.NONE
    return Severity.CRITICAL if critical.effect(worse_by, loss.mean) >= critical.value else Severity.WARNING
