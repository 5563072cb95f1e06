"""All SQL about the keys of stored batches. Called by the store's writer thread, in the transaction of the rows.

A sender that lost the answer sends the batch again under its key. Because key and rows are committed together, a
batch is stored once even when the daemon dies between the two sendings; the newest keys are kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from autoheal.telemetry.counts import Counts
from autoheal.telemetry.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Batch:
    """The sender's key of a batch, and a digest of its bytes: one key must not stand for two batches."""

    key: str
    digest: str


def fate(db: sqlite3.Connection, batch: Batch | None) -> Counts | Refusal | None:
    """What became of the batch when it was stored before, or that its key was another one's; None for a new one."""
    if batch is None:
        return None
    row = db.execute(
        "SELECT digest, accepted, duplicates, waiting, corrected FROM batches WHERE key = ?", (batch.key,)
    ).fetchone()
    if row is None:
        return None
    if row[0] != batch.digest:
        return Refusal("key_reused", "this Idempotency-Key was used for another batch; take a new one")
    return Counts(*row[1:])


def any_of(db: sqlite3.Connection, keys: Sequence[str]) -> bool:
    """Whether one of these keys was used before."""
    return any(db.execute("SELECT 1 FROM batches WHERE key = ?", (key,)).fetchone() for key in keys)


def remember(db: sqlite3.Connection, batch: Batch | None, counts: Counts) -> None:
    """Keep what became of it; the first time stands."""
    if batch is not None:
        db.execute(
            "INSERT OR IGNORE INTO batches (key, digest, accepted, duplicates, waiting, corrected)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                batch.key,
                batch.digest,
                counts.accepted,
                counts.duplicates,
                counts.waiting,
                counts.corrected,
            ),
        )


def trim(db: sqlite3.Connection, keep: int) -> int:
    """Forget the oldest keys beyond ``keep``; how many went."""
    newest = db.execute("SELECT ifnull(max(seq), 0) FROM batches").fetchone()[0]
    return db.execute("DELETE FROM batches WHERE seq <= ?", (newest - keep,)).rowcount
