"""The lower part of the fleet screen: details beside events, or above them where there is no room for both. Pure."""

from __future__ import annotations

from autoheal.tui.present.detail import detail_lines
from autoheal.tui.present.events import tail_lines
from autoheal.tui.present.fleet import WIDE
from autoheal.tui.present.line import Line, Span, cut, fit, rule
from autoheal.tui.viewstate import Frame

#: Lines that the events keep under the details where the two are stacked.
_EVENTS = 2


def split_at(width: int) -> int | None:
    """The column between details and events; None where they are stacked."""
    return width * 57 // 100 if width >= WIDE else None


def least_height(height: int) -> int:
    """Lines that the pane keeps, however many models there are."""
    return 7 if height < 22 else min(13, height // 2)


def pane_lines(frame: Frame, key: str | None, width: int, height: int) -> list[Line]:
    """``height`` lines: a rule with the model's name, details, events."""
    if height <= 0:
        return []
    split = split_at(width)
    name = key or "–"
    if split is None:
        return _stacked(frame, key, name, width, height)
    head = rule(width, (1, name), (split + 1, "events"), crossing=(split, "┬"))
    left = detail_lines(frame, key, split, height - 1)
    right = tail_lines(frame, width - split - 2, height - 1)
    rows = [head]
    for number in range(height - 1):
        detail = left[number] if number < len(left) else ()
        event = right[number] if number < len(right) else ()
        rows.append((*fit(detail, split), Span("│", "rule"), Span(" "), *cut(event, width - split - 2)))
    return rows


def _stacked(frame: Frame, key: str | None, name: str, width: int, height: int) -> list[Line]:
    """Details first; events take the lines that are left, and two in any case."""
    details = detail_lines(frame, key, width, height - 1 - _EVENTS)
    events = tail_lines(frame, width - 1, height - 1 - len(details))
    return [rule(width, (1, name)), *details, *[(Span(" "), *event) for event in events]]
