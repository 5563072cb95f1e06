"""All SQL about metric samples. Called by the store's writer thread, and once at start to fill the memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from autoheal.telemetry.records import Metric


def insert(db: sqlite3.Connection, records: Sequence[Metric]) -> None:
    db.executemany(
        "INSERT INTO metrics (model, name, time, value) VALUES (?, ?, ?, ?)",
        ((r.model, r.name, r.time, r.value) for r in records),
    )


def names(db: sqlite3.Connection) -> list[tuple[str, str]]:
    return list(db.execute("SELECT DISTINCT model, name FROM metrics"))


def newest(db: sqlite3.Connection, model: str, name: str, count: int) -> list[tuple[float, float]]:
    """The newest samples, in the order of arrival."""
    found = db.execute(
        "SELECT time, value FROM metrics WHERE model = ? AND name = ? ORDER BY seq DESC LIMIT ?",
        (model, name, count),
    )
    return list(found)[::-1]


def trim(db: sqlite3.Connection, keep: int) -> int:
    """Forget the oldest samples of each metric beyond ``keep``; how many went."""
    gone = 0
    for model, name in names(db):
        edge = db.execute(
            "SELECT seq FROM metrics WHERE model = ? AND name = ? ORDER BY seq DESC LIMIT 1 OFFSET ?",
            (model, name, keep),
        ).fetchone()
        if edge is not None:
            gone += db.execute(
                "DELETE FROM metrics WHERE model = ? AND name = ? AND seq <= ?", (model, name, edge[0])
            ).rowcount
    return gone
