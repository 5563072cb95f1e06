"""All SQL about skew: records of the training pipeline, those that wait and those compared, and counts per hour.

Written by the store's thread in the transaction of the batch. What was compared keeps its result and a digest, not the
values, so that a correction takes back exactly what the first word added and nothing raw lies here longer than it must.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import orjson

from autoheal.domain.names import ModelName
from autoheal.monitors.compared import DIFFERENT, NOT_SERVED, NOT_TRAINED
from autoheal.telemetry.records import Scalar
from autoheal.telemetry.same_features import Result

HOUR = 3_600


class Held(NamedTuple):
    """What is known of an id: ``features`` while it waits, else the ``result`` for the prediction of ``version``, ``at``."""

    id: str
    time: float
    arrived: float
    digest: bytes
    features: Mapping[str, Scalar] | None
    version: str
    at: float
    result: Result


class Counted(NamedTuple):
    """Ids of one version, feature and hour of their predictions that were compared; how many differed, were missing as
    served, were missing in the pipeline; and the sum of how far numbers lay apart, in millionths of the larger."""

    version: str
    feature: str
    hour: int
    compared: int
    different: int
    not_served: int
    not_trained: int
    apart: int


_HELD = "SELECT id, time, arrived, digest, features, version, at, result FROM trained_features"


def held(db: sqlite3.Connection, model: str, id_: str) -> Held | None:
    row = db.execute(f"{_HELD} WHERE model = ? AND id = ?", (model, id_)).fetchone()
    return None if row is None else _held(row)


def keep(db: sqlite3.Connection, model: str, one: Held) -> None:
    """Write down what is known of an id from now on."""
    db.execute(
        "INSERT OR REPLACE INTO trained_features (model, id, time, arrived, digest, features, version, at, result)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            model,
            *one[:4],
            None if one.features is None else orjson.dumps(one.features).decode(),
            one.version,
            one.at,
            orjson.dumps(one.result).decode(),
        ),
    )


def awaited(db: sqlite3.Connection, model: str, ids: Sequence[str]) -> list[Held]:
    """Those of the ids whose features wait for the prediction."""
    found = db.execute(
        f"{_HELD} WHERE model = ? AND features IS NOT NULL AND id IN (SELECT value FROM json_each(?))",  # noqa: S608 - constant
        (model, orjson.dumps(ids).decode()),
    )
    return [_held(row) for row in found]


def newest(db: sqlite3.Connection, model: str, count: int) -> list[Held]:
    """Those compared last, the last one last."""
    found = db.execute(
        f"{_HELD} WHERE model = ? AND features IS NULL ORDER BY arrived DESC, rowid DESC LIMIT ?",
        (model, count),
    )
    return [_held(row) for row in found][::-1]


def waiting(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM trained_features WHERE features IS NOT NULL").fetchone()[0])


def waiting_of(db: sqlite3.Connection, model: str) -> int:
    found = db.execute(
        "SELECT count(*) FROM trained_features WHERE features IS NOT NULL AND model = ?", (model,)
    )
    return int(found.fetchone()[0])


def count(db: sqlite3.Connection, model: str, one: Held, stamp: float, sign: int = 1) -> None:
    """Add a result to the counts of its hour at ``stamp``, or with ``sign`` -1 take it back."""
    hour = int(one.at // HOUR) * HOUR
    db.executemany(
        "INSERT INTO skew (model, version, feature, hour, compared, different, not_served, not_trained, apart,"
        " counted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (model, hour, version, feature) DO UPDATE SET"
        " compared = compared + excluded.compared, different = different + excluded.different,"
        " not_served = not_served + excluded.not_served, not_trained = not_trained + excluded.not_trained,"
        " apart = apart + excluded.apart, counted = excluded.counted",
        (
            (
                model, one.version, feature, hour, sign,
                sign * (code == DIFFERENT), sign * (code == NOT_SERVED), sign * (code == NOT_TRAINED), sign * apart,
                stamp,
            )
            for feature, (code, apart) in one.result.items()
        ),
    )  # fmt: skip
    if sign < 0:
        db.execute("DELETE FROM skew WHERE model = ? AND hour = ? AND compared = 0", (model, hour))


def counts(db: sqlite3.Connection, model: ModelName, since: float, until: float) -> Iterator[Counted]:
    """The counts of the hours that begin in since <= hour < until."""
    found = db.execute(
        "SELECT version, feature, hour, compared, different, not_served, not_trained, apart FROM skew"
        " WHERE model = ? AND hour >= ? AND hour < ? AND compared > 0 ORDER BY hour, version, feature",
        (model, since, until),
    )
    return (Counted(*row) for row in found)


def forget(db: sqlite3.Connection, *, waited_since: float, since: float, most: int) -> Counter[str]:
    """Forget what came earlier, and the oldest beyond ``most`` of those that wait and of those compared; how many of
    each model waited in vain."""
    lost = Counter[str]()
    for what, edge in (("NOT NULL", waited_since), ("NULL", since)):
        where = f"features IS {what}"
        gone = db.execute(
            f"DELETE FROM trained_features WHERE {where} AND arrived < ? RETURNING model",  # noqa: S608 - constants
            (edge,),
        ).fetchall()
        excess = db.execute(f"SELECT count(*) FROM trained_features WHERE {where}").fetchone()[0] - most  # noqa: S608 - constants
        if excess > 0:
            gone += db.execute(
                "DELETE FROM trained_features WHERE (model, id) IN"  # noqa: S608 - constants
                f" (SELECT model, id FROM trained_features WHERE {where} ORDER BY arrived LIMIT ?) RETURNING model",
                (excess,),
            ).fetchall()
        if what == "NOT NULL":
            lost.update(model for (model,) in gone)
    db.execute("DELETE FROM skew WHERE counted < ?", (since,))
    return lost


def _held(row: tuple[str, float, float, bytes, str | None, str, float, str]) -> Held:
    id_, time, arrived, digest, features, version, at, result = row
    return Held(
        id_, time, arrived, digest, None if features is None else orjson.loads(features), version, at,
        {name: (code, apart) for name, (code, apart) in orjson.loads(result).items()},
    )  # fmt: skip
