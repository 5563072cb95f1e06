"""``performance``: is the champion still as good as it was on its held-out rows? Pure.

Compares each metric on the newest matured rows that the champion itself answered with its version's own baseline. A
breach needs an effect (``max_drop``) *and* evidence: the alarm clock over the losses of all rows, each counted once,
against the most that still passes for healthy (the baseline's upper bound, and a tolerance). The surprising part:
rows with broken inputs (a column missing that never was in training) do not count unless ``count_broken_inputs``: those
are data_quality's business, and retraining on them would be the wrong conclusion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import Field

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.champion import Began, Matured, ceiling, matured, onset, silence
from autoheal.monitors.contract import finding, from_unix, verdict_of
from autoheal.monitors.loss_evidence import LossEvidence
from autoheal.monitors.metric_bets import bets_of, error_baseline, watched
from autoheal.monitors.options import Amount, Window
from autoheal.monitors.outlook import notice, share_between
from autoheal.monitors.scores import METRICS, ON_DEMAND, Measured, Metric, measure
from autoheal.monitors.view import View
from autoheal.monitors.worsening import BEGUN, LossOptions, worsening

#: The window must be worse by so many standard errors: an alarm that stands on one bad week of the past says no more.
CLEARLY = 2.0


class PerformanceOptions(LossOptions):
    """``max_drop`` and ``critical``: 0.05 in the metric's unit or 25% of the baseline; by default 0.05 and 0.10 for
    accuracy and F1, 25% and 50% for losses. ``tolerance``: by which share the mean loss may exceed the baseline's and
    still pass for healthy when evidence is gathered (10% for classes, 25% for numbers)."""

    metrics: tuple[Metric, ...] = ()
    window: Window = Window(rows=500)
    min_rows: int = Field(default=200, ge=20)
    max_drop: Amount | None = None
    critical: Amount | None = None
    count_broken_inputs: bool = False


@dataclass(frozen=True, slots=True)
class PerformanceState:
    """Since when each metric has been bad, and the evidence; belongs to one version."""

    version: str = ""
    since: Mapping[str, Began] = field(default_factory=dict)
    evidence: LossEvidence = LossEvidence()


class Performance:
    kind = "performance"
    Options = PerformanceOptions
    State = PerformanceState

    def start(self) -> PerformanceState:
        return PerformanceState()

    def update(
        self, options: PerformanceOptions, state: PerformanceState, view: View, now: datetime
    ) -> tuple[PerformanceState, tuple[Finding, ...]]:
        metrics = _metrics(options, view)
        if state.version != view.champion:
            state = PerformanceState(view.champion)
        rows = matured(view, count_broken=options.count_broken_inputs)
        state = replace(state, evidence=_learn(options, state.evidence, view, metrics, rows))
        window = rows.take(options.window.pick(rows.time))
        unready = _unready(options, view, metrics, window)
        if unready is not None:
            verdict, why = unready
            return state, tuple(
                finding(view, self.kind, m, now, verdict, n=len(window), detail=why) for m in metrics
            )
        starts: dict[str, Began] = {}
        findings = []
        for metric in metrics:
            said = _judge(options, view, metric, window, state.evidence)
            if said["verdict"] is Verdict.BREACH:
                first = float(window.time[0])
                began = state.since.get(metric) or onset(view, rows, BEGUN) or Began(first, first, first)
                starts[metric] = began
                said |= {"started_at": from_unix(began.at), "detail": f"{said['detail']}{began}"}
            findings.append(finding(view, self.kind, metric, now, **said))
        over = _over(state, metrics, findings)
        return replace(state, since=starts, evidence=state.evidence.release(over)), tuple(findings)


def _learn(
    options: PerformanceOptions,
    evidence: LossEvidence,
    view: View,
    metrics: tuple[Metric, ...],
    rows: Matured,
) -> LossEvidence:
    loss = error_baseline(view.reference, view.task) if view.reference else None
    if loss is None:
        return evidence
    bets = bets_of(view, loss, metrics, options.tolerated(view.task))
    return evidence.learn(rows, view.as_of, bets, view.budget)


def _over(state: PerformanceState, metrics: tuple[Metric, ...], findings: list[Finding]) -> list[str]:
    """Losses none of whose metrics are in breach any more, or are worse at all: their alarm is handled."""
    done = []
    for loss in sorted({watched(m) for m in metrics}):
        mine = [f for m, f in zip(metrics, findings, strict=True) if watched(m) == loss]
        ended = any(f.subject in state.since for f in mine)
        if mine and all(
            f.verdict is Verdict.OK and (ended or (f.effect is not None and f.effect <= 0.0)) for f in mine
        ):
            done.append(loss)
    return done


def _metrics(options: PerformanceOptions, view: View) -> tuple[Metric, ...]:
    """Those asked for; by default those of the task that the version has a baseline of."""
    baselines = view.reference.performance if view.reference else {}
    fitting = METRICS[view.task]
    usual = tuple(m for m in fitting if m in baselines and m not in ON_DEMAND)
    return options.metrics or usual or fitting[:1]


def _unready(
    options: PerformanceOptions, view: View, metrics: tuple[Metric, ...], window: Matured
) -> tuple[Verdict, str] | None:
    baselines = view.reference.performance if view.reference else {}
    lacking = [m for m in metrics if m not in baselines or m not in METRICS[view.task]]
    if lacking:
        return Verdict.NOT_YET, f"version {view.champion or '(none)'} has no baseline of {', '.join(lacking)}"
    if (quiet := silence(view, options.stale_after)) is not None:
        return quiet
    if view.reference is not None and error_baseline(view.reference, view.task) is None:
        return Verdict.NOT_YET, f"version {view.champion} has no baseline loss"
    if len(window) < options.min_rows:
        return (
            Verdict.NOT_YET,
            f"{len(window)} of {options.min_rows} labelled rows answered by {view.champion}",
        )
    return None


def _judge(
    options: PerformanceOptions, view: View, metric: Metric, window: Matured, evidence: LossEvidence
) -> dict[str, Any]:
    """What to say about one metric of the window: a breach needs an effect, and that the alarm clock went off."""
    assert view.reference is not None
    base = view.reference.performance[metric]
    live = measure(metric, window.answers)
    if live is None:
        return {
            "verdict": Verdict.NOT_YET,
            "detail": f"{metric} is undefined on these rows",
            "n": len(window),
        }
    worse = worsening(metric, live, base, options.max_drop, options.critical)
    level = evidence.gauge.level(watched(metric))
    bad = bool(level) and worse.clearly(CLEARLY) and worse.over
    severity = Severity.CRITICAL if bad and worse.critical else Severity.WARNING if bad else Severity.NONE
    change = (live.value - base.value) / max(abs(base.value), 1e-12)
    skipped = f", {window.broken} rows with broken inputs not counted" if window.broken else ""
    return {
        "verdict": verdict_of(severity),
        "severity": severity,
        "level": level if bad else "",
        "value": live.value,
        "reference": base.value,
        "effect": worse.effect,
        "evidence": max(evidence.gauge.evidence(watched(metric)), -700.0),
        "n": live.n,
        "detail": f"{metric} {live.value:.4g}{_between(metric, live)} vs {base.value:.4g} at training ({change:+.0%}),"
        f" n={live.n}{skipped}{'' if bad else _outlook(options, view, metric, worse.limit, evidence)}",
    }


def _between(metric: Metric, live: Measured) -> str:
    """How sure the window's value is, where it is a share."""
    if metric != "accuracy":
        return ""
    low, high = share_between(round((1.0 - live.value) * live.n), live.n)
    return f" ({1.0 - high:.3g} to {1.0 - low:.3g})"


def _outlook(
    options: PerformanceOptions, view: View, metric: Metric, limit: Amount, evidence: LossEvidence
) -> str:
    """How soon a fall that matters would be noticed, for the metric that is the mean of the watched loss."""
    loss = error_baseline(view.reference, view.task) if view.reference else None
    days = evidence.gauge.notify.days
    if loss is None or metric not in {"accuracy", "mae"} or days <= 0.0:
        return ""
    base = limit.value if metric == "accuracy" else limit.value / loss.scale
    p1 = loss.mean + (limit.value * loss.mean if limit.relative else base)
    p0 = ceiling(loss, options.tolerated(view.task))
    rows = notice(p0, p1, evidence.rows / days, view.budget)
    return f"; a change that matters is sure in about {rows * loss.alike:.0f} labels" if rows else ""
