"""The demo's end: a table with one row per incident and model, and whether all of it healed. Pure.

Performance is compared on the same rows, with healing and without, from the moment the incident opened to 30 days
after it closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from autoheal.demo.faults import Faults
from autoheal.demo.fleet import FLEET, DemoModel
from autoheal.demo.twin import Books
from autoheal.domain.names import Cause
from autoheal.domain.records import Incident
from autoheal.domain.world import World

AFTERWARDS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Line:
    """One incident as it went for one model. Durations in data time; the metric with healing and without."""

    incident: str
    target: str
    model: str
    cause: str
    action: str
    outcome: str
    began: datetime
    detect: timedelta
    recover: timedelta | None
    verified: bool
    metric: str
    healed: float | None
    alone: float | None
    rows: int


@dataclass(frozen=True, slots=True)
class Report:
    """``missing`` says what should have happened and did not."""

    lines: tuple[Line, ...]
    overall: tuple[Line, ...]
    missing: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Every incident healed, verified, and none was missed."""
        return bool(self.lines) and all(line.verified for line in self.lines) and not self.missing


def make(world: World, books: Books, faults: Faults) -> Report:
    incidents = [i for i in world.incidents.values() if not i.outcome.startswith("part of")]
    lines = tuple(
        _line(incident, model, books)
        for incident in incidents
        for model in FLEET
        if model.name in incident.models
    )
    overall = tuple(line for model in FLEET if (line := _overall(model, books)))
    return Report(lines, overall, tuple(_missing(incidents, faults)))


def _line(incident: Incident, model: DemoModel, books: Books) -> Line:
    end = (incident.closed_at or incident.opened_at) + AFTERWARDS
    found = books.compare(model.name, model.metric, incident.opened_at, end)
    return Line(
        incident=incident.id,
        target=incident.target,
        model=model.name,
        cause=incident.cause.replace("_", " "),
        action=_action(incident),
        outcome=incident.outcome or str(incident.state),
        began=incident.started_at,
        detect=incident.opened_at - incident.started_at,
        recover=incident.closed_at - incident.opened_at if incident.closed_at else None,
        verified=incident.verified,
        metric=model.metric,
        healed=found[0] if found else None,
        alone=found[1] if found else None,
        rows=found[2] if found else 0,
    )


def _action(incident: Incident) -> str:
    words = {"failed": " ✗", "not_healed": " ✗", "skipped": " –"}
    return ", ".join(a.runbook + words.get(a.outcome, "") for a in incident.attempts) or "none"


def _overall(model: DemoModel, books: Books) -> Line | None:
    rows = books.rows[model.name]
    if not rows:
        return None
    found = books.compare(model.name, model.metric, rows[0].time, rows[-1].time)
    if found is None:
        return None
    none = timedelta(0)
    return Line("all", "", model.name, "", "", "", rows[0].time, none, None, True, model.metric, *found)


def _missing(incidents: list[Incident], faults: Faults) -> list[str]:
    """The two injected faults must each be exactly one incident with the right cause; drift must have been healed."""
    wrong = []
    releases = [i for i in incidents if i.cause is Cause.BAD_RELEASE and faults.release.model in i.models]
    if not any(
        i.verified and any(a.runbook == "rollback" and a.outcome == "healed" for a in i.attempts)
        for i in releases
    ):
        wrong.append(f"the bad release of {faults.release.model} was not rolled back")
    broken = [i for i in incidents if i.cause is Cause.UPSTREAM_FAULT]
    if len(broken) != 1:
        wrong.append(f"the broken feed made {len(broken)} incidents, not one")
    if any(a.runbook.startswith("retrain") for i in broken for a in i.attempts):
        wrong.append("something was retrained on broken data")
    drifted = {Cause.CONCEPT_DRIFT, Cause.COVARIATE_DRIFT}
    if not any(i.cause in drifted and i.verified for i in incidents):
        wrong.append("no drift was found and healed")
    return wrong


def table(report: Report) -> str:
    """The report as text, within 110 columns."""
    head = ("INCIDENT", "MODEL", "CAUSE", "ACTION", "DETECT", "RECOVER", "VERIFIED", "HEALED", "WITHOUT")
    rows = [head]
    for line in report.lines:
        rows.append(
            (
                line.incident,
                line.model,
                line.cause,
                line.action,
                _days(line.detect),
                _days(line.recover),
                "✓ yes" if line.verified else "✗ no",
                _number(line, line.healed),
                _number(line, line.alone),
            )
        )
    for line in report.overall:
        healed, alone = _number(line, line.healed), _number(line, line.alone)
        rows.append(("all rows", line.model, "", "", "", "", "", healed, alone))
    widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
    text = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    verdict = "every incident healed and was verified" if report.good else "not everything healed"
    return "\n".join(
        [text[0], "-" * len(text[0]), *text[1:], "", verdict, *(f"missing: {m}" for m in report.missing)]
    )


def as_json(report: Report) -> dict[str, Any]:
    return {
        "good": report.good,
        "missing": list(report.missing),
        "incidents": [_plain(line) for line in report.lines],
        "overall": [_plain(line) for line in report.overall],
    }


def _plain(line: Line) -> dict[str, Any]:
    return {
        "incident": line.incident,
        "target": line.target,
        "model": line.model,
        "cause": line.cause.replace(" ", "_"),
        "action": line.action,
        "outcome": line.outcome,
        "began": line.began.isoformat(),
        "time_to_detect_s": line.detect.total_seconds(),
        "time_to_recover_s": line.recover.total_seconds() if line.recover is not None else None,
        "verified": line.verified,
        "metric": line.metric,
        "with_healing": line.healed,
        "without_healing": line.alone,
        "rows": line.rows,
    }


def _days(value: timedelta | None) -> str:
    if value is None:
        return "–"
    hours = value.total_seconds() / 3600
    return f"{hours / 24:.1f} d" if hours >= 24 else f"{hours:.1f} h"


def _number(line: Line, value: float | None) -> str:
    if value is None:
        return "–"
    return f"mae {value:.1f}" if line.metric == "mae" else f"acc {value:.3f}"
