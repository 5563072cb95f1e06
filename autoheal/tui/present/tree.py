"""A tree of reasons as lines: mark, label, what it was compared with, and where it is written. Pure."""

from __future__ import annotations

from rich.cells import cell_len

from autoheal.domain.reason import Position, Reason
from autoheal.tui.present.text import clean, left_right, mark, wrap


def tree_lines(reason: Reason, width: int, *, indent: str = " ", above: Position | None = None) -> list[str]:
    """``reason`` and all beneath it. The position stands at the right edge where it differs from the one above."""
    here = str(reason.position)
    shown = "" if above is not None and here == str(above) else here
    lines = _node(reason, indent, shown, width)
    below = f"{indent}│  "
    for child in reason.children:
        lines += tree_lines(child, width, indent=below, above=reason.position if here else above)
    return lines


def _node(reason: Reason, indent: str, position: str, width: int) -> list[str]:
    label = clean(reason.label)
    detail = clean(reason.detail)
    head = f"{indent}{mark(reason.holds)} {label}"
    room = width - (cell_len(position) + 2 if position else 0)
    if not detail:
        return _placed(head, position, indent, width)
    joined = f"{head}  {detail}"
    if cell_len(joined) <= room:
        return [left_right(joined, position, width)]
    further = f"{indent}│    " if reason.children else f"{indent}     "
    return [
        *_placed(head, position, indent, width),
        *(f"{further}{line}" for line in wrap(detail, width - len(further))),
    ]


def _placed(head: str, position: str, indent: str, width: int) -> list[str]:
    """The head and its position; on lines of their own when they do not fit into one."""
    if cell_len(head) > width:
        rows = wrap(head.strip(), width - len(indent) - 2)
        lines = [indent + rows[0], *(f"{indent}  {row}" for row in rows[1:])]
    else:
        lines = [head]
    if not position:
        return lines
    if cell_len(lines[0]) + cell_len(position) + 2 <= width:
        return [left_right(lines[0], position, width), *lines[1:]]
    return [*lines, position.rjust(width)]
