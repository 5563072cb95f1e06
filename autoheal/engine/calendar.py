"""Freeze calendars: windows of the week in an IANA zone, across midnight and daylight saving. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from autoheal.domain.specs import Freeze

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def frozen_until(freeze: Freeze, now: datetime) -> datetime | None:
    """The end of the window that ``now`` lies in, in UTC; None outside. A window belongs to the day it starts on."""
    zone = ZoneInfo(freeze.zone)
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        if freeze.days and WEEKDAYS[day.weekday()] not in freeze.days:
            continue
        start, end = _window(freeze, day, zone)
        if start <= now < end:
            return end.astimezone(now.tzinfo)
    return None


def _window(freeze: Freeze, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    start = _moment(day, freeze.start, zone)
    end = _moment(day, freeze.end, zone)
    return start, end if end > start else _moment(day + timedelta(days=1), freeze.end, zone)


def _moment(day: date, clock: str, zone: ZoneInfo) -> datetime:
    """A wall time on a day; ``24:00`` is the next midnight. A time that daylight saving skips is taken as the moment
    right after the gap."""
    hours, minutes = (int(part) for part in clock.split(":"))
    whole, hours = divmod(hours, 24)
    local = datetime.combine(day + timedelta(days=whole), time(hours, minutes), tzinfo=zone)
    return local.astimezone(ZoneInfo("UTC"))
