"""A sheet of lines: the widget that everything is drawn with. It repaints only lines that changed.

``Sheet`` shows lines and scrolls when told to; ``Rows`` adds a cursor that stays on its row's key. Keys are the
screen's business, so nothing here takes the focus.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from autoheal.tui.present.fleet import Row
from autoheal.tui.present.line import Line, Span, in_ascii, text_of
from autoheal.tui.widgets.ink import Pen


class Studio(Protocol):
    """What a sheet needs from its app."""

    pen: Pen
    ascii: bool


class Sheet(ScrollView):
    """Lines, the first at the top; what does not fit is scrolled to."""

    can_focus = False

    def __init__(self, *, id: str) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self.lines: tuple[Line, ...] = ()

    def show(self, lines: Sequence[Line]) -> None:
        """Draw ``lines`` instead of what was there; equal lines are left alone."""
        studio = cast("Studio", self.app)
        fresh = tuple(in_ascii(content) for content in lines) if studio.ascii else tuple(lines)
        old, self.lines = self.lines, fresh
        if len(old) != len(fresh):
            self.virtual_size = Size(self.size.width, len(fresh))
            self.refresh(layout=self.styles.height is not None and self.styles.height.is_auto)
            return
        for y, (before, after) in enumerate(zip(old, fresh, strict=True)):
            if before != after:
                self.refresh_line(y)

    def render_line(self, y: int) -> Strip:
        number = y + self.scroll_offset.y
        content = self.lines[number] if number < len(self.lines) else ()
        studio = cast("Studio", self.app)
        selection = self.text_selection
        marked = selection.get_span(number) if selection is not None else None
        mark = self.screen.get_component_rich_style("screen--selection")
        base = self.rich_style + studio.pen.cursor if self.is_current(number) else self.rich_style
        drawn = studio.pen.strip(self.dressed(number, content), self.size.width, base, marked, mark)
        return drawn.apply_offsets(0, number)

    def dressed(self, _number: int, content: Line) -> Line:
        """A line as it is drawn."""
        return content

    def is_current(self, _number: int) -> bool:
        return False

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002  Textual's signature
        return len(self.lines)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract("\n".join(text_of(content).rstrip() for content in self.lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:  # noqa: ARG002  Textual's signature
        self.refresh()

    def scroll_lines(self, lines: int) -> None:
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False, immediate=True)

    @property
    def at_end(self) -> bool:
        return self.scroll_offset.y + self.size.height >= len(self.lines)


class Rows(Sheet):
    """Rows with a cursor: ``>`` in the gutter and another ground."""

    class Clicked(Message):
        """A row was clicked: the cursor goes there."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, *, id: str) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self.keys: tuple[str, ...] = ()
        self.cursor = 0

    @property
    def key(self) -> str | None:
        """The key under the cursor."""
        return self.keys[self.cursor] if self.cursor < len(self.keys) else None

    def show_rows(self, rows: Sequence[Row], cursor: int) -> None:
        self.keys = tuple(row.key for row in rows)
        self.move(cursor, scroll=False)
        self.show([row.content for row in rows])
        self.into_view()

    def move(self, to: int, *, scroll: bool = True) -> None:
        """The cursor to row ``to`` or the nearest there is."""
        before, self.cursor = self.cursor, max(0, min(to, len(self.keys) - 1))
        if before != self.cursor:
            self.refresh_line(before)
            self.refresh_line(self.cursor)
        if scroll:
            self.into_view()

    def into_view(self) -> None:
        """Scroll just as far as the cursor needs."""
        height = self.size.height
        top = self.scroll_offset.y
        if height <= 0:
            return
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)

    def dressed(self, number: int, content: Line) -> Line:
        gutter = Span(" > ", "cursor") if self.is_current(number) else Span("   ")
        return (gutter, *content)

    def is_current(self, number: int) -> bool:
        return number == self.cursor and number < len(self.keys)

    def on_click(self, event: Click) -> None:
        self.post_message(self.Clicked(event.y + self.scroll_offset.y))
