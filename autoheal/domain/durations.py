"""Durations as operators write them: ``5m``, ``1h30m``, ``500ms``. Pure.

``Duration`` is the pydantic field for them; policies, runbooks, monitor options and the daemon's settings all use it,
so that ``90`` is refused everywhere for want of a unit. Surprise: a month or a year is no unit, for it has no length.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

#: Microseconds in one of each unit, the longest first.
UNITS = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
}
#: Long enough for any retention, short enough that ``now + duration`` stays a date.
LONGEST = timedelta(days=36_500)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
PATTERN = r"^(\d+(\.\d+)?(ms|s|m|h|d|w))+$"


def parse_duration(text: str) -> timedelta:
    """``5m``, ``1h30m``, ``1.5s``, ``500ms``, ``7d``, ``1w``; ValueError says what is wrong with anything else."""
    whole = text.strip()
    if _NUMBER.fullmatch(whole):
        raise ValueError(f"the duration {text!r} has no unit: write {whole}s, {whole}m, {whole}h or {whole}d")
    total, end = Decimal(0), 0
    for part in _PART.finditer(whole):
        if part.start() != end:
            break
        total += Decimal(part[1]) * UNITS[part[2]]
        end = part.end()
    if not whole or end != len(whole):
        raise ValueError(
            f"{text!r} is not a duration: write a number and a unit (ms, s, m, h, d, w), like 90s or 1h30m"
        )
    if total > Decimal(int(LONGEST.total_seconds())) * UNITS["s"]:
        raise ValueError(f"the duration {text!r} is longer than a hundred years")
    return timedelta(microseconds=int(total))


def format_duration(value: timedelta) -> str:
    """The shortest text that ``parse_duration`` reads back as ``value``; negative ones get a leading minus."""
    left = round(value / timedelta(microseconds=1))
    if left < 0:
        return f"-{format_duration(-value)}"
    if left == 0:
        return "0s"
    for unit in ("w", "d"):
        if left % UNITS[unit] == 0:
            return f"{left // UNITS[unit]}{unit}"
    parts = []
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    if left:
        parts.append(f"{Decimal(left) / 1000:f}ms")
    return "".join(parts)


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return parse_duration(
            f"{value:f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
        )
    raise ValueError("expected a duration like 90s, 5m, 2h or 7d")


#: A duration in YAML or JSON; ``timedelta`` in code.
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["90s", "5m", "2h", "7d"]}),
]
