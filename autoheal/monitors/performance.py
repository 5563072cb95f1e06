"""``performance``: is the champion still as good as it was on its held-out rows? Pure.

Compares each metric on the newest matured rows that the champion itself answered with its version's own baseline. A
breach needs an effect (``max_drop``) *and* evidence that accounts for the uncertainty of both sides. The surprising
part: rows with broken inputs (a column missing that never was in training) do not count unless
``count_broken_inputs``: those are data_quality's business, and retraining on them would be the wrong conclusion.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from pydantic import Field
from scipy.special import ndtri, stdtr

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.champion import Matured, matured, onset, silence
from autoheal.monitors.contract import EVIDENCE, finding, from_unix, mixture, verdict_of
from autoheal.monitors.options import Amount, MonitorOptions, Window
from autoheal.monitors.reference import Baseline
from autoheal.monitors.scores import FALLING, METRICS, Measured, Metric, measure
from autoheal.monitors.view import View

#: Sizes of shift, in standard errors, that the evidence bets on.
SHIFTS = np.array([1.0, 2.0, 4.0, 8.0])
#: By default a score may fall this much; a loss may rise by this share.
DROP, RISE = Amount(value=0.05), Amount(value=0.25, relative=True)
#: Standard errors beyond which more are no further evidence.
MOST = 37.0
#: Evidence that keeps a breach, so that one that goes on does not flicker with the noise.
LASTING = math.log(20.0)
#: A loss this much above the baseline counts as begun, when the beginning is looked for.
TOLERANCE = 0.1
CRITICAL_DROP, CRITICAL_RISE = Amount(value=0.10), Amount(value=0.50, relative=True)


class PerformanceOptions(MonitorOptions):
    """``max_drop`` and ``critical``: 0.05 in the metric's unit or 25% of the baseline; by default 0.05 and 0.10 for
    accuracy and F1, 25% and 50% for losses."""

    metrics: tuple[Metric, ...] = ()
    window: Window = Window(rows=500)
    min_rows: int = Field(default=200, ge=20)
    max_drop: Amount | None = None
    critical: Amount | None = None
    count_broken_inputs: bool = False


@dataclass(frozen=True, slots=True)
class PerformanceState:
    """Since when each metric has been bad, in unix seconds; belongs to one version."""

    version: str = ""
    since: Mapping[str, float] = field(default_factory=dict)


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
        since = state.since if state.version == view.champion else {}
        rows = matured(view, count_broken=options.count_broken_inputs)
        window = rows.take(options.window.pick(rows.time))
        unready = _unready(options, view, metrics, window)
        if unready is not None:
            verdict, why = unready
            return PerformanceState(view.champion, since), tuple(
                finding(view, self.kind, m, now, verdict, n=len(window), detail=why) for m in metrics
            )
        starts: dict[str, float] = {}
        findings = []
        for metric in metrics:
            needed = LASTING if metric in since else EVIDENCE + math.log(len(metrics))
            said = _judge(options, view, metric, window, needed)
            if said["verdict"] is Verdict.BREACH:
                began = since.get(metric) or onset(view, rows, TOLERANCE) or float(window.time[0])
                starts[metric] = began
                said["started_at"] = from_unix(began)
            findings.append(finding(view, self.kind, metric, now, **said))
        return PerformanceState(view.champion, starts), tuple(findings)


def _metrics(options: PerformanceOptions, view: View) -> tuple[Metric, ...]:
    """Those asked for; by default those of the task that the version has a baseline of."""
    baselines = view.reference.performance if view.reference else {}
    fitting = METRICS[view.task]
    return options.metrics or tuple(m for m in fitting if m in baselines) or fitting[:1]


def _unready(
    options: PerformanceOptions, view: View, metrics: tuple[Metric, ...], window: Matured
) -> tuple[Verdict, str] | None:
    baselines = view.reference.performance if view.reference else {}
    lacking = [m for m in metrics if m not in baselines or m not in METRICS[view.task]]
    if lacking:
        return Verdict.NOT_YET, f"version {view.champion or '(none)'} has no baseline of {', '.join(lacking)}"
    if (quiet := silence(view, options.stale_after)) is not None:
        return quiet
    if len(window) < options.min_rows:
        return (
            Verdict.NOT_YET,
            f"{len(window)} of {options.min_rows} labelled rows answered by {view.champion}",
        )
    return None


def _judge(
    options: PerformanceOptions, view: View, metric: Metric, window: Matured, needed: float
) -> dict[str, Any]:
    """What to say about one metric of the window; a breach needs this much evidence."""
    assert view.reference is not None
    base = view.reference.performance[metric]
    live = measure(metric, window.answers)
    if live is None:
        return {
            "verdict": Verdict.NOT_YET,
            "detail": f"{metric} is undefined on these rows",
            "n": len(window),
        }
    falls = metric in FALLING
    worse_by = base.value - live.value if falls else live.value - base.value
    limit = options.max_drop or (DROP if falls else RISE)
    critical = options.critical or (CRITICAL_DROP if falls else CRITICAL_RISE)
    evidence = _evidence(worse_by, live, base)
    bad = limit.effect(worse_by, base.value) >= limit.value and evidence >= needed
    very = bad and critical.effect(worse_by, base.value) >= critical.value
    severity = Severity.CRITICAL if very else Severity.WARNING if bad else Severity.NONE
    change = (live.value - base.value) / max(abs(base.value), 1e-12)
    skipped = f", {window.broken} rows with broken inputs not counted" if window.broken else ""
    return {
        "verdict": verdict_of(severity),
        "severity": severity,
        "value": live.value,
        "reference": base.value,
        "effect": limit.effect(worse_by, base.value),
        "evidence": evidence,
        "n": live.n,
        "detail": f"{metric} {live.value:.4g} vs {base.value:.4g} at training ({change:+.0%}), n={live.n}{skipped}",
    }


def _evidence(worse_by: float, live: Measured, base: Baseline) -> float:
    """Log e-value against "not worse than the baseline", with the uncertainty of both."""
    error = math.hypot(live.error, base.sd / math.sqrt(base.n))
    if error <= 0.0:
        return 0.0 if worse_by <= 0.0 else MOST**2 / 2
    # The window's own spread is estimated: a t, taken to the normal scale.
    t = min(max(worse_by / error, -MOST), MOST)
    tail = float(stdtr(live.freedom, -t))
    z = MOST if tail <= 0.0 else min(max(-float(ndtri(tail)), -MOST), MOST)
    return mixture(SHIFTS * z - SHIFTS**2 / 2)
