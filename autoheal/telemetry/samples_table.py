"""All SQL about the sample of raw rows that outlives them: a bounded number a model version and hour. Called by the
writer's thread when rows are about to be forgotten, and by readers.

Rows are ordered by ``rank``, the hash of their id. ``sample_edges`` says up to which rank (exclusive) the sample of an
hour is complete, once something was left out of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

COLUMNS = "rank, id, version, time, features, prediction, score, label"


class Hour(NamedTuple):
    """One sample. ``start`` is the unix second at which the hour begins."""

    model: str
    start: int
    version: str


class Sampled(NamedTuple):
    """One row of a sample; ``features`` are those that may be shown."""

    rank: int
    id: str
    version: str
    time: float
    features: dict[str, Any]
    prediction: Any
    score: float | None
    label: Any


def edge(db: sqlite3.Connection, hour: Hour) -> int | None:
    """Rows of the hour with a rank below are in its sample; None: all rows that have left."""
    found = db.execute("SELECT edge FROM sample_edges WHERE model = ? AND start = ? AND version = ?", hour)
    row = found.fetchone()
    return None if row is None else int(row[0])


def add(db: sqlite3.Connection, hour: Hour, rows: Sequence[Sampled], size: int, left_out: int | None) -> None:
    """Take rows in, and keep the ``size`` with the smallest ranks. ``left_out``: the smallest rank that is not offered."""
    db.executemany(
        f"INSERT OR REPLACE INTO samples (model, start, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
        ((hour.model, hour.start, *row[:4], orjson.dumps(row.features).decode(), *row[5:]) for row in rows),
    )
    same = "model = ? AND start = ? AND version = ?"
    beyond = db.execute(
        f"SELECT rank FROM samples WHERE {same} ORDER BY rank LIMIT 1 OFFSET ?",  # noqa: S608 - constants
        (*hour, size),
    ).fetchone()
    edges = [e for e in (edge(db, hour), left_out, None if beyond is None else beyond[0]) if e is not None]
    if edges:
        db.execute(f"DELETE FROM samples WHERE {same} AND rank >= ?", (*hour, min(edges)))  # noqa: S608 - constants
        db.execute(
            "INSERT OR REPLACE INTO sample_edges (model, start, version, edge) VALUES (?, ?, ?, ?)",
            (*hour, min(edges)),
        )


def between(
    db: sqlite3.Connection, model: str, since: float, until: float, version: str | None
) -> Iterator[Sampled]:
    """Kept rows with since < time <= until, in order of rank."""
    found = db.execute(
        f"SELECT {COLUMNS} FROM samples WHERE model = ? AND start > ? AND start <= ?"  # noqa: S608 - constants
        " AND time > ? AND time <= ? AND version = ifnull(?, version) ORDER BY rank, id",
        (model, since - 3_600, until, since, until, version),
    )
    for rank, id_, by, time, features, *rest in found:
        yield Sampled(rank, id_, by, time, orjson.loads(features), *rest)


def lowest_edge(
    db: sqlite3.Connection, model: str, since: float, until: float, version: str | None
) -> int | None:
    """Up to which rank all hours that touch (since, until] are complete; None when nothing was left out."""
    found = db.execute(
        "SELECT min(edge) FROM sample_edges WHERE model = ? AND start > ? AND start <= ?"
        " AND version = ifnull(?, version)",
        (model, since - 3_600, until, version),
    )
    row = found.fetchone()
    return None if row[0] is None else int(row[0])


def forget(db: sqlite3.Connection, model: str, before: float) -> None:
    """Drop the hours that begin earlier."""
    for table in ("samples", "sample_edges"):
        db.execute(f"DELETE FROM {table} WHERE model = ? AND start < ?", (model, before))  # noqa: S608 - constants
