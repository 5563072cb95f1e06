"""A metric's history as a block chart with its baseline drawn through. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from autoheal.tui.present.line import Line, line
from autoheal.tui.present.numbers import short
from autoheal.tui.sparkline import Value, columns

HEIGHT = 5
#: Columns for the scale at the left and the word at the right.
_MARGIN = 20


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    baseline: float | None

    @property
    def row(self) -> int | None:
        """The row (0 is the top) in which the baseline lies."""
        if self.baseline is None:
            return None
        share = (self.baseline - self.low) / (self.high - self.low)
        return HEIGHT - 1 - min(HEIGHT - 1, max(0, int(share * HEIGHT)))


def chart_lines(values: Sequence[Value], baseline: float | None, width: int) -> list[Line]:
    """``HEIGHT`` lines, the whole width; nothing when no value is known."""
    known = [v for v in values if v is not None and isfinite(v)]
    wide = width - _MARGIN
    if not known or wide < 10:
        return []
    level = baseline if baseline is not None and isfinite(baseline) else None
    scale = _scale(known if level is None else [*known, level], level)
    drawn = columns(_stretched(values, wide), wide, HEIGHT, scale.low, scale.high)
    return [_row(number, text, scale) for number, text in enumerate(drawn)]


def _scale(values: Sequence[float], baseline: float | None) -> _Scale:
    low, high = min(values), max(values)
    room = max((high - low) * 0.15, max(abs(low), abs(high)) * 0.05, 1e-9)
    return _Scale(low - room, high + room, baseline)


def _stretched(values: Sequence[Value], width: int) -> list[Value]:
    """At least ``width`` values; a short history is drawn in broad columns."""
    if len(values) >= width:
        return list(values)
    return [values[i * len(values) // width] for i in range(width)]


def _row(number: int, text: str, scale: _Scale) -> Line:
    if number == scale.row:
        shown = text.replace(" ", "╌")
        head = f"{short(scale.baseline):>6} "
        return line((head, "accent"), ("┼", "rule"), (shown, "spark"), (" baseline", "accent"))
    edge = {0: short(scale.high), HEIGHT - 1: short(scale.low)}.get(number, "")
    return line((f"{edge:>6} ", "dim"), ("┤", "rule"), (text, "spark"))
