"""A screen that is a list: heading, rows with a cursor, a line that counts them, a filter.

Until the operator moves the cursor it stays on the first row, the most pressing one; afterwards it stays on its own
row, and that row stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Input

from autoheal.tui.keys import EVERYWHERE, LISTS, Key
from autoheal.tui.present.filter import keep
from autoheal.tui.present.fleet import Row, Table, arrange
from autoheal.tui.present.line import Line, line, rule
from autoheal.tui.present.text import clean
from autoheal.tui.present.title import apology, counted
from autoheal.tui.screens.board import Board, bindings
from autoheal.tui.viewstate import Frame
from autoheal.tui.widgets.sheet import Rows, Sheet


class Listing(Board):
    """Base of the list screens: a subclass gives ``table`` and says what ``open_row`` does."""

    GROUPS: ClassVar[tuple[str, ...]] = (LISTS, EVERYWHERE)
    BINDINGS: ClassVar[list[BindingType]] = bindings(LISTS)
    ORDER: ClassVar[str] = ""
    EMPTY: ClassVar[str] = "nothing yet"
    #: Rows that are held in place while the order changes; lists that only grow do not need it.
    HOLDS: ClassVar[bool] = False
    #: Does ⏎ lead anywhere?
    OPENS: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.touched = False
        self.filter_text = ""

    def middle(self) -> Iterable[Widget]:
        yield Sheet(id="above")
        yield Sheet(id="titles")
        yield Rows(id="rows")
        yield Sheet(id="status")
        field = Input(id="filter", placeholder="text  !text  state:firing  owner:risk-ml", compact=True)
        field.cursor_blink = False
        yield field
        yield from self.below()

    def below(self) -> Iterable[Widget]:
        """Widgets under the list."""
        yield Sheet(id="pane")

    def preview(self, frame: Frame, key: str, width: int) -> list[Line]:  # noqa: ARG002  for subclasses
        """What the cursor is on, without a key; an empty one leaves the room to the list."""
        return []

    def table(self, frame: Frame, width: int) -> Table:
        raise NotImplementedError

    def above(self, frame: Frame, width: int) -> list[Line]:  # noqa: ARG002  for subclasses
        """Lines over the list, when there is something to warn of."""
        return []

    def open_row(self, key: str) -> None:
        """What ⏎ does."""

    def fill(self, frame: Frame, width: int, height: int) -> int | None:
        table = self.table(frame, width)
        kept = keep(table.rows, self.filter_text)
        rows, below = self._placed(kept)
        self.sheet("above").show(apology(frame, width) or self.above(frame, width))
        self.sheet("titles").show([table.head] if frame.snapshot is not None else [()])
        self._show(rows)
        self.shape(frame, len(rows), width, height)
        place = self.rows.cursor + 1
        status = counted(
            len(rows), len(table.rows), place, self.filter_text, width, sorted_by=self.ORDER, below=below
        )
        self.sheet("status").show([status] if table.rows else [line((f" {self.empty(frame)}", "dim"))])
        return self.fill_below(frame, width, height)

    def shape(self, frame: Frame, rows: int, width: int, height: int) -> None:
        """Give the list its height: all of it without a preview, at most half with one."""
        key = self.rows.key
        shown = self.preview(frame, key, width) if key is not None else []
        self.set_class(not shown, "-bare")
        self.sheet("pane").show([rule(width, (1, clean(key or ""))), *shown])
        room = height - 2 - len(self.sheet("above").lines)
        self.rows.styles.height = max(1, min(rows, room // 2)) if shown else "1fr"

    def fill_below(self, frame: Frame, width: int, height: int) -> int | None:  # noqa: ARG002  for subclasses
        return None

    def useful_keys(self) -> tuple[Key, ...]:
        return tuple(key for key in super().useful_keys() if self.OPENS or key.id != "list.open")

    def empty(self, frame: Frame) -> str:
        return self.EMPTY if frame.snapshot is not None else ""

    def _placed(self, kept: tuple[Row, ...]) -> tuple[tuple[Row, ...], int]:
        if not self.touched or not self.HOLDS:
            return kept, 0
        return arrange(kept, self.rows.key, self.rows.cursor)

    def _show(self, rows: tuple[Row, ...]) -> None:
        keys = [row.key for row in rows]
        key = self.rows.key
        if not self.touched:
            cursor = self.resting_place(len(rows))
        else:
            cursor = keys.index(key) if key in keys else self.rows.cursor
        self.rows.show_rows(rows, cursor)

    def resting_place(self, rows: int) -> int:  # noqa: ARG002  for subclasses
        """Where the cursor is while nobody has moved it."""
        return 0

    # --- keys ----------------------------------------------------------------------------------------------------

    def go(self, to: int) -> None:
        self.touched = True
        self.rows.move(to)
        self.redraw()

    def action_down(self) -> None:
        self.go(self.rows.cursor + 1)

    def action_up(self) -> None:
        self.go(self.rows.cursor - 1)

    def action_top(self) -> None:
        self.go(0)
        self.touched = False
        self.redraw()

    def action_end(self) -> None:
        self.go(len(self.rows.keys) - 1)

    def action_page_down(self) -> None:
        self.go(self.rows.cursor + max(1, self.rows.size.height // 2))

    def action_page_up(self) -> None:
        self.go(self.rows.cursor - max(1, self.rows.size.height // 2))

    def action_open(self) -> None:
        if self.rows.key is not None:
            self.open_row(self.rows.key)

    def action_filter(self) -> None:
        self.add_class("-filtering")
        self.query_one(Input).focus()

    def action_back(self) -> None:
        if self.has_class("-filtering") or self.filter_text:
            self.query_one(Input).value = ""
            self._filtered("")
            self._close_filter()
        else:
            super().action_back()

    def _close_filter(self) -> None:
        self.remove_class("-filtering")
        self.set_focus(None)

    def _filtered(self, text: str) -> None:
        self.filter_text = text.strip()
        self.redraw()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._filtered(event.value)

    @on(Input.Submitted)
    def _entered(self) -> None:
        self._close_filter()

    @on(Rows.Clicked)
    def _clicked(self, event: Rows.Clicked) -> None:
        self.go(event.number)
