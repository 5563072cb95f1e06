"""``score_drift``: do the champion's answers look like its answers to held-out rows? Pure.

The cheapest early sign that needs no label: subjects ``class`` and ``score``, or ``prediction`` for numbers. As in
data_drift the effect is the PSI of the newest rows and the evidence that of all windows since the version began, in which
answers that resemble their neighbours, as they did among held-out rows, count for less; only rows that the champion
answered itself count. The surprising part: an answer that drifts may be right, when the world
moved; where classes' shares alone explain it (label shift) the detail says so.
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
from autoheal.monitors.freshness import freshness
from autoheal.monitors.gauge import Bets, Gauge, Level
from autoheal.monitors.reference_parts import Output
from autoheal.monitors.rows import Ints
from autoheal.monitors.score_drift.answers import Look, absent, counted, look, subjects
from autoheal.monitors.score_drift.label_shift import explained
from autoheal.monitors.score_drift.options import ScoreDriftOptions, ScoreDriftState
from autoheal.monitors.unread import unread
from autoheal.monitors.view import View
from autoheal.stats import psi
from autoheal.stats.categorical import rate_ceiling
from autoheal.stats.design_effect import corrected
from autoheal.stats.eprocess import log_e_batch

#: A breach lasts while the effect is above this share of what began it.
LASTING = 0.75
#: The subject of evidence about classes that the version never gave on held-out rows; its findings are those of class.
NEW_CLASS = "class <other>"
#: Logs of evidence smaller than this are none.
NO_EVIDENCE = -700.0


class ScoreDrift:
    kind = "score_drift"
    Options = ScoreDriftOptions
    State = ScoreDriftState

    def start(self) -> ScoreDriftState:
        return ScoreDriftState()

    def update(
        self, options: ScoreDriftOptions, state: ScoreDriftState, view: View, now: datetime
    ) -> tuple[ScoreDriftState, tuple[Finding, ...]]:
        if state.version != view.champion:
            state = ScoreDriftState(view.champion, mark=state.mark)
        names = subjects(view.task)
        output = view.reference.output if view.reference else None
        if output is None:
            why = f"version {view.champion or '(none)'} has no answers to held-out rows in its reference"
            return state, tuple(finding(view, self.kind, s, now, Verdict.NOT_YET, detail=why) for s in names)
        looks = {name: look(output, name) for name in names}
        state = _learn(options, state, view, output, looks)
        places = np.flatnonzero(view.served())
        places = places[options.window.pick(view.rows.time[places])]
        said = {name: _judge(options, state, view, output, name, looks[name], places) for name in names}
        return _told(self.kind, state, view, now, said)


def _learn(
    options: ScoreDriftOptions,
    state: ScoreDriftState,
    view: View,
    output: Output,
    looks: Mapping[str, Look],
) -> ScoreDriftState:
    """Every row is evidence once, in windows of ``min_rows``."""
    ready = {name: one for name, one in looks.items() if not one.why_not}
    rows = max([options.min_rows, *(psi.least_rows(len(one.known) - 2) for one in ready.values())])
    windows, mark = unread(view, view.served(), state.mark, rows)
    gauge = state.gauge
    for window in windows:
        bets: dict[str, Bets] = {}
        for name, one in ready.items():
            if not absent(view, name, window.places):
                bets |= _bets(name, one, counted(view, output, name, window.places), options.harmless)
        gauge = gauge.step(bets, window.days, view.budget)
    return replace(state, gauge=gauge, mark=mark)


def _bets(name: str, one: Look, counts: Ints, harmless: float) -> dict[str, Bets]:
    seen = corrected(psi.windows(one.known, counts), one.design)
    least = psi.least_eps0(max(float(one.known.sum()) / float(one.design.scale[0]), 1.0), len(one.known))
    bets: dict[str, Bets] = {
        name: (
            psi.evidence(seen, max(harmless, least))[0],
            psi.evidence(seen, max(2.0 * harmless, least))[0],
        )
    }
    if name == "class":
        # PSI pools bins that held nothing with others, so classes never given before are counted apart.
        rows = int(counts.sum())
        # The gauge takes as many alternatives of each subject: the four larger rates of six.
        rare = log_e_batch(rate_ceiling(0, int(one.known.sum())), rows, int(counts[-1]))[
            -len(psi.MULTIPLES) :
        ]
        bets[NEW_CLASS] = (rare, rare)
    return bets


def _judge(
    options: ScoreDriftOptions,
    state: ScoreDriftState,
    view: View,
    output: Output,
    name: str,
    one: Look,
    places: Ints,
) -> dict[str, Any]:
    """What to say about one subject."""
    unready = _unready(options, view, name, one, places)
    if unready is not None:
        return {"verdict": unready[0], "detail": unready[1], "n": len(places)}
    counts = counted(view, output, name, places)
    effect, level, evidence = psi.psi(one.known, counts), *_evidence(state.gauge, name)
    share = LASTING if name in state.since else 1.0
    severity = Severity.NONE
    if level and effect >= options.psi_warning * share:
        severity = Severity.CRITICAL if effect >= options.psi_critical else Severity.WARNING
    before, after = one.known / one.known.sum(), counts / counts.sum()
    grew = int(np.argmax(after - before))
    detail = f"{name}: PSI {effect:.2f}; {one.labels[grew]} {before[grew]:.0%} -> {after[grew]:.0%}, n={len(places)}"
    if severity is not Severity.NONE and name != "prediction":
        detail += f"; {why}" if (why := _why(view, output, places)) else ""
    return {
        "verdict": verdict_of(severity),
        "severity": severity,
        "value": effect,
        "reference": options.psi_warning,
        "effect": effect,
        "evidence": max(evidence, NO_EVIDENCE),
        "level": level if severity is not Severity.NONE else "",
        "n": len(places),
        "detail": detail,
        "first": float(view.rows.time[places].min()),
        "well": effect < options.psi_warning * LASTING,
    }


def _evidence(gauge: Gauge, name: str) -> tuple[Level, float]:
    """The further level of the subjects that speak for one, and its evidence."""
    order: tuple[Level, ...] = ("", "notify", "act")
    parts = (name, NEW_CLASS) if name == "class" else (name,)
    return max(((gauge.level(p), gauge.evidence(p)) for p in parts), key=lambda x: (order.index(x[0]), x[1]))


def _unready(
    options: ScoreDriftOptions, view: View, name: str, one: Look, places: Ints
) -> tuple[Verdict, str] | None:
    if one.why_not:
        return Verdict.NOT_YET, f"{name}: {one.why_not}"
    fresh = freshness(view.rows.time, view.rows.arrived, view.as_of, options.stale_after)
    if fresh is not None and fresh.late:
        return Verdict.NO_DATA, f"no prediction for {plain(fresh.silent)}"
    if len(places) < options.min_rows:
        return Verdict.NOT_YET, f"{len(places)} of {options.min_rows} rows answered by {view.champion}"
    if absent(view, name, places):
        return Verdict.NO_DATA, f"none of the newest {len(places)} rows has a {name}"
    return None


def _why(view: View, output: Output, places: Ints) -> str:
    scores = None
    if output.bins is not None and not absent(view, "score", places):
        scores = counted(view, output, "score", places)
    return explained(output, counted(view, output, "class", places), scores)


def _told(
    kind: str, state: ScoreDriftState, view: View, now: datetime, said: Mapping[str, dict[str, Any]]
) -> tuple[ScoreDriftState, tuple[Finding, ...]]:
    """Findings, and the state in which those that are well again start from nothing."""
    since: dict[str, float] = {}
    over, findings = [], []
    for name, what in said.items():
        first, well = what.pop("first", None), what.pop("well", False)
        # Only what did breach: the newest rows may still be diluted by the old world when the clock goes off.
        if well and name in state.since:
            over += [name, NEW_CLASS] if name == "class" else [name]
        if what["verdict"] is Verdict.BREACH:
            since[name] = state.since.get(name, first)
            what["started_at"] = from_unix(since[name])
        findings.append(finding(view, kind, name, now, **what))
    return replace(state, since=since, gauge=state.gauge.release(over)), tuple(findings)
