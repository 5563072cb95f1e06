"""Columns of a table in a given width: least widths first, then whoever wants more gets some. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoheal.tui.present.line import Line, Span, aligned, join, line

GUTTER = 3


@dataclass(frozen=True, slots=True)
class Column:
    """``least`` columns always, up to ``most`` when there is room; ``right`` aligns at the right edge."""

    title: str
    least: int
    most: int = 0
    right: bool = False


def layout(columns: Sequence[Column], width: int, between: int = 1) -> tuple[int, ...]:
    """A width for each column; together with the gaps they take at most ``width`` (if the least widths do)."""
    sizes = [c.least for c in columns]
    spare = width - sum(sizes) - between * (len(columns) - 1)
    while spare > 0:
        hungry = [i for i, c in enumerate(columns) if sizes[i] < c.most]
        if not hungry:
            break
        for i in hungry[:spare]:
            sizes[i] += 1
        spare -= len(hungry[:spare])
    return tuple(sizes)


def heading(columns: Sequence[Column], sizes: Sequence[int]) -> Line:
    cells = [
        aligned(line((c.title, "head")), size, right=c.right) for c, size in zip(columns, sizes, strict=True)
    ]
    return (Span(" " * GUTTER), *join(cells))


def row(cells: Sequence[Line], columns: Sequence[Column], sizes: Sequence[int]) -> Line:
    """One line of the table, without the gutter (the list draws the cursor there)."""
    return join(
        aligned(cell, size, right=c.right) for cell, c, size in zip(cells, columns, sizes, strict=True)
    )


def longest(texts: Sequence[str], least: int, most: int) -> int:
    return min(most, max([least, *(len(t) for t in texts)]))
