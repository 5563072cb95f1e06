"""Do the inputs within a slice look like that slice's training rows? Pure.

As ``data_drift`` does it for the whole: PSI on the column's bins as effect, and an alarm clock of its own over all
slices and features together. The surprising part: a step is taken when an hour of data (or 5,000 rows) has come, by
the slices that have enough new rows by then; the others wait and lose nothing but time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autoheal.domain.names import Severity
from autoheal.monitors.budget import Budget
from autoheal.monitors.drift import bets, compare
from autoheal.monitors.reference import FeatureReference
from autoheal.monitors.rows import Ints, Rows, in_place
from autoheal.monitors.slices.options import InputsEvidence, SlicesOptions
from autoheal.monitors.slices.watched import Slice
from autoheal.monitors.view import View
from autoheal.monitors.yardstick import Tally, yardstick

DAY, HOUR, MOST_ROWS = 86_400.0, 3_600.0, 5_000
#: Pairs of a slice and a feature that are watched at most: each is a stream of evidence.
MOST_PAIRS = 500
#: A breach lasts while the effect is above this share of what began it.
LASTING = 0.75


@dataclass(frozen=True, slots=True)
class Moved:
    """The feature that has moved most, among those in breach if there are any; ``since`` those in breach by pair."""

    severity: Severity
    said: Mapping[str, Any]
    since: Mapping[str, float]
    over: tuple[str, ...]


def pair(name: str, feature: str) -> str:
    """What the gauge calls a feature within a slice."""
    return f"{name} {feature}"


def references(options: SlicesOptions, slices: Sequence[Slice]) -> dict[str, dict[str, FeatureReference]]:
    """By slice, the features that are watched in it: those asked for, in the model's order, as far as pairs go."""
    most = max(MOST_PAIRS // max(len(slices), 1), 1)
    found: dict[str, dict[str, FeatureReference]] = {}
    for one in slices:
        known = one.part.features if one.part is not None else {}
        names = [name for name in known if not options.features or name in options.features][:most]
        found[one.name] = {name: known[name] for name in names}
    return found


def learn(
    options: SlicesOptions,
    state: InputsEvidence,
    view: View,
    slices: Sequence[Slice],
    known: Mapping[str, Mapping[str, FeatureReference]],
    budget: Budget,
) -> InputsEvidence:
    """With the windows that are complete by now."""
    state = _without(state, {pair(name, feature) for name, mine in known.items() for feature in mine})
    rows = view.rows
    fresh = rows.arrived > (-math.inf if state.cursor is None else state.cursor)
    if not fresh.any():
        return state
    newest = float(rows.time[fresh].max())
    last = float(rows.time[fresh].min()) if state.last is None else state.last
    if newest - last < HOUR and int(np.count_nonzero(fresh)) < MOST_ROWS:
        return state
    log_e, cursors = {}, dict(state.cursors)
    for one in slices:
        mine = known[one.name]
        new = np.flatnonzero(one.rows & (rows.arrived > state.cursors.get(one.name, -math.inf)))
        if len(new) >= options.min_rows and mine:
            weak, strict = bets(tuple(mine.values()), _count(mine, rows, new), options.harmless)
            log_e.update({pair(one.name, f): (weak[i], strict[i]) for i, f in enumerate(mine)})
            cursors[one.name] = view.as_of
    if not log_e:
        return state
    gauge = state.gauge.step(log_e, max(newest - last, 0.0) / DAY, budget)
    return InputsEvidence(gauge, cursors, view.as_of, max(newest, last))


def judge(
    options: SlicesOptions,
    state: InputsEvidence,
    before: Mapping[str, float],
    view: View,
    one: Slice,
    known: Mapping[str, FeatureReference],
    window: Ints,
) -> Moved:
    """What to say about the newest rows of a slice."""
    seen = compare(list(known.values()), _count(known, view.rows, window))
    first = float(view.rows.time[window].min())
    since, over, candidates = {}, [], []
    for feature, moved in zip(known, seen, strict=True):
        key = pair(one.name, feature)
        effect = _severity(options, moved.psi, lasting=key in before)
        level = state.gauge.level(key)
        severity = effect if level else Severity.NONE
        if severity is not Severity.NONE:
            since[key] = before.get(key, first)
        elif effect is Severity.NONE and key in before:
            over.append(key)
        candidates.append((severity.rank, moved.psi, feature, severity, level, moved))
    _, _, feature, severity, level, moved = max(candidates, key=lambda c: c[:3])
    key = pair(one.name, feature)
    evidence = max(state.gauge.evidence(key), -700.0)
    spec = view.spec.feature(feature)
    words = f"one of its bins {moved.shares}" if spec is not None and spec.sensitive else moved.moved
    said = _say(options, one, feature, moved.psi, words, len(window), len(since))
    said |= {"level": level if severity is not Severity.NONE else "", "evidence": evidence}
    return Moved(severity, said, since, tuple(over))


def _say(
    options: SlicesOptions, one: Slice, feature: str, psi: float, words: str, n: int, others: int
) -> dict[str, Any]:
    more = f" (and {others - 1} more)" if others > 1 else ""
    return {
        "value": psi,
        "reference": options.psi_warning,
        "effect": psi,
        "n": n,
        "detail": f"{one.name}: PSI of {feature} {psi:.2f}{more}; {words}, n={n}",
    }


def _severity(options: SlicesOptions, psi: float, *, lasting: bool) -> Severity:
    if psi >= options.psi_critical:
        return Severity.CRITICAL
    share = LASTING if lasting else 1.0
    return Severity.WARNING if psi >= options.psi_warning * share else Severity.NONE


def _count(known: Mapping[str, FeatureReference], rows: Rows, window: Ints) -> Tally:
    chosen = in_place(window)
    return yardstick(tuple(known.values())).tally([rows.features[n].take(chosen) for n in known])


def _without(state: InputsEvidence, pairs: set[str]) -> InputsEvidence:
    """Pairs that are no longer watched count no more."""
    tracks = (state.gauge.notify, state.gauge.act)
    gone = {name for track in tracks for name in (*track.log_r, *track.held)} - pairs
    return replace(state, gauge=state.gauge.release(gone)) if gone else state
