"""All SQL about predictions and their labels. Called by the store's writer thread, and by readers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson

from autoheal.domain.names import ModelName, Version
from autoheal.telemetry.outcomes_table import met
from autoheal.telemetry.records import Outcome, Prediction, Scalar

_INSERT = """
    INSERT OR IGNORE INTO predictions
        (seq, model, id, version, time, arrived, features, prediction, score, latency_ms, error, fallback)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_COLUMNS = "seq, id, version, time, arrived, features, prediction, score, latency_ms, error, fallback, label, labelled"


def insert(db: sqlite3.Connection, first: int, arrived: float, records: Sequence[Prediction]) -> list[int]:
    """Store predictions under the numbers from ``first``; the places in ``records`` of those that were new."""
    db.executemany(
        _INSERT,
        (
            (
                first + i,
                r.model,
                r.id,
                r.version,
                r.time,
                arrived,
                orjson.dumps(r.features).decode(),
                r.prediction,
                r.score,
                r.latency_ms,
                r.error,
                r.by == "fallback",
            )
            for i, r in enumerate(records)
        ),
    )
    found = db.execute("SELECT seq FROM predictions WHERE seq >= ? ORDER BY seq", (first,))
    return [seq - first for (seq,) in found]


How = Literal["new", "same", "corrected"]


class Joined(NamedTuple):
    """A row that an outcome met: its number, how ("new", "same", "corrected"), the label before, and what it said.

    ``own`` tells an answer of the version itself from a stand-in's or none; ``features`` are JSON, or as they are.
    """

    seq: int
    how: How
    before: Scalar
    version: str
    time: float
    said: Scalar
    score: float | None
    own: bool
    labelled: float
    features: str | Mapping[str, Scalar]


def join_how(known: tuple[Any, float | None] | None, outcome: Outcome) -> How:
    """What an outcome is to a row with this label and its time (None: none yet). ``same`` changes no label: it repeats
    the one that stands, or is older than that."""
    if known is None:
        return "new"
    return "corrected" if met(*known, outcome) == "newer" else "same"


def label(db: sqlite3.Connection, outcome: Outcome, at: float) -> Joined | None:
    """Join one outcome to its prediction; None when there is none."""
    row = db.execute(
        "SELECT seq, label, label_time, version, time, prediction, score, error IS NULL AND NOT fallback, features"
        " FROM predictions WHERE model = ? AND id = ?",
        (outcome.model, outcome.id),
    ).fetchone()
    if row is None:
        return None
    seq, old, said_at, version, time, said, score, own, features = row
    how = join_how(None if old is None else (old, said_at), outcome)
    if how != "same" or (said_at is not None and outcome.time > said_at):
        db.execute(
            "UPDATE predictions SET label = ?, label_time = ?, labelled = ifnull(labelled, ?) WHERE seq = ?",
            (outcome.label, outcome.time, at, seq),
        )
    return Joined(seq, how, old, version, time, said, score, bool(own), at, features)


