"""The demo's end: a table with one row per incident and model, and whether all of it healed. Pure.

Performance is compared on the same rows, with healing and without, from the first action to a fortnight after the
incident closed. What the player itself broke is dated by the player; drift begins when autoheal thinks it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from autoheal.demo.faults import Faults
from autoheal.demo.fleet import FLEET, DemoModel
from autoheal.demo.player import Player
from autoheal.demo.twin import Books
from autoheal.domain.names import Cause, IncidentState
from autoheal.domain.records import Attempt, Incident
from autoheal.domain.world import World

AFTERWARDS = timedelta(days=14)
DRIFT = frozenset({Cause.CONCEPT_DRIFT, Cause.COVARIATE_DRIFT})
MARKS = {"failed": "✗", "not_healed": "✗", "skipped": "–", "running": "…"}


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
    dated_by: str
    detect: timedelta
    recover: timedelta | None
    verified: bool
    metric: str
    healed: float | None
    alone: float | None
    rows: int


@dataclass(frozen=True, slots=True)
class Overall:
    """One model over all its rows; ``unanswered`` got no answer at all and count on neither side."""

    model: str
    metric: str
    healed: float
    alone: float
    rows: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class Report:
    """``missing`` says what should have happened and did not; a play that was stopped early is not ``complete``."""

    lines: tuple[Line, ...]
    overall: tuple[Overall, ...]
    missing: tuple[str, ...]
    faults: Faults
    complete: bool = True

    @property
    def good(self) -> bool:
        """Every incident healed, verified, and none was missed."""
        return self.complete and all(line.verified for line in self.lines) and not self.missing


def make(world: World, player: Player, *, complete: bool = True) -> Report:
    incidents = [i for i in world.incidents.values() if not i.outcome.startswith("part of")]
    lines = tuple(
        _line(incident, model, player)
        for incident in incidents
        for model in FLEET
        if model.name in incident.models
    )
    overall = tuple(line for model in FLEET if (line := _overall(model, player.books)))
    missing = tuple(_missing(incidents, player.faults)) if complete else ()
    return Report(lines, overall, missing, player.faults, complete)


def _line(incident: Incident, model: DemoModel, player: Player) -> Line:
    first = incident.attempts[0].at if incident.attempts else incident.opened_at
    end = (incident.closed_at or incident.opened_at) + AFTERWARDS
    found = player.books.compare(model.name, model.metric, first, end)
    injected = _injected(incident, player)
    began = injected or incident.started_at
    return Line(
        incident=incident.id,
        target=incident.target,
        model=model.name,
        cause=str(incident.cause),
        action=_action(incident.attempts),
        outcome=incident.outcome or str(incident.state),
        began=began,
        dated_by="player" if injected else "autoheal",
        detect=incident.opened_at - began,
        recover=incident.closed_at - incident.opened_at if incident.closed_at else None,
        verified=incident.verified and incident.state is IncidentState.CLOSED,
        metric=model.metric,
        healed=found[0] if found else None,
        alone=found[1] if found else None,
        rows=found[2] if found else 0,
    )


def _injected(incident: Incident, player: Player) -> datetime | None:
    """When the player broke what this incident is about."""
    faults = player.faults
    if incident.cause is Cause.UPSTREAM_FAULT and faults.upstream.start <= incident.opened_at:
        return faults.upstream.start
    if incident.cause is Cause.BAD_RELEASE and faults.release.model in incident.models:
        return player.released_at
    return None


def _action(attempts: Sequence[Attempt]) -> str:
    """``retrain ✗✓``: what was tried, in order, and how each try ended."""
    said = []
    for runbook, tries in groupby(attempts, key=lambda a: a.runbook):
        told = runbook == "notify"
        marks = "".join("" if told else MARKS.get(a.outcome, "✓") for a in tries)
        said.append(f"{runbook} {marks}".strip())
    return ", ".join(said) or "none"


def _overall(model: DemoModel, books: Books) -> Overall | None:
    rows = books.rows[model.name]
    found = books.compare(model.name, model.metric, rows[0].time, rows[-1].time) if rows else None
    return None if found is None else Overall(model.name, model.metric, *found, books.unanswered(model.name))


def _missing(incidents: Sequence[Incident], faults: Faults) -> list[str]:
    """The two injected faults must each be exactly one incident with the right cause; drift must have been healed."""
    wrong = []
    releases = [i for i in incidents if i.cause is Cause.BAD_RELEASE and faults.release.model in i.models]
    if not any(i.verified and i.attempts and i.attempts[-1].runbook == "rollback" for i in releases):
        wrong.append(f"the bad release of {faults.release.model} was not rolled back")
    broken = [i for i in incidents if i.cause is Cause.UPSTREAM_FAULT]
    if len(broken) != 1:
        wrong.append(f"the broken feed made {len(broken)} incidents, not one")
    if any(a.runbook.startswith("retrain") for i in broken for a in i.attempts):
        wrong.append("something was retrained on broken data")
    if not any(i.cause in DRIFT and i.verified and i.target != faults.release.model for i in incidents):
        wrong.append("no drift of the bikes was found and healed")
    if not any(i.cause in DRIFT and i.verified and i.target == faults.release.model for i in incidents):
        wrong.append(f"the shift of {faults.release.model} was not found and healed")
    return wrong


# --- as text and as JSON ---------------------------------------------------------------------------------------------


def table(report: Report, width: int = 200) -> str:
    """The report as text for a terminal of so many columns."""
    head = ("INCIDENT", "MODEL", "CAUSE", "ACTION", "DETECT", "RECOVER", "VERIFIED", "HEALED", "WITHOUT")
    rows = [head, *(_cells(line) for line in report.lines)]
    for all_rows in report.overall:
        healed, alone = (_number(all_rows.metric, v) for v in (all_rows.healed, all_rows.alone))
        rows.append(("all rows", all_rows.model, *("",) * 5, healed, alone))
    widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
    wide = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    longest = max(len(line) for line in wide)
    text = [wide[0], "─" * longest, *wide[1:]] if longest <= width else _stacked(rows[1:])
    verdict = "NOT everything healed" if report.complete else "stopped before the end"
    verdict = "every incident healed and was verified" if report.good else verdict
    return "\n".join([*text, "", verdict, *(f"missing: {m}" for m in report.missing)])


def _stacked(rows: Sequence[Sequence[str]]) -> list[str]:
    """Short lines, for narrow terminals."""
    text = []
    for incident, model, cause, action, detect, recover, verified, healed, alone in rows:
        text.append(f"{incident}  {model:<14}  {cause:<15}  {healed}, without {alone}")
        if action:
            text += [f"  {action}", f"  detected in {detect}, recovered in {recover}, verified {verified}"]
    return text


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.incident,
        line.model,
        line.cause.replace("_", " "),
        line.action,
        _days(line.detect),
        _days(line.recover),
        "✓ yes" if line.verified else "✗ no",
        _number(line.metric, line.healed),
        _number(line.metric, line.alone),
    )


def as_json(report: Report) -> dict[str, Any]:
    release, upstream = report.faults.release, report.faults.upstream
    return {
        "good": report.good,
        "complete": report.complete,
        "missing": list(report.missing),
        "incidents": [_plain(line) for line in report.lines],
        "overall": [
            {
                "model": line.model,
                "metric": line.metric,
                "with_healing": line.healed,
                "without_healing": line.alone,
                "rows": line.rows,
                "unanswered": line.unanswered,
            }
            for line in report.overall
        ],
        "injected": {
            "bad_release": {
                "model": release.model,
                "at": release.at.isoformat(),
                "column": release.column,
                "factor": release.factor,
            },
            "upstream_fault": {
                "column": upstream.column,
                "start": upstream.start.isoformat(),
                "end": upstream.end.isoformat(),
            },
        },
    }


def _plain(line: Line) -> dict[str, Any]:
    return {
        "incident": line.incident,
        "target": line.target,
        "model": line.model,
        "cause": line.cause,
        "action": line.action,
        "outcome": line.outcome,
        "began": line.began.isoformat(),
        "dated_by": line.dated_by,
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
    return f"{hours / 24:.1f} d" if abs(hours) >= 24 else f"{hours:.1f} h"


def _number(metric: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"mae {value:.1f}" if metric == "mae" else f"acc {value:.3f}"
