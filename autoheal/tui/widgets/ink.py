"""Roles to terminal styles: the one place where a presenter's words meet colours."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from autoheal.tui.present.line import Line, Span
from autoheal.tui.theme import Palette


class Pen:
    """Writes lines in the colours of a palette."""

    def __init__(self, palette: Palette) -> None:
        self._styles = {
            role: Style(color=ink.color or None, bgcolor=ink.background or None, bold=ink.bold or None)
            for role, ink in palette.roles.items()
        }
        self.cursor = Style(bgcolor=palette.cursor)

    def strip(
        self, content: Line, width: int, base: Style, marked: tuple[int, int] | None, mark: Style
    ) -> Strip:
        """``content`` as wide as asked; columns ``marked`` (from, to; -1 is the end) are selected text."""
        drawn = Strip([Segment(span.text, base + self._style(span)) for span in content])
        if marked is not None:
            drawn = _marked(drawn, marked, mark)
        return drawn.adjust_cell_length(width, base)

    def _style(self, span: Span) -> Style:
        return self._styles.get(span.role, Style.null())


def _marked(strip: Strip, at: tuple[int, int], mark: Style) -> Strip:
    start, end = at[0], strip.cell_length if at[1] < 0 else min(at[1], strip.cell_length)
    if start >= end:
        return strip
    before, inside, after = strip.crop(0, start), strip.crop(start, end), strip.crop(end)
    return Strip.join([before, inside.apply_style(mark), after])
