"""What all screens share: head, foot, the sentence for a terminal that is too small, and the keys that work everywhere.

``draw`` is called by the app at most twice a second and after each key; a subclass fills its middle in ``fill``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widget import Widget

from autoheal.tui.keys import EVERYWHERE, Key, keys_of
from autoheal.tui.present.footer import foot
from autoheal.tui.present.line import line
from autoheal.tui.present.title import head
from autoheal.tui.viewstate import Frame
from autoheal.tui.widgets.sheet import Rows, Sheet

if TYPE_CHECKING:
    from autoheal.tui.app import DashboardApp

LEAST = (80, 24)


def bindings(*groups: str) -> list[BindingType]:
    """Textual's bindings from the table of keys."""
    return [Binding(key.keys, key.action, key.label, id=key.id, show=False) for key in keys_of(*groups)]


class Board(Screen[None]):
    """Base of all screens."""

    VIEW: ClassVar[str] = ""
    GROUPS: ClassVar[tuple[str, ...]] = (EVERYWHERE,)
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = bindings(EVERYWHERE)

    @property
    def dashboard(self) -> DashboardApp:
        return cast("DashboardApp", self.app)

    def compose(self) -> ComposeResult:
        yield Sheet(id="head")
        yield from self.middle()
        yield Sheet(id="foot")
        yield Sheet(id="small")

    def middle(self) -> Iterable[Widget]:
        """The widgets between head and foot."""
        return ()

    def crumbs(self) -> tuple[str, ...]:
        """Where one is, when this is not a main view."""
        return ()

    def about(self) -> str | None:
        """What ``w`` explains here: an incident's id or a model's name."""
        return None

    def fill(self, frame: Frame, width: int, height: int) -> int | None:
        """Draw the middle, ``height`` lines high; returns the column where the lower rule is crossed, if it is."""
        raise NotImplementedError

    def draw(self, frame: Frame) -> None:
        """Draw the frame; a screen that was switched to a moment ago has no widgets yet, and is drawn once it has."""
        if not self.children:
            return
        width, height = self.size
        small = width < LEAST[0] or height < LEAST[1]
        self.set_class(small, "-small")
        if small:
            text = f"autoheal needs {LEAST[0]}×{LEAST[1]}, this is {width}×{height}"
            self.sheet("small").show([line(text), line(("q quits", "dim"))])
            return
        self.set_class(frame.snapshot is not None and not frame.link.fresh, "-stale")
        self.sheet("head").show(head(frame, width, self.VIEW, self.crumbs()))
        crossing = self.fill(frame, width, height - 5)
        self.sheet("foot").show(
            foot(self.useful_keys(), width, crossing=crossing, ascii=self.dashboard.ascii)
        )

    def useful_keys(self) -> tuple[Key, ...]:
        """Keys that do something here and now."""
        without = {"app.why"} if self.about() is None else set()
        if self.VIEW == "Fleet":
            without.add("app.back")
        return tuple(key for key in keys_of(*self.GROUPS) if key.id not in without)

    def sheet(self, name: str) -> Sheet:
        return self.query_one(f"#{name}", Sheet)

    @property
    def rows(self) -> Rows:
        return self.query_one("#rows", Rows)

    def redraw(self) -> None:
        """Draw again at once, after a key."""
        if self.is_mounted:
            self.draw(self.dashboard.frame())

    def on_resize(self) -> None:
        self.redraw()

    def on_screen_resume(self) -> None:
        self.redraw()

    # --- keys that work everywhere -------------------------------------------------------------------------------

    def action_back(self) -> None:
        self.dashboard.back()

    def action_why(self) -> None:
        subject = self.about()
        if subject is not None:
            self.dashboard.open_why(subject)
