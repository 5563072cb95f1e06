"""A line of styled text: spans with a role each, measured in terminal columns. Pure.

Presenters return lines; widgets turn roles into colours, the CLI and tests take the plain text. All text from outside
passes through ``text.clean`` on its way in, so that no name can steer the terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from autoheal.tui.glyphs import Look
from autoheal.tui.present import text as plain_text


@dataclass(frozen=True, slots=True)
class Span:
    """``role`` names a colour of the theme; the empty role is ordinary text."""

    text: str
    role: str = ""


Line = tuple[Span, ...]
#: What ``line`` takes: text, text with a role, a look (its glyph and word), or spans.
Part = str | tuple[str, str] | Look | Span


def line(*parts: Part) -> Line:
    """A line of ``parts``; empty ones are left out."""
    return tuple(span for part in parts if (span := _span(part)).text)


def _span(part: Part) -> Span:
    if isinstance(part, Span):
        return part
    if isinstance(part, Look):
        return Span(part.text, part.role)
    if isinstance(part, str):
        return Span(plain_text.clean(part))
    return Span(plain_text.clean(part[0]), part[1])


def text_of(content: Line) -> str:
    return "".join(span.text for span in content)


def width_of(content: Line) -> int:
    return sum(cell_len(span.text) for span in content)


def cut(content: Line, width: int) -> Line:
    """At most ``width`` columns, an ellipsis where something is missing."""
    if width_of(content) <= width:
        return content
    kept: list[Span] = []
    room = width
    for span in content:
        size = cell_len(span.text)
        if size >= room:
            # the rest goes; make sure that an ellipsis says so even where this span fits to the last column
            kept.append(Span(plain_text.cut(span.text + "…", room), span.role))
            break
        kept.append(span)
        room -= size
    return tuple(span for span in kept if span.text)


def fit(content: Line, width: int) -> Line:
    """Exactly ``width`` columns."""
    short = cut(content, max(0, width))
    missing = width - width_of(short)
    return (*short, Span(" " * missing)) if missing > 0 else short


def beside(left: Line, right: Line, width: int) -> Line:
    """``left`` at the left edge and ``right`` at the right one; the left gives way."""
    size = width_of(right)
    if size >= width:
        return fit(right, width)
    return (*fit(left, width - size), *right)


def join(cells: Iterable[Line], between: str = " ") -> Line:
    joined: list[Span] = []
    for n, cell in enumerate(cells):
        joined += [Span(between)] if n and between else []
        joined += cell
    return tuple(joined)


def aligned(content: Line, width: int, *, right: bool = False) -> Line:
    """Exactly ``width`` columns, at the right edge if so asked."""
    if not right:
        return fit(content, width)
    short = cut(content, width)
    return (Span(" " * (width - width_of(short))), *short)


def wrapped(head: Line, body: str, width: int, *, role: str = "", most: int = 0) -> list[Line]:
    """``head``, then ``body`` in as many lines as it takes (at most ``most``), indented to where it began."""
    indent = width_of(head)
    rows = plain_text.wrap(plain_text.clean(body), width - indent)
    if most and len(rows) > most:
        rows = [*rows[: most - 1], plain_text.cut(rows[most - 1] + " …", max(1, width - indent))]
    lines = [(*head, Span(rows[0], role))]
    lines += [(Span(" " * indent), Span(row, role)) for row in rows[1:]]
    return [cut(row, width) for row in lines]


def in_ascii(content: Line) -> Line:
    """The same line, as wide, without a character beyond ASCII."""
    return tuple(Span(plain_text.plain(span.text, ascii=True), span.role) for span in content)


def texts(lines: Sequence[Line]) -> list[str]:
    return [text_of(content).rstrip() for content in lines]


def rule(width: int, *labels: tuple[int, str], crossing: tuple[int, str] | None = None) -> Line:
    """A horizontal line with labels at columns, and perhaps a crossing glyph at one."""
    cells = ["─"] * max(0, width)
    if crossing is not None and 0 <= crossing[0] < width:
        cells[crossing[0]] = crossing[1]
    spans: list[Span] = []
    done = 0
    for column, label in labels:
        shown = plain_text.cut(plain_text.clean(label), width - column - 3)
        if not shown or column < done:
            continue
        spans += [Span("".join(cells[done:column]), "rule"), Span(f" {shown} ", "head")]
        done = column + cell_len(shown) + 2
    return tuple(span for span in (*spans, Span("".join(cells[done:]), "rule")) if span.text)
