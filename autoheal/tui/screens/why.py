"""Why: the reasons about an incident or a model, in the very lines that ``autoheal why`` prints."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from autoheal.tui.keys import EVERYWHERE, PAGES, WHY
from autoheal.tui.present.line import Line, text_of
from autoheal.tui.present.paint import is_decision, why_page
from autoheal.tui.present.text import clean
from autoheal.tui.screens.board import bindings
from autoheal.tui.screens.page import Page
from autoheal.tui.viewstate import Frame


class WhyPage(Page):
    GROUPS: ClassVar[tuple[str, ...]] = (PAGES, WHY, EVERYWHERE)
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHY)

    def __init__(self, subject: str) -> None:
        super().__init__()
        self.subject = subject

    def crumbs(self) -> tuple[str, ...]:
        return (*self.dashboard.way_here(), clean(self.subject), "why")

    def content(self, frame: Frame, width: int) -> list[Line]:
        return why_page(frame, self.subject, width)

    def about(self) -> str | None:
        return None

    def action_next_decision(self) -> None:
        top = self.sheet("body").scroll_offset.y
        self._to(min((n for n in self._decisions() if n > top), default=None))

    def action_previous_decision(self) -> None:
        top = self.sheet("body").scroll_offset.y
        self._to(max((n for n in self._decisions() if n < top), default=None))

    def _decisions(self) -> list[int]:
        lines = self.sheet("body").lines
        return [n for n, content in enumerate(lines) if is_decision(text_of(content))]

    def _to(self, number: int | None) -> None:
        if number is not None:
            self.sheet("body").scroll_to(y=number, animate=False, immediate=True)
