"""Which slices of a model have a history of their own, and to which of them rows and late labels belong.

Used by the ``Summariser`` in the store's thread (``prefer`` from any). A category that lists no levels gives a seat to
each level of the reference, most frequent first, then to the first that come, up to ``most``; a seat is kept for ever,
so that a label that comes late finds the slice that its row was counted in. The surprising part: seats are nowhere
written down, since the names in the table of summaries say which are taken.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from autoheal.domain.specs import ModelSpec, SliceSpec
from autoheal.monitors.reference import Reference
from autoheal.monitors.rows import Column, Ints, Rows
from autoheal.monitors.slicing import MISSING, OTHER, Cut, cut_of, fit
from autoheal.telemetry import summaries_table
from autoheal.telemetry.values import level_of

_Key = tuple[str, str]


@dataclass(slots=True)
class Slices:
    """Seats by model and feature, in the order in which they were taken."""

    _seats: dict[_Key, dict[str, None]] = field(default_factory=dict)
    _wanted: dict[_Key, tuple[str, ...]] = field(default_factory=dict)
    _cuts: dict[_Key, tuple[SliceSpec, int, Cut]] = field(default_factory=dict)
    #: Seats that the transaction under way has given to levels of its rows.
    _fresh: list[tuple[_Key, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self) -> None:
        """The transaction was committed."""
        self._fresh.clear()

    def give_up(self) -> None:
        """The transaction was rolled back: no bucket says that these seats are taken."""
        for key, level in self._fresh:
            self._seats[key].pop(level, None)
            self._cuts.pop(key, None)
        self._fresh.clear()

    def prefer(self, spec: ModelSpec, reference: Reference) -> None:
        """Give the levels that this reference names a seat before others, as far as there still is room."""
        with self._lock:
            for feature, known in reference.slices.items():
                self._wanted[spec.name, feature] = known.cut.levels

    def cut(self, db: sqlite3.Connection, spec: ModelSpec, rows: Rows) -> list[tuple[tuple[str, ...], Ints]]:
        """For each sliced column its names, and the place in them of each row; new levels take seats."""
        found = []
        for one in spec.slices:
            column = rows.features.get(one.feature)
            if column is not None:
                cut = self._cut(db, spec, one, _arriving(one, column))
                found.append((cut.names, cut.codes(column)))
        return found

    def of(self, db: sqlite3.Connection, spec: ModelSpec, features: str | Mapping[str, Any]) -> list[str]:
        """The names of the slices, one a column, of a row with these raw features (JSON or as they are)."""
        raw = orjson.loads(features) if isinstance(features, str) else features
        found = []
        for one in spec.slices:
            feature = spec.feature(one.feature)
            if feature is not None:
                cut = self._cut(db, spec, one, ())
                value = raw.get(one.feature)
                place = cut.number(_number(value)) if feature.kind == "numeric" else cut.level(_level(value))
                found.append(cut.names[place])
        return found

    def _cut(self, db: sqlite3.Connection, spec: ModelSpec, one: SliceSpec, arriving: Sequence[str]) -> Cut:
        key = (spec.name, one.feature)
        seats: dict[str, None] = {}
        if not one.bins and not one.levels:
            seats = self._taken(db, *key)
            with self._lock:
                wanted = self._wanted.pop(key, ())
            for level in (*wanted, *arriving):
                seat = fit(level)
                if len(seats) < one.most and level not in {OTHER, MISSING} and seat not in seats:
                    seats[seat] = None
                    if level not in wanted:
                        self._fresh.append((key, seat))
        known = self._cuts.get(key)
        if known is None or known[:2] != (one, len(seats)):
            known = self._cuts[key] = (one, len(seats), cut_of(one, seats))
        return known[2]

    def _taken(self, db: sqlite3.Connection, model: str, feature: str) -> dict[str, None]:
        """The seats; at first those that the table of summaries knows."""
        seats = self._seats.get((model, feature))
        if seats is None:
            head = f"{fit(feature)}="
            names = [name.removeprefix(head) for name in summaries_table.slices(db, model, head)]
            seats = dict.fromkeys(name for name in names if name not in {OTHER, MISSING})
            self._seats[model, feature] = seats
        return seats


def secret(spec: ModelSpec) -> Callable[[str], bool]:
    """Whether a slice's name would tell a value of a sensitive category: one that the configuration does not list, from
    before the column was called sensitive."""
    heads = tuple(f"{fit(f.name)}=" for f in spec.features if f.sensitive)
    listed = {name for one in spec.slices if one.bins or one.levels for name in cut_of(one).names}
    return lambda name: name.startswith(heads) and name not in listed


def _arriving(one: SliceSpec, column: Column) -> Sequence[str]:
    """The levels of these rows, in the order in which they come."""
    if one.bins or one.levels or column.kind != "categorical":
        return ()
    codes, first = np.unique(column.values[column.usable].astype(np.int64), return_index=True)
    return [column.levels[code] for code in codes[np.argsort(first)].tolist()]


def _number(value: Any) -> float | None:
    """As ``telemetry.ring`` reads a number."""
    if not isinstance(value, int | float):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _level(value: Any) -> str | None:
    """As ``telemetry.ring`` reads a category."""
    if value is None or value == "" or value != value:  # noqa: PLR0124 - NaN differs from itself
        return None
    return level_of(value)
