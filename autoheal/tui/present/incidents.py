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
    head = "  " + " ".join(pad(name, size) for name, size in _COLUMNS) + " WHAT"
    lines = [head, *(_line(incident, now) for incident in ordered)]
    return [plain(cut(line, width).rstrip(), ascii) for line in lines]


def _line(incident: Incident, now: datetime) -> str:
    cells = (
        incident.id,
        str(incident.state),
        clean(incident.target),
        stamp(incident.opened_at),
        span((incident.closed_at or now) - incident.opened_at),
        str(incident.cause).replace("_", " "),
    )
    sized = " ".join(pad(text, size) for text, (_, size) in zip(cells, _COLUMNS, strict=True))
    return f"{STATE_MARKS[incident.state]} {sized} {what(incident)}"


def what(incident: Incident) -> str:
    """What was done, in a few words."""
    steps = [f"{a.runbook} {a.outcome.replace('_', ' ')}" for a in incident.attempts]
    if not incident.open:
        steps.append("verified" if incident.verified else clean(incident.outcome) or "over")
    return ", ".join(steps) or "nothing done yet"
