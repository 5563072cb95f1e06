"""Raw rows of one model: ``s`` on its page. Asks the daemon once when it opens, and again on ``s``."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from autoheal.domain.past import Samples
from autoheal.tui.keys import EVERYWHERE, ONE_MODEL, PAGES
from autoheal.tui.present.line import Line
from autoheal.tui.present.samples import sample_lines
from autoheal.tui.present.text import clean
from autoheal.tui.screens.board import bindings
from autoheal.tui.screens.page import Page
from autoheal.tui.viewstate import Frame


class SamplesPage(Page):
    GROUPS: ClassVar[tuple[str, ...]] = (PAGES, ONE_MODEL, EVERYWHERE)
    BINDINGS: ClassVar[list[BindingType]] = bindings(ONE_MODEL)

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model
        self.found: Samples | str = "asking the daemon"

    def on_mount(self) -> None:
        self.action_sample()

    def crumbs(self) -> tuple[str, ...]:
        return ("Fleet", clean(self.model), "rows")

    def content(self, frame: Frame, width: int) -> list[Line]:
        return sample_lines(frame, self.found, width)

    def about(self) -> str | None:
        return self.model

    def action_sample(self) -> None:
        self.run_worker(self._ask(), exclusive=True)

    async def _ask(self) -> None:
        self.found = await self.dashboard.sampled(self.model)
        if self.is_current:  # who asked may have gone on
            self.redraw()
