"""Colour for plain lines: marks, file positions, headings. Pure.

The why tree is printed as plain text by the CLI; the dashboard shows the very same lines and only paints them, so that
the two cannot disagree.
"""

from __future__ import annotations

import re

from autoheal.api.wire import why_of
from autoheal.tui.present.line import Line, Span, line
from autoheal.tui.present.why import why_lines
from autoheal.tui.viewstate import Frame

_MARKS = {"✓": "good", "✗": "firing", "?": "nodata", "▶": "healing", "○": "dim", "·": "dim"}
_POSITION = re.compile(r"\s\S+\.ya?ml:\d+$")
_NODE = re.compile(r"^(?P<stem>[ │└─]*)(?P<mark>[✓✗?▶○·]) (?P<label>.*)$")
_FIELD = re.compile(r"^( +(?:symptom|cause|outcome|models|health|findings))(\s.*)$")
_DECISION = re.compile(r"^( +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(  [A-Z]{2,}.*)$")


def why_page(frame: Frame, subject: str, width: int) -> list[Line]:
    """The lines of ``autoheal why`` about an incident or a model, painted."""
    why = why_of(frame.world, subject, frame.now)
    if why is None:
        return [line((f" nothing is known about {subject}", "dim"))]
    return [painted(f" {text}") for text in why_lines(why, width - 2)]


def is_decision(text: str) -> bool:
    """Does a decision begin in this line?"""
    return _DECISION.match(text) is not None


def painted(text: str) -> Line:
    """One line of ``why_lines``, indented by a blank, with roles."""
    position = _POSITION.search(text)
    body = text[: position.start()] if position else text
    end = (Span(text[position.start() :], "place"),) if position else ()
    return (*_body(body), *end)


def _body(text: str) -> Line:
    if found := _NODE.match(text):
        label, gap, detail = _halves(found["label"])
        mark = found["mark"]
        said = "dim" if mark == "✗" else ""
        return _spans(
            (found["stem"], "rule"), (f"{mark} ", _MARKS[mark]), (label, said), (gap + detail, "dim")
        )
    if found := _DECISION.match(text):
        return _spans((found[1], "dim"), (found[2], "strong"))
    if found := _FIELD.match(text):
        return _spans((found[1], "accent"), (found[2], ""))
    if text[:2].strip() and text[:1] == " ":
        return _spans((text, "strong"))
    return _spans((text, ""))


def _halves(text: str) -> tuple[str, str, str]:
    """A node's label and, after two blanks, its detail."""
    label, gap, detail = text.partition("  ")
    return label, gap, detail


def _spans(*parts: tuple[str, str]) -> Line:
    return tuple(Span(text, role) for text, role in parts if text)
