"""The filter line: ``fraud !eta state:firing owner:risk-ml``. All words must hold. Pure.

``word`` looks in every field, ``!word`` excludes, ``field:part`` looks in one field. Case does not matter; what is
half typed matches what it may become, so that the list narrows while one types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoheal.tui.present.fleet import Row


@dataclass(frozen=True, slots=True)
class Term:
    """``field`` is empty for a word that may stand anywhere."""

    part: str
    field: str = ""
    negated: bool = False

    def holds(self, fields: Mapping[str, str]) -> bool:
        if self.field:
            names = [name for name in fields if name.casefold().startswith(self.field)]
            exact = [name for name in names if name.casefold() == self.field]
            found = any(self.part in fields[name].casefold() for name in exact or names)
        else:
            found = any(self.part in value.casefold() for value in fields.values())
        return found != self.negated


def parse(text: str) -> tuple[Term, ...]:
    """The terms of a filter; half-typed ones (``!``, ``state:``) hold for everything."""
    terms = []
    for word in text.casefold().split():
        negated = word.startswith("!")
        field, colon, part = word.lstrip("!").partition(":")
        if not colon:
            field, part = "", field
        if part:
            terms.append(Term(part, field, negated))
    return tuple(terms)


def keep(rows: Sequence[Row], text: str) -> tuple[Row, ...]:
    """The rows for which every term holds, in their order."""
    terms = parse(text)
    return tuple(r for r in rows if all(term.holds(r.fields) for term in terms))
