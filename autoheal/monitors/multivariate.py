"""``multivariate``: drift that no single feature shows. Only ever notifies. Pure.

Subjects ``means`` (Hotelling's T2: many small shifts at once) and ``pairs`` (the largest z of the second moments: spreads
and correlations; the detail names the pair). A window's statistics are ranked among those of the last 200 healthy
windows, first the training data's own, then live ones; the ranks bet on the alarm clock. The surprising part: a live
window waits ten windows before it joins the healthy ones, and never does if the clock goes off meanwhile, or a slow
drift would teach the monitor that it is usual. Method: ``stats.multivariate``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np
from pydantic import Field

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.champion import broken_inputs
from autoheal.monitors.contract import finding, from_unix, plain, verdict_of
from autoheal.monitors.freshness import freshness
from autoheal.monitors.gauge import Bets, Gauge
from autoheal.monitors.options import MonitorOptions, Window
from autoheal.monitors.reference_parts import Joint
from autoheal.monitors.rows import Bools, Floats, Ints
from autoheal.monitors.unread import Mark, unread
from autoheal.monitors.view import View
from autoheal.stats import multivariate, seasonal
from autoheal.stats.design_effect import correlation_time

Subject = Literal["means", "pairs"]
SUBJECTS: tuple[Subject, ...] = ("means", "pairs")
#: Healthy windows that are kept, those without which a rank says nothing, and those that wait to join them.
HISTORY, LEAST_HISTORY, WAITING = 200, 20, 10
#: A breach lasts while the effect is above this share of what began it, and the newest windows, by the median of so many
#: ranks, are not as usual: where rows resemble each other healthy windows are far from the mean too.
LASTING = 0.75
RECENT, USUAL = 3, 0.25
#: Log evidence that never goes off: this monitor is not allowed to act.
NEVER = np.full(len(seasonal.POWERS), -700.0)


class MultivariateOptions(MonitorOptions):
    """``min_shift``: distance of the means, in standard deviations along the features' own directions. ``min_pair``:
    change of a mean product of two standardised features (of a correlation, when spreads stay)."""

    window: Window = Window(rows=500)
    min_rows: int = Field(default=200, ge=50)
    min_shift: float = Field(default=0.2, gt=0)
    min_pair: float = Field(default=0.2, gt=0)


@dataclass(frozen=True, slots=True)
class MultivariateState:
    """Of one version. ``healthy`` and ``waiting``: T2 and max |z| of live windows, oldest first; ``recent``: the rank
    p-values of the newest windows."""

    version: str = ""
    gauge: Gauge = field(default_factory=Gauge)
    mark: Mark = field(default_factory=Mark)
    healthy: tuple[tuple[float, float], ...] = ()
    waiting: tuple[tuple[float, float], ...] = ()
    since: Mapping[str, float] = field(default_factory=dict)
    recent: tuple[tuple[float, float], ...] = ()


class Multivariate:
    kind = "multivariate"
    Options = MultivariateOptions
    State = MultivariateState

    def start(self) -> MultivariateState:
        return MultivariateState()

    def update(
        self, options: MultivariateOptions, state: MultivariateState, view: View, now: datetime
    ) -> tuple[MultivariateState, tuple[Finding, ...]]:
        if state.version != view.champion:
            state = MultivariateState(view.champion, mark=state.mark)
        joint = view.reference.joint if view.reference else None
        unready = _unusable(view, joint)
        if joint is None or unready is not None:
            verdict, why = unready or (Verdict.NOT_YET, "")
            return state, tuple(finding(view, self.kind, s, now, verdict, detail=why) for s in SUBJECTS)
        usable = ~broken_inputs(view) & (view.rows.time >= view.since)
        state = _learn(options, state, view, joint, usable)
        places = np.flatnonzero(usable)
        places = places[options.window.pick(view.rows.time[places])]
        silent = _unready(options, state, view, joint, len(places))
        if silent is not None:
            verdict, why = silent
            return state, tuple(
                finding(view, self.kind, s, now, verdict, n=len(places), detail=why) for s in SUBJECTS
            )
        said = {s: _judge(options, state, joint, view, places, s) for s in SUBJECTS}
        since: dict[str, float] = {
            s: state.since.get(s, float(view.rows.time[places].min()))
            for s, what in said.items()
            if what["verdict"] is Verdict.BREACH
        }
        findings = tuple(
            finding(view, self.kind, s, now, started_at=from_unix(since[s]) if s in since else None, **what)
            for s, what in said.items()
        )
        over = [s for s in state.since if s not in since]
        return replace(state, since=since, gauge=state.gauge.release(over)), findings


def _unusable(view: View, joint: Joint | None) -> tuple[Verdict, str] | None:
    if joint is None:
        why = "too few training rows, too many features, or an old reference"
        return (
            Verdict.NOT_YET,
            f"version {view.champion or '(none)'} does not know its features together: {why}",
        )
    strange = [name for name in joint.features if name not in view.rows.features]
    if strange:
        return Verdict.ERROR, f"the reference has columns that the model has not: {', '.join(strange[:5])}"
    return None


def _unready(
    options: MultivariateOptions, state: MultivariateState, view: View, joint: Joint, rows: int
) -> tuple[Verdict, str] | None:
    fresh = freshness(view.rows.time, view.rows.arrived, view.as_of, options.stale_after)
    if fresh is not None and fresh.late:
        return Verdict.NO_DATA, f"no prediction for {plain(fresh.silent)}"
    if rows < options.min_rows:
        return Verdict.NOT_YET, f"{rows} of {options.min_rows} rows with sound inputs"
    healthy = len(_history(state, joint))
    if healthy < LEAST_HISTORY:
        return Verdict.NOT_YET, f"{healthy} of {LEAST_HISTORY} healthy windows to compare with"
    return None


def _history(state: MultivariateState, joint: Joint) -> Floats:
    """Both statistics of the last healthy windows, (windows, 2)."""
    known = np.stack([joint.t2, joint.max_z], axis=1) / _own_error(joint, joint.window)
    live = np.array(state.healthy, np.float64).reshape(-1, 2)
    both: Floats = np.concatenate([known, live])[-HISTORY:]
    return both


def _own_error(joint: Joint, rows: int) -> Floats:
    """What the error of the law itself adds to both statistics of a window."""
    more = 1.0 + rows / joint.fitted
    return np.array([more, math.sqrt(more)])


def _learn(
    options: MultivariateOptions, state: MultivariateState, view: View, joint: Joint, usable: Bools
) -> MultivariateState:
    """Every sound row is evidence once; windows that prove healthy join the history."""
    windows, mark = unread(view, usable, state.mark, options.min_rows)
    for window in windows:
        shift = _shift(joint, view, window.places)
        values = np.array([shift.t2, shift.max_z]) / _own_error(joint, len(window.places))
        history = _history(state, joint)
        gauge = state.gauge
        if len(history) >= LEAST_HISTORY:
            means, pairs = (
                seasonal.rank_p(float(v), past) for v, past in zip(values, history.T, strict=True)
            )
            gauge = gauge.step(_bets((means, pairs), _alike(state, joint)), window.days, view.budget)
            state = replace(state, recent=(*state.recent, (means, pairs))[-RECENT:])
        state = replace(_grown(state, (float(values[0]), float(values[1])), gauge), gauge=gauge)
    return replace(state, mark=mark)


def _bets(ranks: tuple[float, float], alike: Floats) -> dict[str, Bets]:
    """By how many windows say as much as one: a power below 1 of an e-value is one (Jensen)."""
    return {name: (seasonal.log_e_rank(ranks[i]) / alike[i], NEVER) for i, name in enumerate(SUBJECTS)}


def _alike(state: MultivariateState, joint: Joint) -> Floats:
    """How many neighbouring windows say as much as one of their own: a weekend, a promotion or a slow wave is many windows
    of one kind. The training data's are every second window, so that there twice as many lie between."""
    history = _history(state, joint)
    known = max(len(history) - len(state.healthy), 0)
    found = []
    for i in range(len(SUBJECTS)):
        past, live = (
            correlation_time(part) if len(part) else 1.0 for part in (history[:known, i], history[known:, i])
        )
        found.append(max(2.0 * past - 1.0, live))
    return np.array(found)


