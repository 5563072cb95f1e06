"""``data_quality``: rules on the newest rows, whoever answered them. Pure.

One subject a feature (the detail says which rule), ``schema`` for columns that are not there at all, and with the option
``skew`` one more a feature, whether it is what the training pipeline computes. Needs no
statistics for the hard faults and no reference either; with the version's reference it also knows what is usual.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.contract import finding, from_unix, plain
from autoheal.monitors.data_quality import rules, skew
from autoheal.monitors.data_quality.evidence import learn, subject
from autoheal.monitors.data_quality.options import DataQualityOptions, DataQualityState
from autoheal.monitors.data_quality.rules import Cells, Fault
from autoheal.monitors.freshness import freshness
from autoheal.monitors.gauge import Gauge, Level
from autoheal.monitors.reference import FeatureReference
from autoheal.monitors.rows import ABSENT, Ints, newest
from autoheal.monitors.view import View

SCHEMA = "schema"


class DataQuality:
    kind = "data_quality"
    Options = DataQualityOptions
    State = DataQualityState

    def start(self) -> DataQualityState:
        return DataQualityState()

    def update(
        self, options: DataQualityOptions, state: DataQualityState, view: View, now: datetime
    ) -> tuple[DataQualityState, tuple[Finding, ...]]:
        if options.skew is None:
            return self._rules(options, state, view, now)
        view = replace(view, budget=skew.half(view.budget))
        ruled, found = self._rules(options, state, view, now)
        skewed, more = skew.judge(options.skew, state.skew, view, now)
        return replace(ruled, skew=skewed), found + more

    def _rules(
        self, options: DataQualityOptions, state: DataQualityState, view: View, now: datetime
    ) -> tuple[DataQualityState, tuple[Finding, ...]]:
        if state.version != view.champion:
            state = DataQualityState(view.champion, state.since, cursor=state.cursor, last=state.last)
        known = _known(view)
        state = learn(options, state, known, view.rows, view.as_of, view.budget)
        subjects = [f.name for f in view.spec.features] + [SCHEMA]
        unready = _unready(options, view)
        if unready is not None:
            verdict, why = unready
            return state, tuple(finding(view, self.kind, s, now, verdict, detail=why) for s in subjects)
        order = newest(view.rows.time, len(view.rows))
        gauge = _without_recovered(options, state.gauge, view, known, order)
        faults = {n: _worst(options, gauge, view, n, order) for n in view.rows.features}
        faults[SCHEMA] = _schema(options, view, order)
        since: dict[str, float] = {}
        findings = []
        wide = view.rows.time[order[-max(options.wide_rows, options.rows) :]]
        for name in subjects:
            found = faults.get(name)
            if found is not None:
                since[name] = state.since.get(name, float(wide[found.fault.first]))
            said = _said(found, from_unix(since[name]) if name in since else None)
            feature = view.spec.feature(name)
            hide = feature is not None and feature.sensitive
            detail = f"{name}: {_in_words(options, found.fault, hide=hide)}" if found else ""
            findings.append(finding(view, self.kind, name, now, **said, n=options.rows, detail=detail))
        return replace(state, since=since, gauge=gauge), tuple(findings)


@dataclass(frozen=True, slots=True)
class _Found:
    """A fault, and what the alarm clock says of it (nothing of a hard rule)."""

    fault: Fault
    level: Level = ""
    evidence: float | None = None


def _in_words(options: DataQualityOptions, fault: Fault, *, hide: bool) -> str:
    """A fault's own words may name values; those of a sensitive column only name the rule."""
    if not hide:
        return fault.detail
    return f"{fault.rule}: {fault.share:.0%} of the newest {options.rows} rows, {fault.usual:.1%} in the reference"


def _known(view: View) -> Mapping[str, FeatureReference]:
    """The columns that the reference knows and that arrive at all."""
    reference = view.reference.features if view.reference else {}
    return {n: reference[n] for n in view.rows.features if n in reference and reference[n].rows}


def _said(found: _Found | None, began: datetime | None) -> dict[str, Any]:
    """A fault, or none, in the words of a finding."""
    if found is None:
        return {"verdict": Verdict.OK, "value": 0.0, "effect": 0.0}
    return {
        "verdict": Verdict.BREACH,
        "severity": found.fault.severity,
        "level": found.level,
        "value": found.fault.share,
        "reference": found.fault.usual,
        "effect": found.fault.share - found.fault.usual,
        "evidence": found.evidence,
        "started_at": began,
    }


def _without_recovered(
    options: DataQualityOptions, gauge: Gauge, view: View, known: Mapping[str, FeatureReference], order: Ints
) -> Gauge:
    """The clock, with the rates released that went off and that the newest rows no longer show."""
    over = []
    for name, reference in known.items():
        cells = Cells(view.rows.features[name].take(order[-options.rows :]), options.rows)
        for rule, mask in rules.rates(cells.column, reference, options):
            watched = subject(name, rule.name)
            if gauge.level(watched) and rules.too_many(rule, mask, cells, options) is None:
                over.append(watched)
    return gauge.release(over)


def _worst(options: DataQualityOptions, gauge: Gauge, view: View, name: str, order: Ints) -> _Found | None:
    """The gravest fault of one column; among equals the one that explains the others."""
    known = view.reference.features.get(name) if view.reference else None
    column = view.rows.features[name]
    cells = Cells(column.take(order[-max(options.wide_rows, options.rows) :]), options.rows)
    hard = [rules.gone(cells), rules.empty(cells, known)]
    if any(hard) and not rules.lasting(column, order, known, options.rows):
        hard = []
    found = [_Found(f) for f in (*hard, rules.wrong_type(cells, options)) if f is not None]
    if known is not None and known.rows:
        for rule, mask in rules.rates(cells.column, known, options):
            watched = subject(name, rule.name)
            fault, level = rules.too_many(rule, mask, cells, options), gauge.level(watched)
            if fault is not None and level:
                found.append(_Found(fault, level, gauge.evidence(watched)))
        stuck = rules.stuck(column.take(order), known, options.rows) if options.constant else None
        found += [_Found(stuck)] if stuck is not None else []
    return max(found, key=lambda f: f.fault.severity.rank) if found else None


def _schema(options: DataQualityOptions, view: View, order: Ints) -> _Found | None:
    """Columns that none of the newest rows has."""
    recent = order[-options.rows :]
    reference = view.reference.features if view.reference else {}
    absent = [
        n
        for n, c in view.rows.features.items()
        if bool((c.state[recent] == ABSENT).all()) and rules.lasting(c, order, reference.get(n), options.rows)
    ]
    if not absent:
        return None
    share = len(absent) / len(view.spec.features)
    wide = order[-max(options.wide_rows, options.rows) :]
    first = rules.gone(Cells(view.rows.features[absent[0]].take(wide), options.rows))
    named = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
    detail = f"{named} absent from all of the newest {options.rows} rows"
    return _Found(Fault("schema", Severity.CRITICAL, share, 0.0, first.first if first else 0, detail))


def _unready(options: DataQualityOptions, view: View) -> tuple[Verdict, str] | None:
    rows = view.rows
    fresh = freshness(rows.time, rows.arrived, view.as_of, options.stale_after)
    if fresh is None:
        return Verdict.NOT_YET, "no prediction has arrived yet"
    if fresh.late:
        return Verdict.NO_DATA, f"no prediction for {plain(fresh.silent)}"
    if len(rows) < options.rows:
        return Verdict.NOT_YET, f"{len(rows)} of {options.rows} rows"
    return None
