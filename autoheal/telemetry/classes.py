"""Which classes of a model a confusion keeps apart: those of a reference, then the first that come. In the store's thread.

A class keeps its seat for ever, and one that came when all were taken never gets one, so that a label that is corrected is
taken back under the name that it was counted under, and sums of buckets stay exact.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from autoheal.monitors.reference import Reference

#: Classes with a seat.
MOST_CLASSES = 50
#: The others; an answer of another class without a seat than the truth is ``ANOTHER``, so that it still is wrong.
OTHER, ANOTHER = "<other>", "<another>"


@dataclass(slots=True)
class Classes:
    """Seats by model."""

    _seats: dict[str, set[str]] = field(default_factory=dict)
    _wanted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: Those that the transaction under way has given.
    _fresh: list[tuple[str, str]] = field(default_factory=list)

    def prefer(self, model: str, reference: Reference) -> None:
        """Seat the classes of this reference before others, as far as there still is room; from any thread."""
        names = (reference.positive, *reference.classes)
        self._wanted[model] = tuple(dict.fromkeys(name for name in names if name))

    def seated(self, db: sqlite3.Connection, model: str, names: Sequence[str]) -> set[str]:
        """Those of ``names`` that have a seat, or take one now."""
        seats = self._seats.get(model)
        if seats is None:
            found = db.execute("SELECT class FROM class_seats WHERE model = ?", (model,))
            seats = self._seats[model] = {name for (name,) in found}
        for name in (*self._wanted.get(model, ()), *names):
            if len(seats) >= MOST_CLASSES:
                break
            if name not in seats:
                db.execute("INSERT INTO class_seats (model, class) VALUES (?, ?)", (model, name))
                seats.add(name)
                self._fresh.append((model, name))
        return seats & set(names)

    def settle(self) -> None:
        """The transaction was committed."""
        self._fresh.clear()

    def give_up(self) -> None:
        """The transaction was rolled back."""
        for model, name in self._fresh:
            self._seats[model].discard(name)
        self._fresh.clear()


def pair(seated: set[str], truth: str, said: str) -> tuple[str, str]:
    """How a confusion names them."""
    other = OTHER if said == truth else ANOTHER
    return truth if truth in seated else OTHER, said if said in seated else other
