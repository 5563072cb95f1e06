"""One model: ⏎ on a row of the fleet."""

from __future__ import annotations

from autoheal.tui.present.line import Line
from autoheal.tui.present.model import model_lines
from autoheal.tui.present.text import clean
from autoheal.tui.screens.page import Page
from autoheal.tui.viewstate import Frame


class ModelPage(Page):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.model = name

    def crumbs(self) -> tuple[str, ...]:
        return ("Fleet", clean(self.model))

    def content(self, frame: Frame, width: int) -> list[Line]:
        return model_lines(frame, self.model, width)

    def about(self) -> str | None:
        return self.model
