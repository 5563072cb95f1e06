"""All SQL about packed predictions: one row a batch, columns in one blob, labels in a table of their own.

The other half of ``predictions_table``: small batches lie there row by row, large ones here. Numbers of rows (``seq``)
are common to both. Called by the store's writer thread, and by readers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from autoheal.domain.names import ModelName
from autoheal.monitors.rows import Floats
from autoheal.telemetry.packed import Cells, Packed, RowFeatures, Texts, cell
from autoheal.telemetry.predictions_table import Gone, Joined, StoredRow, join_how
from autoheal.telemetry.records import Outcome

#: Bytes of the length of the head.
_LENGTH = 4


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A stored batch: its rows are numbered from ``first``."""

    first: int
    arrived: float
    rows: Packed


#: Is shown chunks before they go.
Seer = Callable[[Chunk], None]


def insert(db: sqlite3.Connection, first: int, arrived: float, rows: Packed) -> None:
    db.execute(
        "INSERT INTO chunks (first, model, rows, earliest, latest, arrived, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            first,
            rows.model,
            len(rows),
            float(rows.time.min()),
            float(rows.time.max()),
            arrived,
            _dumped(rows),
        ),
    )


def holding(db: sqlite3.Connection, seq: int) -> Chunk | None:
    """The chunk with this row, None when it has gone or the row is not packed."""
    found = db.execute(
        "SELECT first, arrived, model, rows, data FROM chunks WHERE first <= ? ORDER BY first DESC LIMIT 1",
        (seq,),
    ).fetchone()
    if found is None:
        return None
    first, arrived, model, rows, data = found
    return _chunk(first, arrived, model, data) if seq < first + rows else None


def newest_first(
    db: sqlite3.Connection, model: ModelName, since: float, until: float
) -> Iterator[tuple[float, Chunk]]:
    """Chunks with rows in since < time <= until, by their latest row, which comes with them."""
    found = db.execute(
        "SELECT latest, first, arrived, model, data FROM chunks"
        " WHERE model = ? AND latest > ? AND earliest <= ? ORDER BY latest DESC",
        (model, since, until),
    )
    for latest, *rest in found:
        yield latest, _chunk(*rest)


def label(db: sqlite3.Connection, chunk: Chunk, seq: int, outcome: Outcome, at: float) -> Joined:
    """Give a packed row its label, or a corrected one."""
    rows, i = chunk.rows, seq - chunk.first
    row = db.execute("SELECT label, label_time FROM packed_labels WHERE seq = ?", (seq,)).fetchone()
    how = join_how(row, outcome)
    if how != "same" or outcome.time > row[1]:
        db.execute(
            "INSERT INTO packed_labels (seq, model, version, time, label, label_time, labelled)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (seq) DO UPDATE SET label = excluded.label, label_time = excluded.label_time",
            (seq, rows.model, rows.version, float(rows.time[i]), outcome.label, outcome.time, at),
        )
    before, score = None if row is None else row[0], float(rows.score[i])
    said = rows.prediction[i] if isinstance(rows.prediction, list) else float(rows.prediction[i])
    scored = None if np.isnan(score) else score
    return Joined(
        seq, how, before, rows.version, float(rows.time[i]), said, scored, True, at, RowFeatures(rows, i)
    )


def labels(db: sqlite3.Connection, first: int, count: int) -> dict[int, tuple[Any, float]]:
    """Labels of the rows from ``first``, and when they came."""
    found = db.execute(
        "SELECT seq, label, labelled FROM packed_labels WHERE seq >= ? AND seq < ?", (first, first + count)
    )
    return {seq: (label_, at) for seq, label_, at in found}


def newest(db: sqlite3.Connection, model: ModelName, count: int) -> list[StoredRow]:
    """About the newest rows by data time, by chunks."""
    found: list[StoredRow] = []
    for _, chunk in newest_first(db, model, -np.inf, np.inf):
        known = labels(db, chunk.first, len(chunk.rows))
        for i in range(len(chunk.rows)):
            label_, at = known.get(chunk.first + i, (None, None))
            found.append(StoredRow(chunk.first + i, chunk.rows.row(i), chunk.arrived, label_, at))
        if len(found) >= count:
            break
    return found


def answered(
    db: sqlite3.Connection, model: ModelName, since: float, until: float, version: str | None, limit: int
) -> list[StoredRow]:
    """As ``predictions_table.answered``: all rows are such; whole chunks, from those with the newest rows."""
    found: list[StoredRow] = []
    for _, chunk in newest_first(db, model, since, until):
        if len(found) >= limit:
            break
        if version in {None, chunk.rows.version}:
            known, time = labels(db, chunk.first, len(chunk.rows)), chunk.rows.time
            for i in np.flatnonzero((time > since) & (time <= until)).tolist():
                label_, at = known.get(chunk.first + i, (None, None))
                found.append(StoredRow(chunk.first + i, chunk.rows.row(i), chunk.arrived, label_, at))
    return found


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
    """As ``predictions_table.labelled``, of the packed rows."""
    found = db.execute(
        "SELECT seq, label FROM packed_labels WHERE model = ? AND time > ? AND time <= ? AND labelled <= ?"
        " AND time <= ? ORDER BY time DESC, seq DESC LIMIT ?",
        (model, since, until, as_of, as_of - lag, limit),
    ).fetchall()
    chunk: Chunk | None = None
    for seq, label_ in found:
        if chunk is None or not chunk.first <= seq < chunk.first + len(chunk.rows):
            chunk = holding(db, seq)
        if chunk is not None:
            one = chunk.rows.row(seq - chunk.first)
            yield {
                "id": one.id, "version": one.version, "time": one.time, "features": one.features,
                "prediction": one.prediction, "score": one.score, "label": label_, "by": "champion", "error": None,
            }  # fmt: skip


