"""Help: all keys and glyphs, made from the tables that the screens themselves use."""

from __future__ import annotations

from autoheal.tui.present.footer import help_lines
from autoheal.tui.present.line import Line
from autoheal.tui.screens.page import Page
from autoheal.tui.viewstate import Frame


class HelpPage(Page):
    def crumbs(self) -> tuple[str, ...]:
        return ("help",)

    def content(self, frame: Frame, width: int) -> list[Line]:
        version = frame.snapshot.version if frame.snapshot else "?"
        return help_lines(width, f"daemon autoheal {version}")
