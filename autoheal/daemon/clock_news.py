"""Whether the clock and the log agree about the time, as news for the log. Pure; asked by the kernel each turn."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from autoheal.domain.events import Event, TaskStateChanged
from autoheal.domain.world import World

#: A clock that is behind the log by more than this is reported, as a task of this name.
SLACK: Final = timedelta(seconds=1)
TASK: Final = "clock"


def clock_news(world: World, now: datetime) -> Event | None:
    """The clock fell behind the log, or has caught up: once each, so that people learn why nothing is due."""
    if world.at is None:
        return None
    known = world.tasks.get(TASK)
    well = known is None or known.state == "running"
    behind = world.at - now
    if well and behind > SLACK:
        text = f"set back: {behind} behind the log, whose time stands still until the clock has caught up"
        return TaskStateChanged(TASK, "backing_off", text)
    if not well and behind <= timedelta(0):
        return TaskStateChanged(TASK, "running", "the clock has caught up with the log")
    return None
