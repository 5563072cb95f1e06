"""All SQL about how labels met their predictions: exact counts per model, kept over restarts.

Written by the store's writer thread in the transaction of the rows themselves, so that a crash leaves no row that is
not counted and no count without its row. Every outcome that was taken is in exactly one of joined, doubled,
corrected, orphaned, or still waits.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields

from autoheal.domain.names import ModelName


@dataclass(frozen=True, slots=True)
class Joins:
    """What became of one model's records since telemetry.db was made.

    ``predictions`` were stored, ``repeated`` ones were there already. Of the outcomes ``joined`` were the first label
    of a prediction (``early`` of those came before it), ``doubled`` said the same again or was older than the label that stands,
    ``corrected`` said something else, ``orphaned`` ones waited in vain; ``waiting`` ones still do. ``expired`` predictions left without a label,
    ``sampled_out`` ones were dropped under overload.
    """

    predictions: int = 0
    repeated: int = 0
    joined: int = 0
    early: int = 0
    doubled: int = 0
    corrected: int = 0
    orphaned: int = 0
    expired: int = 0
    sampled_out: int = 0
    waiting: int = 0

    @property
    def outcomes(self) -> int:
        """All that were taken."""
        return self.joined + self.doubled + self.corrected + self.orphaned + self.waiting


NAMES = tuple(f.name for f in fields(Joins) if f.name != "waiting")


def add(db: sqlite3.Connection, counted: Mapping[tuple[str, str], int]) -> None:
    """Add to the counts; ``counted`` maps (model, name) to how many."""
    db.executemany(
        "INSERT INTO joins (model, name, n) VALUES (?, ?, ?)"
        " ON CONFLICT (model, name) DO UPDATE SET n = n + excluded.n",
        ((model, name, n) for (model, name), n in counted.items() if n and name),
    )


def named(db: sqlite3.Connection, model: ModelName) -> dict[str, int]:
    """All counts of one model, also those that are not about labels."""
    return dict(db.execute("SELECT name, n FROM joins WHERE model = ?", (model,)).fetchall())


def read(db: sqlite3.Connection) -> dict[ModelName, Joins]:
    """The counts of every model that was ever heard of."""
    found: dict[str, Counter[str]] = {}
    for model, name, n in db.execute("SELECT model, name, n FROM joins"):
        if name in NAMES:
            found.setdefault(model, Counter())[name] = n
    for model, n in db.execute("SELECT model, count(*) FROM waiting_outcomes GROUP BY model"):
        found.setdefault(model, Counter())["waiting"] = n
    return {ModelName(model): Joins(**counts) for model, counts in found.items()}
