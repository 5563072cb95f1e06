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
    """Model and metric, the longest silent first."""
    return db.execute("SELECT model, name FROM metrics GROUP BY model, name ORDER BY max(seq)").fetchall()


def known(db: sqlite3.Connection, model: str) -> list[str]:
    """The metrics of a model."""
    return [name for (name,) in db.execute("SELECT DISTINCT name FROM metrics WHERE model = ?", (model,))]


def newest(db: sqlite3.Connection, model: str, name: str, count: int) -> list[tuple[float, float]]:
    """The newest samples, in the order of arrival."""
    found = db.execute(
        "SELECT time, value FROM metrics WHERE model = ? AND name = ? ORDER BY seq DESC LIMIT ?",
        (model, name, count),
    )
    return list(found)[::-1]


def sizes(db: sqlite3.Connection, until: float) -> list[tuple[str, str, int, float]]:
    """Model, metric, how many samples of it there are, and the newest time up to ``until`` among them (or 0); the longest
    silent first."""
    found = db.execute(
        "SELECT model, name, count(*), ifnull(max(time) FILTER (WHERE time <= ?), 0) FROM metrics"
        " GROUP BY model, name ORDER BY max(seq)",
        (until,),
    )
    return found.fetchall()


def forget(db: sqlite3.Connection, metrics: Sequence[tuple[str, str]]) -> None:
    """Drop all samples of these metrics, and the buckets of older ones."""
    for table in ("metrics", "metric_buckets"):
        db.executemany(f"DELETE FROM {table} WHERE model = ? AND name = ?", metrics)  # noqa: S608 - constants


def between(
    db: sqlite3.Connection, model: str, since: float, until: float, name: str | None
) -> list[tuple[str, float, float]]:
    """Metric, time and value of the samples with since <= time < until, by metric and time."""
    found = db.execute(
        "SELECT name, time, value FROM metrics WHERE model = ? AND name = ifnull(?, name)"
        " AND time >= ? AND time < ? ORDER BY name, time, seq",
        (model, name, since, until),
    )
    return found.fetchall()


def take(db: sqlite3.Connection, model: str, name: str, keep: int) -> list[tuple[float, float]]:
    """Take out all but the ``keep`` samples of a metric that arrived last: time and value of each."""
    edge = db.execute(
        "SELECT seq FROM metrics WHERE model = ? AND name = ? ORDER BY seq DESC LIMIT 1 OFFSET ?",
        (model, name, keep),
    ).fetchone()
    if edge is None:
        return []
    old = (model, name, edge[0])
    found = db.execute(
        "SELECT time, value FROM metrics WHERE model = ? AND name = ? AND seq <= ?", old
    ).fetchall()
    db.execute("DELETE FROM metrics WHERE model = ? AND name = ? AND seq <= ?", old)
    return found
