"""Local time for habits: people live by their clocks, which are moved twice a year, and stay at home on holidays. Pure.

Asked by ``usual`` for each hour, so that offsets are remembered. The surprising part: an offset that is no whole number of
hours is rounded down, since habits are kept by whole UTC hours.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

HOUR = 3600


@lru_cache(maxsize=65_536)
def shift(zone: str, hour: int) -> int:
    """Hours by which the clocks of a zone are ahead of UTC in this hour (counted from 1970)."""
    ahead = datetime.fromtimestamp(hour * HOUR, UTC).astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)
    return int(ahead.total_seconds() // HOUR)


def day(zone: str, hour: int) -> date:
    """The date in the zone."""
    return datetime.fromtimestamp((hour + shift(zone, hour)) * HOUR, UTC).date()
