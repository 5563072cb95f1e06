"""A number's history as a row of blocks, gaps as gaps. Pure.

``with_gaps`` turns points in time into evenly spaced values, None where nothing came; ``sparkline`` draws them exactly
as wide as asked. Nothing seen yet is blank, nothing seen *any more* is a dot: no data is never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from math import isfinite

BLOCKS = "▁▂▃▄▅▆▇█"
GAP = "·"
BLANK = " "
#: A step of history this much longer than usual is a gap.
_LATE = 2.5
#: A flat line stays flat: the scale spans at least this share of the largest value.
_LEAST_SPAN = 0.25

#: Past this a number is a mistake and would overflow the scale.
_ABSURD = 1e100

Value = float | None
Point = tuple[datetime, Value]


def with_gaps(points: Sequence[Point], now: datetime | None = None, *, most: int = 400) -> list[Value]:
    """The values of ``points`` (oldest first) with None for each beat at which one should have come, up to ``now``."""
    if len(points) < 2:
        return [value for _, value in points]
    recent = points[-most:]
    steps = [later[0] - earlier[0] for earlier, later in pairwise(recent)]
    usual = sorted(steps)[len(steps) // 2]
    values: list[Value] = [recent[0][1]]
    for step, (_, value) in zip(steps, recent[1:], strict=True):
        values += [None] * _missed(step, usual, most)
        values.append(value)
    if now is not None:
        values += [None] * _missed(now - recent[-1][0], usual, most)
    return values[-most:]


def _missed(step: timedelta, usual: timedelta, most: int) -> int:
    if usual <= timedelta(0) or step < usual * _LATE:
        return 0
    return min(most, int(step / usual) - 1)


def sparkline(
    values: Sequence[Value], width: int, *, low: float | None = None, high: float | None = None
) -> str:
    """Exactly ``width`` columns, the newest at the right; more values than columns are averaged in groups."""
    if width <= 0:
        return ""
    clean = [v if v is not None and isfinite(v) and abs(v) < _ABSURD else None for v in values]
    shown = squeeze(clean, width)
    known = [v for v in shown if v is not None]
    if not known:
        return (GAP * len(shown)).rjust(width, BLANK)
    bottom = min(known) if low is None else low
    top = max(known) if high is None else high
    span = max(top - bottom, _LEAST_SPAN * max(abs(top), abs(bottom)))
    middle = (top + bottom) / 2
    base = middle - span / 2 if span > top - bottom else bottom
    return "".join(_glyph(v, base, span) for v in shown).rjust(width, BLANK)


def squeeze(values: Sequence[Value], width: int) -> list[Value]:
    """At most ``width`` values, each the mean of its group; a group without any value is a gap."""
    count = len(values)
    if count <= width:
        return list(values)
    edges = [i * count // width for i in range(width + 1)]
    return [_mean(values[a:b]) for a, b in pairwise(edges)]


def _mean(values: Sequence[Value]) -> Value:
    known = [v for v in values if v is not None]
    return sum(v / len(known) for v in known) if known else None


def _glyph(value: Value, base: float, span: float) -> str:
    if value is None:
        return GAP
    if span <= 0:
        return BLOCKS[0]
    share = (value - base) / span
    return BLOCKS[min(len(BLOCKS) - 1, max(0, int(share * len(BLOCKS))))]


def columns(values: Sequence[Value], width: int, height: int, low: float, high: float) -> list[str]:
    """A block chart, the top row first: each column an eighth-precise bar, gaps as dots on the ground."""
    shown = squeeze(values, width)
    span = max(high - low, 1e-12)
    rows = []
    for row in range(height - 1, -1, -1):
        cells = [_cell(v, row, height, low, span) for v in shown]
        rows.append("".join(cells).rjust(width, BLANK))
    return rows


def _cell(value: Value, row: int, height: int, low: float, span: float) -> str:
    if value is None:
        return GAP if row == 0 else BLANK
    eighths = int(min(1.0, max(0.0, (value - low) / span)) * height * 8)
    filled = max(1 if row == 0 else 0, eighths - row * 8)
    return BLANK if filled <= 0 else BLOCKS[min(8, filled) - 1]
