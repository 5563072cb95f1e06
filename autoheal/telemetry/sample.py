"""A sample of raw rows of a stretch of time, for an operator to look at; never a value of a sensitive feature.

The rows with the smallest hashes of their ids: a uniform sample (a reservoir) that does not depend on the order of
arrival, is the same on every call, and of two parts is the sample of both. Taken from the rows on disk, so it reaches
back as far as they do. Read side, any thread.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import numpy as np
import orjson

from autoheal.domain.specs import ModelSpec
from autoheal.telemetry import chunks_table
from autoheal.telemetry.id_index import hashes
from autoheal.telemetry.values import from_unix

Ranked = list[tuple[int, dict[str, Any]]]


def sample(
    db: sqlite3.Connection, spec: ModelSpec, since: float, until: float, size: int
) -> list[dict[str, Any]]:
    """At most ``size`` rows with since < time <= until, by time: id, version, time, features, prediction, score, label."""
    ranked = _single(db, spec, since, until, size) + _packed(db, spec, since, until, size)
    ranked.sort(key=lambda one: one[0])
    hidden = {f.name for f in spec.features if f.sensitive}
    chosen = sorted((row for _, row in ranked[:size]), key=lambda row: row["time"])
    return [
        row
        | {
            "time": from_unix(row["time"]),
            "features": {name: value for name, value in row["features"].items() if name not in hidden},
        }
        for row in chosen
    ]


def _single(db: sqlite3.Connection, spec: ModelSpec, since: float, until: float, size: int) -> Ranked:
    found = db.execute(
        "SELECT seq, id FROM predictions WHERE model = ? AND time > ? AND time <= ?",
        (spec.name, since, until),
    ).fetchall()
    keys = hashes([id_ for _, id_ in found])
    ranked: Ranked = []
    for place in np.argsort(keys, kind="stable")[:size].tolist():
        row = db.execute(
            "SELECT id, version, time, features, prediction, score, label FROM predictions WHERE seq = ?",
            (found[place][0],),
        ).fetchone()
        names = ("id", "version", "time", "features", "prediction", "score", "label")
        one = dict(zip(names, row, strict=True))
        ranked.append((int(keys[place]), one | {"features": orjson.loads(one["features"])}))
    return ranked


def _packed(db: sqlite3.Connection, spec: ModelSpec, since: float, until: float, size: int) -> Ranked:
    ranked: Ranked = []
    for _, chunk in chunks_table.newest_first(db, spec.name, since, until):
        rows = chunk.rows
        keys = hashes(rows.ids)
        inside = np.flatnonzero((rows.time > since) & (rows.time <= until))
        known = chunks_table.labels(db, chunk.first, len(rows))
        for place in inside[np.argsort(keys[inside], kind="stable")[:size]].tolist():
            one = rows.row(place)
            label, _ = known.get(chunk.first + place, (None, None))
            ranked.append(
                (
                    int(keys[place]),
                    {
                        "id": one.id, "version": one.version, "time": one.time, "features": one.features,
                        "prediction": one.prediction, "score": one.score, "label": label,
                    },
                )
            )  # fmt: skip
        ranked = sorted(ranked, key=lambda pair: pair[0])[:size]
    return ranked
