"""One run: ⏎ on a row of the runs."""

from __future__ import annotations

from autoheal.tui.present.line import Line
from autoheal.tui.present.run import run_lines
from autoheal.tui.screens.page import Page
from autoheal.tui.viewstate import Frame


class RunPage(Page):
    def __init__(self, run: str) -> None:
        super().__init__()
        self.run_id = run

    def crumbs(self) -> tuple[str, ...]:
        return ("Runs", self.run_id)

    def content(self, frame: Frame, width: int) -> list[Line]:
        return run_lines(frame, self.run_id, width)

    def about(self) -> str | None:
        return self.dashboard.subject_of_run(self.run_id)