def _grown(state: MultivariateState, values: tuple[float, float], gauge: Gauge) -> MultivariateState:
    """The histories after one more window; those that wait are forgotten when the clock has gone off."""
    if any(gauge.level(s) for s in SUBJECTS):
        return replace(state, waiting=())
    waiting = (*state.waiting, values)
    healthy = (*state.healthy, *waiting[:-WAITING])
    return replace(state, healthy=healthy[-HISTORY:], waiting=waiting[-WAITING:])


def _shift(joint: Joint, view: View, places: Ints) -> multivariate.Shift:
    return multivariate.compare(joint.law, _moments(joint, view, places))


def _moments(joint: Joint, view: View, places: Ints) -> multivariate.Moments:
    return multivariate.moments(joint.law, joint.matrix(view.rows.features, places))


def _judge(
    options: MultivariateOptions,
    state: MultivariateState,
    joint: Joint,
    view: View,
    places: Ints,
    name: Subject,
) -> dict[str, Any]:
    """What to say about one subject on the newest rows."""
    sums = _moments(joint, view, places)
    shift = multivariate.compare(joint.law, sums)
    if name == "means":
        value, limit = shift.t2, options.min_shift
        effect = math.sqrt(max(shift.t2 - len(joint.features), 0.0) / sums.n)
        words = _means_in_words(joint, sums.first / sums.n - joint.law.mean, effect)
    else:
        i, j = shift.pair
        before, after = float(joint.law.product[i, j]), float(sums.second[i, j] / sums.n)
        value, limit, effect = shift.max_z, options.min_pair, abs(after - before)
        words = _pair_in_words(joint.features, i, j, before, after)
    level = state.gauge.level(name)
    ranks = [ps[SUBJECTS.index(name)] for ps in state.recent]
    odd = bool(ranks) and float(np.median(ranks)) <= USUAL
    bad = bool(level) and odd and effect >= limit * (LASTING if name in state.since else 1.0)
    severity = Severity.WARNING if bad else Severity.NONE
    return {
        "verdict": verdict_of(severity),
        "severity": severity,
        "value": value,
        "reference": float(np.median(_history(state, joint)[:, SUBJECTS.index(name)])),
        "effect": effect,
        "evidence": max(state.gauge.evidence(name), -700.0),
        "level": level if bad else "",
        "n": sums.n,
        "detail": f"{words}, n={sums.n}",
    }


def _means_in_words(joint: Joint, away: Floats, distance: float) -> str:
    most = np.argsort(-np.abs(away), kind="stable")[:3]
    parts = ", ".join(f"{joint.features[i]} {away[i]:+.2f}" for i in most)
    return f"the means together are {distance:.2f} sd away; most: {parts}"


def _pair_in_words(features: Sequence[str], i: int, j: int, before: float, after: float) -> str:
    if i == j:
        return f"{features[i]}: mean square {before:.2f} -> {after:.2f}"
    return f"{features[i]} with {features[j]}: mean product {before:+.2f} -> {after:+.2f}"
