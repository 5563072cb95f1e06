"""The fleet: all models, and beneath them everything about the one under the cursor and what just happened."""

from __future__ import annotations

from typing import ClassVar

from autoheal.tui.present.fleet import Table, fleet_table
from autoheal.tui.present.pane import least_height, pane_lines, split_at
from autoheal.tui.screens.listing import Listing
from autoheal.tui.screens.model import ModelPage
from autoheal.tui.viewstate import Frame


class FleetBoard(Listing):
    VIEW = "Fleet"
    ORDER = "sorted by severity"
    EMPTY = "no models: name some in the configuration"
    HOLDS: ClassVar[bool] = True

    def table(self, frame: Frame, width: int) -> Table:
        return fleet_table(frame, width)

    def shape(self, frame: Frame, rows: int, width: int, height: int) -> None:  # noqa: ARG002  the pane is always there
        room = height - 2 - least_height(height)
        self.rows.styles.height = max(1, min(rows, room))

    def fill_below(self, frame: Frame, width: int, height: int) -> int | None:
        self.set_class(frame.snapshot is None, "-bare")
        rows = self.rows.styles.height
        used = int(rows.value) if rows is not None else 0
        self.sheet("pane").show(pane_lines(frame, self.rows.key, width, height - 2 - used))
        return split_at(width) if frame.snapshot is not None else None

    def about(self) -> str | None:
        return self.rows.key

    def open_row(self, key: str) -> None:
        self.dashboard.push_screen(ModelPage(key))
