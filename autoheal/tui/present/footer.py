"""The keys that work here, in one line; and the help page with all of them. Pure, from ``tui.keys``."""

from __future__ import annotations

from collections.abc import Sequence

from autoheal.tui.glyphs import INCIDENT, MODEL, STEP, Look
from autoheal.tui.keys import EVENTS, EVERYWHERE, KEYS, LISTS, ONE_MODEL, PAGES, WHY, Key, in_footer
from autoheal.tui.present.line import Line, Span, aligned, fit, join, line, rule, width_of

_GROUPS = (
    (LISTS, "in lists"),
    (PAGES, "on pages"),
    (WHY, "why"),
    (ONE_MODEL, "on a model's page"),
    (EVENTS, "in the event log"),
    (EVERYWHERE, "everywhere"),
)


def foot(
    keys: tuple[Key, ...],
    width: int,
    *,
    crossing: int | None = None,
    ascii: bool = False,  # noqa: A002  the option's word
) -> list[Line]:
    """A rule and the keys; as many as fit, quit and help for certain."""
    shown = list(in_footer(keys))
    while len(shown) > 2 and width_of(_keys(shown, ascii)) > width:
        shown.pop(-3)
    at = None if crossing is None else (crossing, "┴")
    return [rule(width, crossing=at), fit(_keys(shown, ascii), width)]


def _keys(keys: Sequence[Key], ascii: bool) -> Line:  # noqa: A002  the option's word
    """``⏎ open  w why``; without glyphs the key's name is written out."""
    cells = [
        line((key.shown.replace("⏎", "enter") if ascii else key.shown, "key"), (f" {key.label}", "dim"))
        for key in keys
    ]
    return (Span(" "), *join(cells, "  "))


def help_lines(width: int, here: str) -> list[Line]:
    """All keys by group, then what the glyphs mean."""
    lines: list[Line] = [line((" help", "strong"), (f"  {here}", "dim")), ()]
    for group, title in _GROUPS:
        lines.append(rule(width, (1, title)))
        lines += [
            line("   ", *aligned(line((_written(key), "key")), 26), key.help)
            for key in KEYS
            if key.group == group
        ]
        lines.append(())
    lines.append(rule(width, (1, "what the glyphs mean")))
    for title, looks in (("model", MODEL), ("incident", INCIDENT), ("step", STEP)):
        lines += _legend(title, list(looks.values()), width)
    return [
        *lines,
        (),
        line("   ▁▂▃▄▅▆▇█ history, the newest at the right   · a gap: no data is never zero"),
        line("   times are those of the daemon's clock; ", ("t", "key"), " changes how they are written"),
    ]


def _written(key: Key) -> str:
    names = {"slash": "/", "question_mark": "?", "minus": "-", "escape": "esc", "enter": "⏎"}
    return "  ".join(names.get(k, k) for k in key.keys.split(","))


def _legend(title: str, looks: Sequence[Look], width: int) -> list[Line]:
    cells = [aligned(line(look), 13) for look in looks]
    per = max(1, (width - 13) // 14)
    rows = [join(cells[i : i + per]) for i in range(0, len(cells), per)]
    return [(*aligned(line(f"   {title}" if n == 0 else ""), 13), *cells_) for n, cells_ in enumerate(rows)]
