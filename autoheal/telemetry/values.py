"""How raw values become comparable: times to unix seconds, categories and classes to text. Pure.

Bulk telemetry keeps times as unix seconds (float) because it lives in numpy columns; the doors of this package
convert from and to aware datetimes. The surprising part: a category ``1``, ``1.0`` and ``"1"`` are one level, and a
class ``True`` is the class ``1``, since producers, CSV files and models disagree about such types all the time.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from autoheal.monitors.reference import number_level

#: Unix seconds outside [0, 2100-01-01) are not seconds (milliseconds, days) or not plausible.
LATEST = 4102444800.0
_TRUTH = {"true": "True", "false": "False", "TRUE": "True", "FALSE": "False"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_unix(when: datetime) -> float:
    """Unix seconds of an aware datetime."""
    return (when - EPOCH).total_seconds()


def from_unix(seconds: float) -> datetime:
    """The aware UTC datetime of unix seconds, exact to the microsecond."""
    return EPOCH + timedelta(seconds=seconds)


def parse_time(value: object) -> float:
    """Unix seconds from an ISO 8601 text with an offset, or from a number of unix seconds.

    >>> parse_time("2011-07-01T00:00:00Z"), parse_time(1309478400)
    (1309478400.0, 1309478400.0)
    """
    if isinstance(value, str):
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("not an ISO 8601 time") from None
        if when.tzinfo is None:
            raise ValueError("a time needs an offset, for example a Z at its end")
        seconds = to_unix(when)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be an ISO 8601 text or unix seconds")  # noqa: TRY004 - pydantic maps ValueError
    else:
        seconds = float(value) if abs(value) < 1e300 else math.inf
    if not 0.0 <= seconds < LATEST:
        raise ValueError("must lie between 1970 and 2100 (numbers are unix seconds, not milliseconds)")
    return seconds


def level_of(value: object) -> str:
    """The category that a value names: whole floats as integers, truth values as True and False.

    >>> level_of(1.0), level_of("1"), level_of(True), level_of("true"), level_of(0.5)
    ('1', '1', 'True', 'True', '0.5')
    """
    if isinstance(value, float):
        return number_level(value)
    return _TRUTH.get(value, value) if isinstance(value, str) else str(value)


def class_of(value: object) -> str:
    """The class that a prediction or label names: as ``level_of``, with booleans as 1 and 0."""
    return level_of(int(value) if isinstance(value, bool) else value)
