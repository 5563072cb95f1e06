"""Reasons: every yes, no and don't-know of the engine is one of these, and booleans derive from them. Pure.

``holds`` is Kleene's third value made plain: True, False, or None for unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """Where in an operator's YAML something stands; line and column count from 1."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


NOWHERE = Position()


@dataclass(frozen=True, slots=True)
class Reason:
    """One node of the tree of reasons: what was asked, the answer, what it was compared with, where it is written."""

    label: str
    holds: bool | None
    detail: str = ""
    position: Position = NOWHERE
    children: tuple[Reason, ...] = ()


def all_of(label: str, children: Iterable[Reason], detail: str = "", position: Position = NOWHERE) -> Reason:
    """Kleene conjunction: False beats unknown beats True; an empty one holds."""
    nodes = tuple(children)
    return Reason(label, kleene_and(n.holds for n in nodes), detail, position, nodes)


def any_of(label: str, children: Iterable[Reason], detail: str = "", position: Position = NOWHERE) -> Reason:
    """Kleene disjunction: True beats unknown beats False; an empty one does not hold."""
    nodes = tuple(children)
    return Reason(label, kleene_or(n.holds for n in nodes), detail, position, nodes)


def negate(label: str, child: Reason, detail: str = "", position: Position = NOWHERE) -> Reason:
    holds = None if child.holds is None else not child.holds
    return Reason(label, holds, detail, position, (child,))


def kleene_and(values: Iterable[bool | None]) -> bool | None:
    seen = tuple(values)
    if False in seen:
        return False
    return None if None in seen else True


def kleene_or(values: Iterable[bool | None]) -> bool | None:
    seen = tuple(values)
    if True in seen:
        return True
    return None if None in seen else False
