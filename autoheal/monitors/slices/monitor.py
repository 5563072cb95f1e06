"""``slices``: is the model worse, or its inputs different, within one slice? Pure.

Subjects are ``region=north:accuracy`` (numbers: ``:mae``) and ``region=north:drift``. The effect is the slice against
its own held-out and training rows, so that a slice which always was harder raises nothing; the evidence is the alarm
clock over all slices together. The surprising part: there are two clocks, one for labels and one for inputs, each with
half of the kind's share, which is the same promise and keeps many columns from slowing the few losses down.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.budget import Budget
from autoheal.monitors.champion import Began, Matured, matured, onset, silence
from autoheal.monitors.contract import finding, from_unix, plain, verdict_of
from autoheal.monitors.freshness import freshness
from autoheal.monitors.rows import Floats
from autoheal.monitors.slices import inputs, losses
from autoheal.monitors.slices.options import SlicesOptions, SlicesState
from autoheal.monitors.slices.watched import Slice, watched
from autoheal.monitors.view import View
from autoheal.monitors.worsening import BEGUN


@dataclass(frozen=True, slots=True)
class _Beat:
    """What one look has at hand."""

    options: SlicesOptions
    view: View
    now: datetime
    slices: list[Slice]

    def finding(self, subject: str, verdict: Verdict, **rest: Any) -> Finding:
        return finding(self.view, Slices.kind, subject, self.now, verdict, **rest)

    def age(self, time: Floats) -> float:
        return max(self.view.as_of - float(time.max()), 0.0)


class Slices:
    kind = "slices"
    Options = SlicesOptions
    State = SlicesState

    def start(self) -> SlicesState:
        return SlicesState()

    def update(
        self, options: SlicesOptions, state: SlicesState, view: View, now: datetime
    ) -> tuple[SlicesState, tuple[Finding, ...]]:
        before = _in_breach(state, view)
        if state.version != view.champion:
            inputs_seen = replace(state.inputs, gauge=type(state.inputs.gauge)())
            state = SlicesState(view.champion, inputs=inputs_seen)
        slices, lacking = watched(view)
        beat = _Beat(options, view, now, slices)
        findings = [beat.finding(name, Verdict.NOT_YET, detail=why) for name, why in lacking.items()]
        if not view.spec.slices:
            findings.append(beat.finding("slices", Verdict.NOT_YET, detail="the model has no `slices`"))
        budget = replace(view.budget, share=view.budget.share / (2 if options.drift else 1))
        state, found = _performance(beat, state, budget)
        findings += found
        if options.drift:
            state, found = _drift(beat, state, budget)
            findings += found
        gone = before - {f.subject for f in findings}
        return state, (*findings, *(_gone(beat, subject, lacking) for subject in sorted(gone)))


def _in_breach(state: SlicesState, view: View) -> set[str]:
    """Subjects that were in breach at the last look."""
    worse = {f"{name}:{losses.metric_of(view.task)}" for name in state.since}
    return worse | {f"{key.split(' ', 1)[0]}:drift" for key in state.moved}


def _gone(beat: _Beat, subject: str, lacking: Collection[str]) -> Finding:
    """A slice that is one no more must not stay in alarm for ever; one that merely cannot be judged is not well."""
    if lacking:
        return beat.finding(
            subject, Verdict.NOT_YET, detail=f"the reference of {beat.view.champion} lacks it"
        )
    return beat.finding(subject, Verdict.OK, detail="no slice of its own any more")


def _performance(beat: _Beat, state: SlicesState, budget: Budget) -> tuple[SlicesState, list[Finding]]:
    options, view = beat.options, beat.view
    rows = matured(view, count_broken=options.count_broken_inputs)
    evidence = losses.learn(options, state.losses, view, beat.slices, rows, budget)
    quiet = silence(view, options.stale_after)
    since: dict[str, Began] = {}
    findings, over = [], []
    for one in beat.slices:
        subject = f"{one.name}:{losses.metric_of(view.task)}"
        mine = rows.take(one.rows[rows.places])
        window = mine.take(options.window.pick(mine.time))
        unready = quiet or _unready(beat, one, len(window))
        if unready is not None:
            findings.append(beat.finding(subject, unready[0], n=len(window), detail=unready[1]))
            continue
        said = losses.judge(options, view, one, window, rows, evidence, len(beat.slices))
        if said["severity"] is not Severity.NONE:
            since[one.name] = began = state.since.get(one.name) or _began(view, one, mine, window)
            said |= {"started_at": from_unix(began.at), "detail": f"{said['detail']}{began}"}
        elif one.name in state.since or said["effect"] <= 0.0:
            over.append(one.name)
        said |= {"age": beat.age(window.time)}
        findings.append(beat.finding(subject, verdict_of(said["severity"]), **said))
    return replace(state, since=since, losses=evidence.release(over)), findings


def _began(view: View, one: Slice, mine: Matured, window: Matured) -> Began:
    first = float(window.time[0])
    loss = one.part.loss if one.part else None
    return onset(view, mine, BEGUN, loss) or Began(first, first, first)


def _unready(beat: _Beat, one: Slice, rows: int) -> tuple[Verdict, str] | None:
    version = beat.view.champion
    if one.part is None or one.part.loss is None:
        return Verdict.NOT_YET, f"{one.name}: too few held-out rows of {version} were in it"
    if rows < beat.options.min_rows:
        text = f"{one.name}: {rows} of {beat.options.min_rows} labelled rows answered by {version}"
        return Verdict.NOT_YET, text
    return None


def _drift(beat: _Beat, state: SlicesState, budget: Budget) -> tuple[SlicesState, list[Finding]]:
    options, view = beat.options, beat.view
    known = inputs.references(options, beat.slices)
    evidence = inputs.learn(options, state.inputs, view, beat.slices, known, budget)
    fresh = freshness(view.rows.time, view.rows.arrived, view.as_of, options.stale_after)
    quiet = f"no prediction for {plain(fresh.silent)}" if fresh is not None and fresh.late else ""
    since: dict[str, float] = {}
    over: list[str] = []
    findings = []
    for one in beat.slices:
        subject, refer = f"{one.name}:drift", known[one.name]
        mine = np.flatnonzero(one.rows)
        window = mine[options.window.pick(view.rows.time[mine])]
        if not refer:
            if one.part is None or not one.part.features:
                why = f"{one.name}: too few training rows of {view.champion} were in it"
                findings.append(beat.finding(subject, Verdict.NOT_YET, n=len(window), detail=why))
        elif quiet:
            findings.append(beat.finding(subject, Verdict.NO_DATA, n=len(window), detail=quiet))
        elif len(window) < options.min_rows:
            why = f"{one.name}: {len(window)} of {options.min_rows} rows"
            findings.append(beat.finding(subject, Verdict.NOT_YET, n=len(window), detail=why))
        else:
            moved = inputs.judge(options, evidence, state.moved, view, one, refer, window)
            since |= moved.since
            over += moved.over
            findings.append(_said(beat, subject, moved, view.rows.time[window]))
    evidence = replace(evidence, gauge=evidence.gauge.release(over))
    return replace(state, moved=since, inputs=evidence), findings


def _said(beat: _Beat, subject: str, moved: inputs.Moved, times: Floats) -> Finding:
    began = from_unix(min(moved.since.values())) if moved.since else None
    return beat.finding(
        subject,
        verdict_of(moved.severity),
        severity=moved.severity,
        started_at=began,
        age=beat.age(times),
        **moved.said,
    )