def served(
    db: sqlite3.Connection, model: ModelName, *, since: float, until: float, limit: int
) -> Iterator[tuple[float, dict[str, Any]]]:
    """Time and features of rows with since < time <= until, from the chunks with the newest ones."""
    left = limit
    for _, chunk in newest_first(db, model, since, until):
        if left <= 0:
            return
        time = chunk.rows.time
        places = np.flatnonzero((time > since) & (time <= until))
        for i in places[np.argsort(-time[places], kind="stable")].tolist():
            left -= 1
            yield float(time[i]), {name: cell(column, i) for name, column in chunk.rows.features.items()}


def count_matured(
    db: sqlite3.Connection, model: ModelName, *, since: float, as_of: float, lag: float, version: str | None
) -> int:
    found = db.execute(
        "SELECT count(*) FROM packed_labels WHERE model = ? AND time > ? AND labelled <= ? AND time <= ?"
        " AND version = ifnull(?, version)",
        (model, since, as_of, as_of - lag, version),
    )
    return int(found.fetchone()[0])


def last_seq(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT ifnull(max(first + rows - 1), 0) FROM chunks").fetchone()[0])


def sizes(db: sqlite3.Connection) -> dict[ModelName, int]:
    return {ModelName(m): n for m, n in db.execute("SELECT model, sum(rows) FROM chunks GROUP BY model")}


def expire(db: sqlite3.Connection, arrived_before: float, see: Seer) -> dict[ModelName, Gone]:
    """Forget chunks that came before, of all models."""
    found = db.execute(
        "SELECT first, model, rows FROM chunks WHERE arrived < ?", (arrived_before,)
    ).fetchall()
    return _delete(db, found, see)


def trim(db: sqlite3.Connection, model: ModelName, excess: int, see: Seer) -> Gone:
    """Forget the oldest chunks, by their latest row, as long as at most ``excess`` rows go."""
    chosen = []
    for first, rows in db.execute("SELECT first, rows FROM chunks WHERE model = ? ORDER BY latest", (model,)):
        excess -= rows
        if excess < 0:
            break
        chosen.append((first, model, rows))
    return _delete(db, chosen, see).get(model, Gone(0, 0))


def _delete(
    db: sqlite3.Connection, chunks: Sequence[tuple[int, str, int]], see: Seer
) -> dict[ModelName, Gone]:
    gone: dict[ModelName, Gone] = {}
    for first, model, rows in chunks:
        if (leaving := holding(db, first)) is not None:
            see(leaving)
        done = db.execute(
            "DELETE FROM packed_labels WHERE seq >= ? AND seq < ?", (first, first + rows)
        ).rowcount
        db.execute("DELETE FROM chunks WHERE first = ?", (first,))
        old = gone.get(ModelName(model), Gone(0, 0))
        gone[ModelName(model)] = Gone(old.rows + rows, old.unlabelled + rows - done)
    return gone


def _dumped(rows: Packed) -> bytes:
    """Length of the head, the head as JSON, then the arrays that it names, one after the other."""
    arrays: list[Any] = []

    def put(column: Cells) -> Any:
        if isinstance(column, Texts):
            arrays.append(np.ascontiguousarray(column.codes, "<i4"))
            return {"table": column.table}
        if isinstance(column, list):
            return {"values": column}
        arrays.append(np.ascontiguousarray(column, "<f8"))
        return {}

    head = {"version": rows.version, "ids": rows.ids, "prediction": put(rows.prediction)}
    for numbers in (rows.time, rows.score, rows.latency):
        put(numbers)
    head["features"] = {name: put(column) for name, column in rows.features.items()}
    first = orjson.dumps(head)
    return b"".join([len(first).to_bytes(_LENGTH, "little"), first, *arrays])


def _chunk(first: int, arrived: float, model: str, data: bytes) -> Chunk:
    size = int.from_bytes(data[:_LENGTH], "little")
    head: dict[str, Any] = orjson.loads(data[_LENGTH : _LENGTH + size])
    n, at = len(head["ids"]), _LENGTH + size

    def get(how: Mapping[str, Any]) -> Cells:
        nonlocal at
        if "values" in how:
            values: list[Any] = how["values"]
            return values
        kind = np.dtype("<i4" if "table" in how else "<f8")
        array = np.frombuffer(data, kind, n, at)
        at += n * kind.itemsize
        return Texts(array, tuple(how["table"])) if "table" in how else array

    def numbers() -> Floats:
        found = get({})
        assert isinstance(found, np.ndarray)
        return found

    said = get(head["prediction"])
    time, score, latency = numbers(), numbers(), numbers()
    features = {name: get(how) for name, how in head["features"].items()}
    assert not isinstance(said, Texts)
    rows = Packed(ModelName(model), head["version"], head["ids"], time, said, score, latency, features)
    return Chunk(first, arrived, rows)
