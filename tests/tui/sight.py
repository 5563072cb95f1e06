"""What the tests look with: frames of the recorded night, and a screen's text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cache

from textual.pilot import Pilot

from autoheal.api.wire import Snapshot
from autoheal.clock import SystemClock, VirtualClock
from autoheal.domain.world import World
from autoheal.tui.app import DashboardApp
from autoheal.tui.viewstate import Frame, Times, ViewState, advance, frame
from tools.scenario import Recording, night
from tools.shots import feed_of

AT = 1000.0


@cache
def recording() -> Recording:
    return night()


def look(
    record: Recording | None = None, *, later: float = 0.0, times: Times = "utc", wall: datetime | None = None
) -> Frame:
    """The frame of a recording, ``later`` seconds after it ended."""
    shown = record or recording()
    state = advance(ViewState(times=times), shown.client_state(AT))
    return frame(state, AT + later, wall or shown.snapshot.now)


def of_world(world: World, **changes: object) -> Recording:
    """A recording that shows ``world``."""
    base = recording()
    snapshot: Snapshot = replace(base.snapshot, world=world, seq=world.seq, series={}, **changes)  # type: ignore[arg-type]
    return Recording(snapshot, ())


def dashboard(record: Recording | None = None, *, link: str = "live", **options: object) -> DashboardApp:
    shown = record or recording()
    clock = VirtualClock(shown.snapshot.now)
    return DashboardApp("", clock=clock, feed=feed_of(shown, link), **options)  # type: ignore[arg-type]


def screen_text(app: DashboardApp) -> str:
    """The screen as lines of text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


async def seen(pilot: Pilot[None], condition: Callable[[str], bool], seconds: float = 10.0) -> str:
    """Wait until the screen's text is as wished; the text, or a failure that shows it."""
    clock = SystemClock()
    deadline = clock.monotonic() + seconds
    app = pilot.app
    assert isinstance(app, DashboardApp)
    while True:
        await pilot.pause()
        text = screen_text(app)
        if condition(text):
            return text
        assert clock.monotonic() < deadline, f"never seen; the screen shows\n{text}"
        await asyncio.sleep(0.02)
