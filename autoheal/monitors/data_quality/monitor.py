"""``data_quality``: rules on the newest rows, whoever answered them. Pure.

One subject a feature (the detail says which rule), and ``schema`` for columns that are not there at all. Needs no
statistics for the hard faults and no reference either; with the version's reference it also knows what is usual.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict
from autoheal.domain.specs import FeatureSpec
from autoheal.monitors.contract import finding, from_unix, plain
from autoheal.monitors.data_quality import rules
from autoheal.monitors.data_quality.options import DataQualityOptions, DataQualityState
from autoheal.monitors.data_quality.rules import Cells, Fault
from autoheal.monitors.freshness import freshness
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
        subjects = [f.name for f in view.spec.features] + [SCHEMA]
        unready = _unready(options, view)
        if unready is not None:
            verdict, why = unready
            return state, tuple(finding(view, self.kind, s, now, verdict, detail=why) for s in subjects)
        order = newest(view.rows.time, len(view.rows))
        faults = {f.name: _worst(options, view, f, order) for f in view.spec.features}
        faults[SCHEMA] = _schema(options, view, order)
        since: dict[str, float] = {}
        findings = []
        wide = view.rows.time[order[-max(options.wide_rows, options.rows) :]]
        for subject in subjects:
            fault = faults[subject]
            if fault is not None:
                since[subject] = state.since.get(subject, float(wide[fault.first]))
            said = _said(fault, from_unix(since[subject]) if subject in since else None)
            detail = f"{subject}: {fault.detail}" if fault else ""
            findings.append(finding(view, self.kind, subject, now, **said, n=options.rows, detail=detail))
        return DataQualityState(since), tuple(findings)


def _said(fault: Fault | None, began: datetime | None) -> dict[str, Any]:
    """A fault, or none, in the words of a finding."""
    if fault is None:
        return {"verdict": Verdict.OK, "value": 0.0, "effect": 0.0}
    return {
        "verdict": Verdict.BREACH,
        "severity": fault.severity,
        "value": fault.share,
        "reference": fault.usual,
        "effect": fault.share - fault.usual,
        "evidence": fault.evidence,
        "started_at": began,
    }


def _worst(options: DataQualityOptions, view: View, feature: FeatureSpec, order: Ints) -> Fault | None:
    """The gravest fault of one column; among equals the one that explains the others."""
    known = view.reference.features.get(feature.name) if view.reference else None
    column = view.rows.features[feature.name]
    wide = column.take(order[-max(options.wide_rows, options.rows) :])
    cells = Cells(wide, options.rows, len(view.spec.features))
    found = [rules.gone(cells), rules.empty(cells, known), rules.wrong_type(cells, options)]
    if known is not None and known.rows:
        found += [
            rules.missing(cells, known, options),
            rules.out_of_range(cells, known, options),
            rules.new_category(cells, known, options),
        ]
        if options.constant:
            found.append(rules.stuck(column.take(order), known, options.rows))
    faults = [f for f in found if f is not None]
    return max(faults, key=lambda f: f.severity.rank) if faults else None


def _schema(options: DataQualityOptions, view: View, order: Ints) -> Fault | None:
    """Columns that none of the newest rows has."""
    recent = order[-options.rows :]
    absent = [n for n, c in view.rows.features.items() if bool((c.state[recent] == ABSENT).all())]
    if not absent:
        return None
    share = len(absent) / len(view.spec.features)
    wide = order[-max(options.wide_rows, options.rows) :]
    first = rules.gone(Cells(view.rows.features[absent[0]].take(wide), options.rows, 1))
    named = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
    detail = f"{named} absent from all of the newest {options.rows} rows"
    return Fault("schema", Severity.CRITICAL, share, 0.0, first.first if first else 0, detail)


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
