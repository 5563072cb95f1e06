"""Incidents as a table of text: for ``autoheal incidents`` and the dashboard's list. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from autoheal.domain.records import Incident
from autoheal.tui.present.text import clean, cut, pad, plain, span, stamp

STATE_MARKS = {
    "open": "✖",
    "acting": "↻",
    "mitigated": "▲",
    "verifying": "▶",
    "escalated": "?",
    "closed": "✓",
}
_COLUMNS = (("ID", 9), ("STATE", 12), ("TARGET", 20), ("OPENED (UTC)", 19), ("LASTED", 7), ("CAUSE", 15))
_NARROW = (("ID", 9), ("STATE", 10), ("TARGET", 15), ("LASTED", 7), ("CAUSE", 15))
_WIDE = 100
Columns = tuple[tuple[str, int], ...]


def incident_lines(
    incidents: Iterable[Incident],
    now: datetime,
    width: int = 100,
    ascii: bool = False,  # noqa: A002  the option's word
) -> list[str]:
    """A heading and a line an incident, the newest first."""
    ordered = sorted(incidents, key=lambda i: (i.open, i.opened_at), reverse=True)
    if not ordered:
        return ["no incidents"]
    columns = _COLUMNS if width >= _WIDE else _NARROW
    head = "  " + " ".join(pad(name, size) for name, size in columns) + " WHAT"
    lines = [head, *(_line(incident, now, columns) for incident in ordered)]
    return [plain(cut(line, width).rstrip(), ascii) for line in lines]


def _line(incident: Incident, now: datetime, columns: Columns) -> str:
    cells = {
        "ID": incident.id,
        "STATE": str(incident.state),
        "TARGET": clean(incident.target),
        "OPENED (UTC)": stamp(incident.opened_at),
        "LASTED": span((incident.closed_at or now) - incident.opened_at),
        "CAUSE": str(incident.cause).replace("_", " "),
    }
    sized = " ".join(pad(cells[name], size) for name, size in columns)
    return f"{STATE_MARKS[incident.state]} {sized} {what(incident)}"


def what(incident: Incident) -> str:
    """What was done, in a few words."""
    steps = [f"{a.runbook} {a.outcome.replace('_', ' ')}" for a in incident.attempts]
    if not incident.open:
        steps.append("verified" if incident.verified else clean(incident.outcome) or "over")
    return ", ".join(steps) or "nothing done yet"
