"""``data_drift``: do the inputs look like the training data? Pure.

One subject a feature. The effect is the population stability index of the newest rows on the reference's own bins (and
the Kolmogorov-Smirnov distance, which alone suffices when it is large); the evidence is the alarm clock over all
features together, so that fifty features do not cry wolf fifty times as often. The surprising part: seasons *are*
drift, and are truthfully reported; whether drift hurts is performance's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.contract import finding, from_unix, plain, verdict_of
from autoheal.monitors.data_drift.evidence import count, learn
from autoheal.monitors.data_drift.options import DataDriftOptions, DataDriftState
from autoheal.monitors.drift import Compared, compare
from autoheal.monitors.freshness import freshness
from autoheal.monitors.reference import FeatureReference
from autoheal.monitors.view import View

#: A breach lasts while the effect is above this share of what began it, so that it does not flicker at the edge.
LASTING = 0.75


class DataDrift:
    kind = "data_drift"
    Options = DataDriftOptions
    State = DataDriftState

    def start(self) -> DataDriftState:
        return DataDriftState()

    def update(
        self, options: DataDriftOptions, state: DataDriftState, view: View, now: datetime
    ) -> tuple[DataDriftState, tuple[Finding, ...]]:
        if state.version != view.champion:
            state = DataDriftState(view.champion, cursor=state.cursor, last=state.last)
        names = [f.name for f in view.spec.features if f.name in (options.features or (f.name,))]
        known = _known(names, view)
        state, last = learn(
            state, known, view.rows, view.as_of, options.min_rows, options.harmless, view.budget
        )
        chosen = options.window.pick(view.rows.time)
        unready = _unready(options, view, len(chosen))
        if unready is not None:
            verdict, why = unready
            return state, tuple(
                finding(view, self.kind, n, now, verdict, n=len(chosen), detail=why) for n in names
            )
        same = last is not None and np.array_equal(last.window, chosen)
        seen_now = last.tally if last is not None and same else count(known, view.rows, chosen)
        compared = compare(list(known.values()), seen_now)
        times = view.rows.time[chosen]
        first, age = float(times.min()), max(view.as_of - float(times.max()), 0.0)
        since: dict[str, float] = {}
        findings, well = [], []
        hidden = {f.name for f in view.spec.features if f.sensitive}
        gathered = state.gauge.evidences(list(known))
        for name, seen, evidence in zip(known, compared, gathered, strict=True):
            level = state.gauge.level(name)
            severity = _severity(options, seen, lasting=name in state.since)
            if severity is Severity.NONE:
                well.append(name)
            if not level:
                severity = Severity.NONE
            if severity is not Severity.NONE:
                since[name] = state.since.get(name, first)
            said = _say(options, name, seen, len(chosen), hide=name in hidden)
            said |= {
                "severity": severity,
                "age": age,
                "evidence": max(evidence, -700.0),
                "level": level if severity is not Severity.NONE else "",
                "started_at": from_unix(since[name]) if name in since else None,
            }
            findings.append(finding(view, self.kind, name, now, verdict_of(severity), **said))
        strange = [n for n in names if n not in known]
        findings += [
            finding(view, self.kind, n, now, Verdict.NOT_YET, detail="not in the reference") for n in strange
        ]
        over = [n for n in well if n in state.since]
        return replace(state, since=since, gauge=state.gauge.release(over)), tuple(findings)


def _known(names: list[str], view: View) -> Mapping[str, FeatureReference]:
    """The features that can be compared, with what they are compared with."""
    reference = view.reference.features if view.reference else {}
    return {n: reference[n] for n in names if n in reference}


def _severity(options: DataDriftOptions, seen: Compared, *, lasting: bool) -> Severity:
    """How far it has moved; a breach that goes on needs a little less."""
    if seen.psi >= options.psi_critical:
        return Severity.CRITICAL
    share = LASTING if lasting else 1.0
    far = seen.ks is not None and seen.ks >= options.ks_warning * share
    return Severity.WARNING if far or seen.psi >= options.psi_warning * share else Severity.NONE


def _say(options: DataDriftOptions, name: str, seen: Compared, n: int, *, hide: bool) -> dict[str, Any]:
    """A bin's name is raw: a level, or a range of values; of a sensitive column it is not told."""
    distance = "" if seen.ks is None else f", KS {seen.ks:.2f}, W1 {seen.wasserstein or 0.0:.2g} IQR"
    distance += f", JS {seen.js:.2g}, TV {seen.tv:.2g}"
    moved = f"one of its bins {seen.shares}" if hide else seen.moved
    return {
        "value": seen.psi,
        "reference": options.psi_warning,
        "effect": seen.psi,
        "n": n,
        "detail": f"{name}: PSI {seen.psi:.2f}{distance}; {moved}, n={n}",
    }


def _unready(options: DataDriftOptions, view: View, count: int) -> tuple[Verdict, str] | None:
    if view.reference is None:
        return Verdict.NOT_YET, f"version {view.champion or '(none)'} has no reference"
    fresh = freshness(view.rows.time, view.rows.arrived, view.as_of, options.stale_after)
    if fresh is not None and fresh.late:
        return Verdict.NO_DATA, f"no prediction for {plain(fresh.silent)}"
    if count < options.min_rows:
        return Verdict.NOT_YET, f"{count} of {options.min_rows} rows"
    return None
