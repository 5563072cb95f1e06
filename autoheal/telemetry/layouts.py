"""Which grid each version's rows are counted on: that of its own reference as soon as somebody has told it (``refer``), until
then that of the model's latest reference, or none. ``of`` is called in the writer's thread.

The surprising part: only the versions that are in use are in memory; the others lie in telemetry.db, since a thousand models
that are trained each week have fifty thousand grids after a year.
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass, field

from autoheal.domain.specs import ModelSpec
from autoheal.monitors.reference import Reference
from autoheal.telemetry import summaries_table
from autoheal.telemetry.grid import Layout, layout

#: Versions of one model whose grids are in memory: those that were asked for last.
HELD = 4

_Key = tuple[str, str]


@dataclass(slots=True)
class Layouts:
    """By model and version."""

    _held: dict[str, dict[str, Layout]] = field(default_factory=dict)
    _latest: dict[str, Layout] = field(default_factory=dict)
    _told: dict[_Key, Reference] = field(default_factory=dict)
    #: Those that are not on disk, and those that the transaction under way has written there.
    _unsaved: set[_Key] = field(default_factory=set)
    _saving: set[_Key] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def told(self, spec: ModelSpec, version: str, reference: Reference) -> bool:
        """Whether this is what ``refer`` was told last."""
        return self._told.get((spec.name, version)) is reference

    def refer(self, spec: ModelSpec, version: str, reference: Reference) -> None:
        """Count this version on this reference's grid from now on; from any thread."""
        key, made = (spec.name, version), layout(spec, reference)
        with self._lock:
            self._told[key] = reference
            self._latest[spec.name] = made
            if self._held.get(spec.name, {}).get(version) != made:
                self._unsaved.add(key)
            self._hold(key, made)

    def of(self, db: sqlite3.Connection, spec: ModelSpec, version: str) -> Layout:
        """The grid of a version now; from here on it is on disk, when the transaction is."""
        key = (spec.name, version)
        with self._lock:
            known = self._held.get(spec.name, {}).get(version) or summaries_table.layout_now(db, *key)
            if known is None or not _fits(known, spec):
                latest = self._latest.get(spec.name) or summaries_table.newest_layout(db, spec.name)
                known = latest if latest is not None and _fits(latest, spec) else layout(spec, None)
                self._unsaved.add(key)
            self._hold(key, known)
            if key in self._unsaved:
                summaries_table.keep_layout(db, *key, known)
                self._unsaved.discard(key)
                self._saving.add(key)
        return known

    def counted(self, db: sqlite3.Connection, model: str, version: str) -> bool:
        """Whether rows of this version were ever counted under its name."""
        with self._lock:
            held = version in self._held.get(model, {}) and (model, version) not in self._unsaved
        return held or summaries_table.layout_now(db, model, version) is not None

    def settle(self) -> None:
        """The transaction was committed."""
        self._saving.clear()

    def give_up(self) -> None:
        """The transaction was rolled back."""
        with self._lock:
            self._unsaved |= self._saving
        self._saving.clear()

    def _hold(self, key: _Key, known: Layout) -> None:
        model, version = key
        mine = self._held.setdefault(model, {})
        mine.pop(version, None)
        mine[version] = known
        while len(mine) > HELD:
            gone = next(iter(mine))
            del mine[gone]
            self._told.pop((model, gone), None)
            self._unsaved.discard((model, gone))


def _fits(known: Layout, spec: ModelSpec) -> bool:
    return [f.name for f in known.features] == [f.name for f in spec.features]
