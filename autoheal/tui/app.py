"""The dashboard: mounts the screens, owns the worker that follows the daemon, and paints at most twice a second.

``DashboardApp(socket)`` is what ``autoheal dashboard`` and the demo run. All state is in one ``ViewState`` that only
``on_news`` and the ``t`` key replace; screens draw from the frame they are given. It leaves the daemon alone: ``q``
ends nothing but itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.theme import Theme

from autoheal.clock import Clock, SystemClock
from autoheal.domain.past import Samples
from autoheal.errors import DoorError
from autoheal.tui.connection import Feed, News, Sampler, daemon, report
from autoheal.tui.connection import sampler as ask_for_rows
from autoheal.tui.screens.board import Board
from autoheal.tui.screens.events import EventBoard
from autoheal.tui.screens.fleet import FleetBoard
from autoheal.tui.screens.help import HelpPage
from autoheal.tui.screens.lists import IncidentBoard, PolicyBoard, RunBoard, SourceBoard
from autoheal.tui.screens.why import WhyPage
from autoheal.tui.theme import Palette, palette_named
from autoheal.tui.viewstate import Frame, ViewState, advance, frame, next_times
from autoheal.tui.widgets.ink import Pen

#: Real seconds between two looks at whether to paint, and between two paintings while nothing moves.
BEAT, IDLE = 0.5, 1.0
_VIEWS = (FleetBoard, IncidentBoard, RunBoard, EventBoard, PolicyBoard, SourceBoard)


class DashboardApp(App[None]):
    """``feed`` replaces the socket when a recording is shown; ``sampler`` gives raw rows then."""

    CSS_PATH = "autoheal.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "autoheal"
    BINDINGS: ClassVar = []

    def __init__(
        self,
        socket: str | Path,
        *,
        ascii: bool = False,  # noqa: A002  the option's word
        theme: str | None = None,
        clock: Clock | None = None,
        feed: Feed | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        palette = palette_named(theme)
        super().__init__()
        self.ascii = ascii
        self.pen = Pen(palette)
        self.clock: Clock = clock or SystemClock()
        self.view = ViewState(zone=self.clock.now().astimezone().tzinfo or ViewState().zone)
        self.feed = feed or daemon(socket, self.clock)
        self._sampler = sampler or (None if feed else ask_for_rows(socket, self.clock))
        self.animation_level = "none"
        self._painted = 0.0
        self._last = "Fleet"
        self._view = "Fleet"
        self.register_theme(_theme(palette))
        self.theme = palette.name

    async def on_mount(self) -> None:
        for view in _VIEWS:
            self.install_screen(view(), view.VIEW)
        await self.push_screen("Fleet")
        self.run_worker(report(self.feed, self.post_message), name="connection", exclusive=True)
        self.set_interval(BEAT, self._beat)
        self._heed_signals()

    def _heed_signals(self) -> None:
        """Leave the terminal as it was when told to go; where somebody else minds the signals, they go first."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                with contextlib.suppress(ValueError, NotImplementedError, RuntimeError):
                    loop.add_signal_handler(number, self.exit, None, 128 + number)

    # --- what is known, and painting it --------------------------------------------------------------------------

    def on_news(self, news: News) -> None:
        before = self.view.client
        self.view = advance(self.view, news.state)
        first = before.snapshot is None and news.state.snapshot is not None
        if first or before.link.state != news.state.link.state:
            self.paint()

    def frame(self) -> Frame:
        """Everything that is known, at this moment."""
        return frame(self.view, self.clock.monotonic(), self.clock.now())

    def paint(self) -> None:
        """Draw the screen on top; what did not change costs nothing."""
        self._painted = self.clock.monotonic()
        if isinstance(self.screen, Board):
            self.screen.draw(self.frame())

    def _beat(self) -> None:
        quiet = self.clock.monotonic() - self._painted
        if self.frame().running or quiet >= IDLE - BEAT / 2:
            self.paint()

    # --- going places --------------------------------------------------------------------------------------------

    def action_view(self, name: str) -> None:
        while len(self.screen_stack) > 2:
            self.pop_screen()
        if name != self._view:
            self._last, self._view = self._view, name
            self.switch_screen(name)

    def action_last_view(self) -> None:
        self.action_view(self._last)

    def action_help(self) -> None:
        if not isinstance(self.screen, HelpPage):
            self.push_screen(HelpPage())

    def action_times(self) -> None:
        self.view = next_times(self.view)
        self.paint()

    def back(self) -> None:
        """One screen back, from a main view to the fleet."""
        if len(self.screen_stack) > 2:
            self.pop_screen()
        else:
            self.action_view("Fleet")

    def open_why(self, subject: str) -> None:
        self.push_screen(WhyPage(subject))

    async def sampled(self, model: str) -> Samples | str:
        """Raw rows of a model, or why there are none."""
        if self._sampler is None:
            return "a recording holds no raw rows"
        try:
            return await self._sampler(model)
        except DoorError as problem:
            return str(problem)

    def way_here(self) -> tuple[str, ...]:
        """The main view that the pages on top were opened from."""
        return (self._view,)

    def subject_of_run(self, run_id: str | None) -> str | None:
        """The incident (or else the model) that a run is for."""
        run = next((r for key, r in self.frame().world.runs.items() if key == run_id), None)
        return None if run is None else str(run.incident or run.model)


def _theme(palette: Palette) -> Theme:
    """Textual's own parts (the filter field, selections) in the palette's colours."""
    accent = palette.roles["accent"].color
    return Theme(
        name=palette.name,
        primary=accent,
        accent=accent,
        foreground=palette.foreground,
        background=palette.background,
        surface=palette.background,
        panel=palette.cursor,
        dark=palette.dark,
    )
