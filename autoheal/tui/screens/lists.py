"""Incidents, runs, policies and sources: the plain lists."""

from __future__ import annotations

from autoheal.tui.present.fleet import Table
from autoheal.tui.present.line import Line
from autoheal.tui.present.lists import (
    incident_table,
    policy_table,
    problem_lines,
    run_table,
)
from autoheal.tui.present.paint import why_page
from autoheal.tui.present.policy import policy_lines
from autoheal.tui.present.run import run_lines
from autoheal.tui.present.sources import source_lines, source_table
from autoheal.tui.screens.listing import Listing
from autoheal.tui.screens.run import RunPage
from autoheal.tui.viewstate import Frame


class IncidentBoard(Listing):
    VIEW = "Incidents"
    ORDER = "open first, newest first"
    EMPTY = "no incident so far"

    def table(self, frame: Frame, width: int) -> Table:
        return incident_table(frame, width)

    def about(self) -> str | None:
        return self.rows.key

    def open_row(self, key: str) -> None:
        self.dashboard.open_why(key)

    def preview(self, frame: Frame, key: str, width: int) -> list[Line]:
        return why_page(frame, key, width)


class RunBoard(Listing):
    VIEW = "Runs"
    ORDER = "moving first, newest first"
    EMPTY = "no run so far"

    def table(self, frame: Frame, width: int) -> Table:
        return run_table(frame, width)

    def about(self) -> str | None:
        return self.dashboard.subject_of_run(self.rows.key)

    def open_row(self, key: str) -> None:
        self.dashboard.push_screen(RunPage(key))

    def preview(self, frame: Frame, key: str, width: int) -> list[Line]:
        return run_lines(frame, key, width)


class PolicyBoard(Listing):
    VIEW = "Policies"
    OPENS = False
    ORDER = "in the order in which they speak"
    EMPTY = "no policies: nothing will be done by itself"

    def above(self, frame: Frame, width: int) -> list[Line]:
        return problem_lines(frame, width)

    def table(self, frame: Frame, width: int) -> Table:
        return policy_table(frame, width)

    def preview(self, frame: Frame, key: str, width: int) -> list[Line]:
        return policy_lines(frame, key, width)


class SourceBoard(Listing):
    VIEW = "Sources"
    OPENS = False
    ORDER = "what does not run first"
    EMPTY = "no task has said anything yet"

    def table(self, frame: Frame, width: int) -> Table:
        return source_table(frame, width)

    def preview(self, frame: Frame, key: str, width: int) -> list[Line]:
        return source_lines(frame, key, width)

    def about(self) -> str | None:
        key = self.rows.key
        return key if key in self.dashboard.frame().index.incident else None
