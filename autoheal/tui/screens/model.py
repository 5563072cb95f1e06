"""One model: ⏎ on a row of the fleet."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from autoheal.tui.keys import EVERYWHERE, ONE_MODEL, PAGES
from autoheal.tui.present.line import Line
from autoheal.tui.present.model import model_lines
from autoheal.tui.present.text import clean
from autoheal.tui.screens.board import bindings
from autoheal.tui.screens.page import Page
from autoheal.tui.screens.samples import SamplesPage
from autoheal.tui.viewstate import Frame


class ModelPage(Page):
    GROUPS: ClassVar[tuple[str, ...]] = (PAGES, ONE_MODEL, EVERYWHERE)
    BINDINGS: ClassVar[list[BindingType]] = bindings(ONE_MODEL)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.model = name

    def crumbs(self) -> tuple[str, ...]:
        return ("Fleet", clean(self.model))

    def content(self, frame: Frame, width: int) -> list[Line]:
        return model_lines(frame, self.model, width)

    def about(self) -> str | None:
        return self.model

    def action_sample(self) -> None:
        self.dashboard.push_screen(SamplesPage(self.model))
