"""Small pieces of text that every presenter needs: spans of time, numbers, marks, cutting and wrapping. Pure.

Names and notes come from outside and go to a terminal: ``clean`` takes control characters out, and everything that
presenters print has gone through it.
"""

from __future__ import annotations

import textwrap
from datetime import datetime, timedelta

from rich.cells import cell_len, set_cell_size

#: glyph -> what stands for it where only ASCII is to be had.
ASCII = {
    "●": "*",
    "▲": "^",
    "✖": "x",
    "✗": "x",
    "✓": "v",
    "‖": "=",
    "↻": "@",
    "▶": ">",
    "○": "o",
    "·": ".",
    "–": "-",
    "…": "~",
    "│": "|",
    "├": "|",
    "└": "`",
    "─": "-",
    "→": ">",
    "≥": ">",
    "≤": "<",
    "−": "-",
    "≈": "~",
    "×": "x",
    "Δ": "d",
    "⏎": "]",
    "◐": "%",
    "◆": "#",
    "▸": ">",
    "╌": "-",
    **dict.fromkeys("┌┐└┘├┤┬┴┼", "+"),
    **dict(zip("▁▂▃▄▅▆▇█", "__..--==", strict=True)),
}
_TABLE = str.maketrans(ASCII)


def clean(text: object) -> str:
    """One printable line: control characters become spaces."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def plain(line: str, ascii: bool) -> str:  # noqa: A002  the word that the option has
    """``line`` in ASCII when that is asked for."""
    if not ascii or line.isascii():
        return line
    return "".join(c if c.isascii() else "?" * cell_len(c) for c in line.translate(_TABLE))


def cut(text: str, width: int) -> str:
    """At most ``width`` columns, an ellipsis where something is missing."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 0 else ""


def pad(text: str, width: int) -> str:
    """Exactly ``width`` columns; a letter may take two."""
    return set_cell_size(cut(text, width), max(0, width))


def span(length: timedelta) -> str:
    """Two units at most: ``5m12s``, ``2h10m``, ``9d``; never negative."""
    seconds = max(0, int(length.total_seconds()))
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")]
    first = next((i for i, (n, _) in enumerate(parts) if n), 3)
    shown = [parts[first], *[p for p in parts[first + 1 : first + 2] if p[0]]]
    return "".join(f"{n}{unit}" for n, unit in shown)


def stamp(when: datetime | None) -> str:
    """Absolute and short, in UTC."""
    return "–" if when is None else f"{when:%Y-%m-%d %H:%M:%S}"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def mark(holds: bool | None) -> str:
    return {True: "✓", False: "✗", None: "?"}[holds]


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` columns; at least one."""
    room = max(8, width)
    if cell_len(text) == len(text):
        return textwrap.wrap(text, room, break_on_hyphens=False) or [""]
    return _wrap_cells(text.split(), room)


def _wrap_cells(words: list[str], width: int) -> list[str]:
    """The same for text with letters of two columns, which textwrap cannot measure."""
    rows = [""]
    for word in words:
        joined = f"{rows[-1]} {word}" if rows[-1] else word
        if cell_len(joined) <= width:
            rows[-1] = joined
            continue
        rest = word
        rows += [] if rows[-1] == "" else [""]
        while cell_len(rest) > width:
            head = next(rest[:n] for n in range(len(rest), 0, -1) if cell_len(rest[:n]) <= width)
            rows[-1], rest = head, rest[len(head) :]
            rows.append("")
        rows[-1] = rest
    return rows


def left_right(left: str, right: str, width: int) -> str:
    """``left`` at the left and ``right`` at the right edge, if both fit."""
    gap = width - cell_len(left) - cell_len(right)
    return f"{left}{' ' * gap}{right}" if right and gap >= 2 else left
