"""A screen that is a page of text: it scrolls, and stays where it was scrolled to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from autoheal.tui.keys import EVERYWHERE, PAGES
from autoheal.tui.present.line import Line
from autoheal.tui.screens.board import Board, bindings
from autoheal.tui.viewstate import Frame
from autoheal.tui.widgets.sheet import Sheet


class Page(Board):
    """Base of the pages: a subclass gives ``content``."""

    GROUPS: ClassVar[tuple[str, ...]] = (PAGES, EVERYWHERE)
    BINDINGS: ClassVar[list[BindingType]] = bindings(PAGES)

    def middle(self) -> Iterable[Widget]:
        yield Sheet(id="body")

    def content(self, frame: Frame, width: int) -> list[Line]:
        raise NotImplementedError

    def fill(self, frame: Frame, width: int, height: int) -> int | None:  # noqa: ARG002  the body takes what is left
        self.sheet("body").show(self.content(frame, width))
        return None

    def action_down(self) -> None:
        self.sheet("body").scroll_lines(1)

    def action_up(self) -> None:
        self.sheet("body").scroll_lines(-1)

    def action_top(self) -> None:
        self.sheet("body").scroll_to(y=0, animate=False, immediate=True)

    def action_end(self) -> None:
        body = self.sheet("body")
        body.scroll_to(y=len(body.lines), animate=False, immediate=True)

    def action_page_down(self) -> None:
        self.sheet("body").scroll_lines(max(1, self.sheet("body").size.height // 2))

    def action_page_up(self) -> None:
        self.sheet("body").scroll_lines(-max(1, self.sheet("body").size.height // 2))
