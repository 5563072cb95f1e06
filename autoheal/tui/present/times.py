"""Times and ages as the screen says them: UTC, local or relative, never ambiguous. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from autoheal.tui.present.text import span
from autoheal.tui.viewstate import Frame

#: Past this the hour alone does not say which day is meant.
_ANOTHER_DAY = timedelta(hours=20)


def ago(then: datetime | None, now: datetime) -> str:
    """One unit: ``12s``, ``14m``, ``2h``, ``9d``; never negative, coarse on purpose (few repaints)."""
    if then is None:
        return "–"
    seconds = max(0, int((now - then).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def clock(when: datetime | None, frame: Frame, *, dated: bool = False, full: bool = False) -> str:
    """A point in time as the operator chose: ``03:12:44``, ``07-03 04:00`` where the day matters, ``5m12s ago``.

    ``full`` gives a dated one its seconds, too.
    """
    if when is None:
        return "–"
    if frame.times == "relative":
        return f"{span(frame.now - when)} ago" if when <= frame.now else f"in {span(when - frame.now)}"
    shown = when.astimezone(frame.zone)
    if not dated:
        return f"{shown:%H:%M:%S}"
    return f"{shown:%m-%d %H:%M:%S}" if full else f"{shown:%m-%d %H:%M}"


def spans_days(moments: list[datetime], now: datetime) -> bool:
    """Must these times say their day?"""
    return any(abs(now - moment) > _ANOTHER_DAY for moment in moments)


def zone_name(frame: Frame) -> str:
    return "UTC" if frame.times != "local" else f"{frame.now.astimezone(frame.zone):%Z}" or "local"


def wall_clock(frame: Frame) -> str:
    """The daemon's time for the title, dated when it is not today's."""
    if frame.snapshot is None:
        return ""
    shown = frame.now.astimezone(frame.zone)
    foreign = abs(frame.now - frame.wall) > _ANOTHER_DAY
    pattern = "%Y-%m-%d %H:%M" if foreign else "%H:%M:%S"
    return f"{shown:{pattern}} {zone_name(frame)}"


def rounded(seconds: float) -> str:
    """Seconds that are left or gone, whole."""
    return span(timedelta(seconds=max(0, round(seconds))))
