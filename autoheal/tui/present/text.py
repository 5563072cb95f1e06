"""Small pieces of text that every presenter needs: spans of time, numbers, marks, cutting and wrapping. Pure.

Names and notes come from outside and go to a terminal: ``clean`` takes control characters out, and everything that
presenters print has gone through it.
"""

from __future__ import annotations

import textwrap
from datetime import datetime, timedelta

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
}
_TABLE = str.maketrans(ASCII)


def clean(text: object) -> str:
    """One printable line: control characters become spaces."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def plain(line: str, ascii: bool) -> str:  # noqa: A002  the word that the option has
    """``line`` in ASCII when that is asked for."""
    return line.translate(_TABLE).encode("ascii", "replace").decode() if ascii else line


def cut(text: str, width: int) -> str:
    """At most ``width`` characters, an ellipsis where something is missing."""
    if len(text) <= width:
        return text
    return text[: max(0, width - 1)] + "…" if width > 0 else ""


def pad(text: str, width: int) -> str:
    """Exactly ``width`` characters."""
    return cut(text, width).ljust(width)


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
    """Lines of at most ``width``; at least one."""
    return textwrap.wrap(text, max(8, width), break_on_hyphens=False) or [""]


def left_right(left: str, right: str, width: int) -> str:
    """``left`` at the left and ``right`` at the right edge, if both fit."""
    gap = width - len(left) - len(right)
    return f"{left}{' ' * gap}{right}" if right and gap >= 2 else left