def last_seq(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT ifnull(max(seq), 0) FROM predictions").fetchone()[0])


def sizes(db: sqlite3.Connection) -> dict[ModelName, int]:
    return {ModelName(m): n for m, n in db.execute("SELECT model, count(*) FROM predictions GROUP BY model")}


def size(db: sqlite3.Connection, model: ModelName) -> int:
    return int(db.execute("SELECT count(*) FROM predictions WHERE model = ?", (model,)).fetchone()[0])


class Gone(NamedTuple):
    """Rows that were forgotten, and how many of them without ever having had a label."""

    rows: int
    unlabelled: int


class Leaving(NamedTuple):
    """A row that is about to be forgotten."""

    seq: int
    id: str
    version: str
    time: float


#: Is shown rows before they go.
Seer = Callable[[ModelName, Sequence[Leaving]], None]


def trim(db: sqlite3.Connection, model: ModelName, keep: int, see: Seer) -> Gone:
    """Forget the oldest rows (by data time) beyond ``keep``."""
    edge = db.execute(
        "SELECT time, seq FROM predictions WHERE model = ? ORDER BY time DESC, seq DESC LIMIT 1 OFFSET ?",
        (model, keep),
    ).fetchone()
    if edge is None:
        return Gone(0, 0)
    old = (model, edge[0], *edge)
    where = "model = ? AND (time < ? OR (time = ? AND seq <= ?))"
    found = db.execute(f"SELECT seq, id, version, time FROM predictions WHERE {where}", old)  # noqa: S608 - constants
    see(model, [Leaving(*row) for row in found])
    bare = db.execute(f"SELECT sum(label IS NULL) FROM predictions WHERE {where}", old).fetchone()[0]  # noqa: S608 - constants
    return Gone(db.execute(f"DELETE FROM predictions WHERE {where}", old).rowcount, bare)  # noqa: S608 - constants


def expire(db: sqlite3.Connection, arrived_before: float, see: Seer) -> dict[ModelName, Gone]:
    """Forget the rows that came before, of all models; numbers are given in the order of arrival."""
    first = db.execute(
        "SELECT seq FROM predictions WHERE arrived >= ? ORDER BY seq LIMIT 1", (arrived_before,)
    )
    edge = (first.fetchone() or (last_seq(db) + 1,))[0]
    found = db.execute(
        "SELECT model, count(*), sum(label IS NULL) FROM predictions WHERE seq < ? GROUP BY model", (edge,)
    )
    gone = {ModelName(model): Gone(rows, bare) for model, rows, bare in found}
    for model in gone:
        old = db.execute(
            "SELECT seq, id, version, time FROM predictions WHERE seq < ? AND model = ?", (edge, model)
        )
        see(model, [Leaving(*row) for row in old])
    if gone:
        db.execute("DELETE FROM predictions WHERE seq < ?", (edge,))
    return gone


class StoredRow(NamedTuple):
    """A prediction as it lies on disk, with its label."""

    seq: int
    record: Prediction
    arrived: float
    label: object
    labelled: float | None


def newest(db: sqlite3.Connection, model: ModelName, count: int) -> list[StoredRow]:
    """The newest rows by data time, in the order of arrival."""
    found = db.execute(
        f"SELECT {_COLUMNS} FROM predictions WHERE model = ? ORDER BY time DESC, seq DESC LIMIT ?",  # noqa: S608 - constant
        (model, count),
    )
    rows = [StoredRow(row[0], _record(model, row), row[4], row[11], row[12]) for row in found]
    return sorted(rows, key=lambda row: row.seq)


def answered(
    db: sqlite3.Connection, model: ModelName, since: float, until: float, version: str | None, limit: int
) -> list[StoredRow]:
    """The newest rows with since < time <= until that a version (any, when None) answered itself, the newest first."""
    found = db.execute(
        f"SELECT {_COLUMNS} FROM predictions WHERE model = ? AND time > ? AND time <= ?"  # noqa: S608 - constant
        " AND version = ifnull(?, version) AND fallback = 0 AND error IS NULL ORDER BY time DESC, seq DESC LIMIT ?",
        (model, since, until, version, limit),
    )
    return [StoredRow(row[0], _record(model, row), row[4], row[11], row[12]) for row in found]


def row(db: sqlite3.Connection, seq: int) -> tuple[Prediction, Any]:
    """One row that is there, and its label or None."""
    found = db.execute(f"SELECT model, {_COLUMNS} FROM predictions WHERE seq = ?", (seq,)).fetchone()  # noqa: S608 - constant
    return _record(ModelName(found[0]), found[1:]), found[12]


def with_id(db: sqlite3.Connection, model: ModelName, id_: str) -> Prediction | None:
    """The row of this id, None when it is not among the single ones."""
    found = db.execute(
        f"SELECT {_COLUMNS} FROM predictions WHERE model = ? AND id = ?",  # noqa: S608 - constant
        (model, id_),
    ).fetchone()
    return None if found is None else _record(model, found)


def heads(
    db: sqlite3.Connection, model: ModelName, since: float, until: float
) -> Iterator[tuple[str, float, str]]:
    """Id, time and version of the rows with since < time <= until."""
    yield from db.execute(
        "SELECT id, time, version FROM predictions WHERE model = ? AND time > ? AND time <= ?",
        (model, since, until),
    )


def between(
    db: sqlite3.Connection, model: ModelName, since: float, until: float, version: str | None
) -> list[tuple[int, str]]:
    """Number and id of the rows with since < time <= until."""
    found = db.execute(
        "SELECT seq, id FROM predictions WHERE model = ? AND time > ? AND time <= ? AND version = ifnull(?, version)",
        (model, since, until, version),
    )
    return found.fetchall()


def _record(model: ModelName, row: tuple[Any, ...]) -> Prediction:
    _, id_, version, time, _, features, prediction, score, latency, error, fallback, _, _ = row
    by: Literal["champion", "fallback"] = "fallback" if fallback else "champion"
    return Prediction(
        model, version, id_, time, orjson.loads(features), prediction, score, latency, error, by
    )


def labelled(
    db: sqlite3.Connection,
    model: ModelName,
    *,
    since: float,
    until: float,
    as_of: float,
    lag: float,
    limit: int,
) -> Iterator[dict[str, Any]]:
    """Matured labelled rows with ``since < time <= until``, the newest first."""
    found = db.execute(
        """
        SELECT id, version, time, features, prediction, score, label, fallback, error FROM predictions
        WHERE model = ? AND time > ? AND time <= ? AND label IS NOT NULL AND labelled <= ? AND time <= ?
        ORDER BY time DESC, seq DESC LIMIT ?
        """,
        (model, since, until, as_of, as_of - lag, limit),
    )
    for id_, version, time, features, prediction, score, label_, fallback, error in found:
        yield {
            "id": id_,
            "version": version,
            "time": time,
            "features": orjson.loads(features),
            "prediction": prediction,
            "score": score,
            "label": label_,
            "by": "fallback" if fallback else "champion",
            "error": error,
        }


def served(
    db: sqlite3.Connection, model: ModelName, *, since: float, until: float, limit: int
) -> Iterator[tuple[float, dict[str, Any]]]:
    """Time and features of the newest rows with ``since < time <= until``, the newest first."""
    found = db.execute(
        """
        SELECT time, features FROM predictions WHERE model = ? AND time > ? AND time <= ?
        ORDER BY time DESC, seq DESC LIMIT ?
        """,
        (model, since, until, limit),
    )
    for time, features in found:
        yield time, orjson.loads(features)


def count_matured(
    db: sqlite3.Connection,
    model: ModelName,
    *,
    since: float,
    as_of: float,
    lag: float,
    version: Version | None,
) -> int:
    """Matured labelled rows with ``time > since``; with ``version`` only those it answered itself."""
    served = "" if version is None else " AND version = ? AND fallback = 0 AND error IS NULL"
    found = db.execute(
        "SELECT count(*) FROM predictions WHERE model = ? AND time > ? AND label IS NOT NULL"  # noqa: S608 - constants
        " AND labelled <= ? AND time <= ?" + served,
        (model, since, as_of, as_of - lag, *(() if version is None else (version,))),
    )
    return int(found.fetchone()[0])
