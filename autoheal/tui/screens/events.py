"""The event log as it grows. Scrolling up stops following; ``G`` follows again."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from autoheal.tui.keys import EVENTS, EVERYWHERE, LISTS
from autoheal.tui.present.events import event_table, subjects
from autoheal.tui.present.fleet import Table
from autoheal.tui.screens.board import bindings
from autoheal.tui.screens.listing import Listing
from autoheal.tui.viewstate import Frame


class EventBoard(Listing):
    VIEW = "Events"
    ORDER = "newest last"
    EMPTY = "no event heard yet"
    GROUPS: ClassVar[tuple[str, ...]] = (LISTS, EVENTS, EVERYWHERE)
    BINDINGS: ClassVar[list[BindingType]] = bindings(EVENTS)

    def __init__(self) -> None:
        super().__init__()
        self.everything = False

    def table(self, frame: Frame, width: int) -> Table:
        return event_table(frame, width, everything=self.everything)

    def resting_place(self, rows: int) -> int:
        return rows - 1

    def about(self) -> str | None:
        seq = self.rows.key
        frame = self.dashboard.frame()
        entry = next((e for e in frame.tail if str(e.seq) == seq), None)
        for subject in subjects(entry) if entry else ():
            found = self.dashboard.subject_of_run(subject) or subject
            if found in frame.index.incident or found in frame.world.models:
                return found
        return None

    def open_row(self, key: str) -> None:  # noqa: ARG002  the row under the cursor is meant
        self.action_why()

    def action_all(self) -> None:
        self.everything = not self.everything
        self.redraw()

    def action_end(self) -> None:
        super().action_end()
        self.touched = False

    def action_top(self) -> None:
        self.go(0)
