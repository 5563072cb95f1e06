"""The event log in lines: a tail for the fleet screen, a list for its own. Pure.

``NOISE`` is what a healthy fleet writes all day; it stays out of sight until asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autoheal.domain.events import Entry
from autoheal.tui.present.columns import GUTTER
from autoheal.tui.present.fleet import Row, Table
from autoheal.tui.present.line import Line, Span, cut, fit, line, text_of
from autoheal.tui.present.telling import tell
from autoheal.tui.present.times import clock, spans_days
from autoheal.tui.viewstate import Frame

NOISE = frozenset({"finding_observed", "facts_observed", "ticked", "condition_held", "alarm_eased"})
#: Not in the short tail either: an alarm or an incident has said the same a line before.
_SAID = NOISE | {"health_changed", "incident_grew"}


def notable(entries: Iterable[Entry], without: frozenset[str] = NOISE) -> list[Entry]:
    return [entry for entry in entries if getattr(entry.event, "kind", "") not in without]


def tail_lines(frame: Frame, width: int, height: int) -> list[Line]:
    """The newest notable events, the newest at the bottom."""
    shown = notable(frame.tail, _SAID)[-height:] if height > 0 else []
    dated = spans_days([e.at for e in shown], frame.now)
    lines: list[Line] = []
    before = ""
    for entry in shown:
        when = clock(entry.at, frame, dated=dated)
        head = Span(f"{when if when != before else '':<{len(when)}} ", "dim")
        lines.append(cut((head, *line(*tell(entry.event, frame.world))), width))
        before = when
    return lines


def event_table(frame: Frame, width: int, *, everything: bool = False) -> Table:
    """All that is known of the log, the newest last."""
    shown = list(frame.tail) if everything else notable(frame.tail)
    dated = spans_days([e.at for e in shown], frame.now)
    rows = tuple(_row(frame, entry, width - GUTTER, dated=dated) for entry in shown)
    title = f"{'TIME':<{_when_width(frame, dated=dated)}}  {'SEQ':>7}  EVENT"
    return Table(fit(line(" " * GUTTER, (title, "head")), width), rows)


def _when_width(frame: Frame, *, dated: bool) -> int:
    return 10 if frame.times == "relative" else 14 if dated else 8


def _row(frame: Frame, entry: Entry, width: int, *, dated: bool) -> Row:
    parts = line(*tell(entry.event, frame.world))
    when = clock(entry.at, frame, dated=dated, full=True)
    head = f"{when:<{_when_width(frame, dated=dated)}}  {entry.seq:>7}  "
    content = (*line((head, "dim")), *parts)
    fields = {
        "event": text_of(parts),
        "kind": str(getattr(entry.event, "kind", "")),
        "seq": str(entry.seq),
        "target": ", ".join(subjects(entry)),
    }
    return Row(str(entry.seq), fit(content, width), fields)


def subjects(entry: Entry) -> Sequence[str]:
    """What the event is about, the most telling first: an incident, a run, a model."""
    event = entry.event
    found: list[str] = []
    for name in ("incident", "decision", "run", "approval", "finding", "model", "key"):
        value = getattr(event, name, None)
        if value is None:
            continue
        about = getattr(value, "incident", None) or getattr(value, "id", None)
        target = getattr(value, "target", None)
        if name == "key":
            found.append(str(value).split("|", 1)[0].split("/", 1)[0])
        elif isinstance(value, str):
            found.append(value)
        else:
            found += [str(v) for v in (about, target) if v]
    return found
