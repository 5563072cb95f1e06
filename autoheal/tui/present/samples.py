"""A model's raw rows as a page: a uniform sample of them, without sensitive features. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autoheal.domain.past import SampledRow, Samples
from autoheal.tui.present.columns import Column, heading, layout, row
from autoheal.tui.present.line import Line, Span, cut, line, rule, wrapped
from autoheal.tui.present.numbers import exact
from autoheal.tui.present.text import clean
from autoheal.tui.present.times import clock, spans_days
from autoheal.tui.viewstate import Frame

_COLUMNS = (
    Column("TIME", 14),
    Column("VERSION", 8, 16),
    Column("SAID", 8, 14, right=True),
    Column("SCORE", 6, right=True),
    Column("LABEL", 8, 14, right=True),
    Column("ID", 8, 40),
)


def sample_lines(frame: Frame, found: Samples | str, width: int) -> list[Line]:
    """The rows, newest first, each over its features; or one sentence why there are none."""
    if isinstance(found, str):
        return [line((f" {clean(found)}", "dim"))]
    if not found.rows:
        return [line((" no row came on the day before the newest one", "dim"))]
    dated = spans_days([one.time for one in found.rows], frame.now)
    sizes = layout(_COLUMNS, width - 4)
    lines = [rule(width, (1, f"{len(found.rows)} rows, a uniform sample of the newest day"))]
    if found.hidden:
        lines += wrapped(line(("   not shown: ", "dim")), ", ".join(found.hidden), width, role="dim")
    lines.append(heading(_COLUMNS, sizes))
    for one in reversed(found.rows):
        lines.append((Span("   "), *row(_cells(frame, one, dated=dated), _COLUMNS, sizes)))
        lines += wrapped(line("     "), _features(one.features), width, role="dim")
    return [cut(content, width) for content in lines]


def _cells(frame: Frame, one: SampledRow, *, dated: bool) -> tuple[Line, ...]:
    label = line((_value(one.label), "")) if one.label is not None else line(("–", "dim"))
    return (
        line((clock(one.time, frame, dated=dated), "dim")),
        line(clean(one.version)),
        line(_value(one.prediction)),
        line((exact(one.score), "dim")),
        label,
        line((clean(one.id), "dim")),
    )


def _features(features: Mapping[str, Any]) -> str:
    return "  ".join(f"{name}={_value(value)}" for name, value in features.items()) or "no feature is shown"


def _value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float) and not value.is_integer():
        return exact(value)
    return clean(f"{value:g}" if isinstance(value, float) else value)
