"""Skew: is a feature, as the model was served it, what the training pipeline computes? Pure.

One subject a feature (``skew:amount``). Judged are comparisons of the champion's own version, each of which goes to the
alarm clock once. The surprising part: a breach needs no full window, since a feature that is computed in another way
differs in nearly every row; being well does.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.budget import Budget
from autoheal.monitors.compared import DIFFERENT, EQUAL, NOT_COMPARED, NOT_SERVED, NOT_TRAINED, Compared
from autoheal.monitors.contract import finding, from_unix, plain
from autoheal.monitors.data_quality.options import SkewOptions, SkewState
from autoheal.monitors.gauge import Bets
from autoheal.monitors.rows import Ints
from autoheal.monitors.view import View
from autoheal.stats.eprocess import log_e_batch

DAY = 86_400.0
KIND = "data_quality"


def subject(feature: str) -> str:
    return f"skew:{feature}"


def judge(
    options: SkewOptions, state: SkewState, view: View, now: datetime
) -> tuple[SkewState, tuple[Finding, ...]]:
    """The state after all comparisons so far, and a finding for each feature."""
    if state.version != view.champion:
        state = SkewState(view.champion, cursor=state.cursor)
    seen = view.skew
    names = [f.name for f in view.spec.features]
    if seen is None or not len(seen.arrived):
        why = "no features of the training pipeline were compared yet"
        return state, tuple(_plain(view, n, now, Verdict.NOT_YET, why) for n in names)
    ours = np.flatnonzero(seen.version == view.champion)
    state = _learn(options, state, seen, ours, view)
    windows = {n: ours[seen.codes[n][ours] != NOT_COMPARED][-options.rows :] for n in names}
    well = [n for n in names if _share(seen, n, windows[n]) <= options.too_much]
    state = replace(state, gauge=state.gauge.release([subject(n) for n in well]))
    found, since = [], {}
    silent = view.as_of - float(seen.arrived.max())
    for name in names:
        level = state.gauge.level(subject(name))
        if level and name not in well:
            since[name] = state.since.get(name, _began(seen, name, windows[name]))
        if silent > options.stale_after.total_seconds():
            why = f"no features of the training pipeline for {plain(silent)}"
            found.append(_plain(view, name, now, Verdict.NO_DATA, why))
        else:
            found.append(_judged(options, state, seen, windows[name], view, name, now, since.get(name)))
    return replace(state, since=since), tuple(found)


def _learn(options: SkewOptions, state: SkewState, seen: Compared, ours: Ints, view: View) -> SkewState:
    """Every comparison that came since the last beat goes to the clock."""
    new = ours[seen.arrived[ours] > (-np.inf if state.cursor is None else state.cursor)]
    if not len(new):
        return replace(state, cursor=view.as_of)
    bets: dict[str, Bets] = {}
    for name, codes in seen.codes.items():
        compared = codes[new][codes[new] != NOT_COMPARED]
        if len(compared):
            log_e = log_e_batch(options.too_much, len(compared), int((compared != EQUAL).sum()))
            bets[subject(name)] = (log_e, log_e)
    last = float(seen.time[new].min()) if state.last is None else state.last
    until = max(float(seen.time[new].max()), last)
    gauge = state.gauge.step(bets, (until - last) / DAY, view.budget)
    return replace(state, gauge=gauge, cursor=view.as_of, last=until)


def half(budget: Budget) -> Budget:
    """The budget of each of two clocks in place of one."""
    return replace(budget, share=budget.share / 2.0)


def _share(seen: Compared, name: str, window: Ints) -> float:
    return float((seen.codes[name][window] != EQUAL).mean()) if len(window) else 0.0


def _began(seen: Compared, name: str, window: Ints) -> float:
    """The earliest time of a prediction in the window whose feature differs."""
    return float(seen.time[window][seen.codes[name][window] != EQUAL].min())


def _judged(
    options: SkewOptions,
    state: SkewState,
    seen: Compared,
    window: Ints,
    view: View,
    name: str,
    now: datetime,
    since: float | None,
) -> Finding:
    share, n = _share(seen, name, window), len(window)
    level, evidence = state.gauge.level(subject(name)), state.gauge.evidence(subject(name))
    said = {"value": share, "reference": 0.0, "effect": share, "n": n}
    if since is not None:
        grave = options.critical is not None and share >= options.critical
        severity = Severity.CRITICAL if grave else Severity.WARNING
        return finding(
            view, KIND, subject(name), now, Verdict.BREACH, severity=severity, level=level, evidence=evidence,
            started_at=from_unix(since), detail=_told(seen, name, window), **said,
        )  # fmt: skip
    if n < options.rows:
        return _plain(view, name, now, Verdict.NOT_YET, f"{n} of {options.rows} ids compared")
    return finding(view, KIND, subject(name), now, Verdict.OK, evidence=evidence, **said)


def _told(seen: Compared, name: str, window: Ints) -> str:
    codes = seen.codes[name][window]
    parts = (
        (int((codes == DIFFERENT).sum()), "have another value"),
        (int((codes == NOT_SERVED).sum()), "were missing as served"),
        (int((codes == NOT_TRAINED).sum()), "are missing in the pipeline"),
    )
    return f"{name}: of {len(window)} ids " + ", ".join(f"{k} {what}" for k, what in parts if k)


def _plain(view: View, name: str, now: datetime, verdict: Verdict, why: str) -> Finding:
    return finding(view, KIND, subject(name), now, verdict, detail=why)
