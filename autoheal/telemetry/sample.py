"""A sample of raw rows of a stretch of time, for an operator to look at; never a value of a sensitive feature.

The rows with the smallest hashes of their ids: a uniform sample (a reservoir) that does not depend on the order of
arrival, is the same on every call, and of two parts is the sample of both. Taken from the rows on disk, and where those
have left from what ``reservoir`` kept of them, which nobody can tell, but for this: past the smallest hash that was let
go in an hour of the stretch the sample would not be uniform, so it ends there and may have fewer rows than were asked for.
A whole hour, and any number of whole hours, gives at least ``Limits.samples`` rows (or all that there were). Read side.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import numpy as np

from autoheal.domain.specs import ModelSpec
from autoheal.telemetry import chunks_table, predictions_table, samples_table
from autoheal.telemetry.reservoir import ranks, sampled, shown
from autoheal.telemetry.samples_table import Sampled
from autoheal.telemetry.values import from_unix


def sample(
    db: sqlite3.Connection,
    spec: ModelSpec,
    since: float,
    until: float,
    size: int,
    version: str | None = None,
) -> list[dict[str, Any]]:
    """At most ``size`` rows with since < time <= until, by time: id, version, time, features, prediction, score, label."""
    allowed = shown(spec)
    edge = samples_table.lowest_edge(db, spec.name, since, until, version)
    found = {
        row.id: row
        for part in (
            samples_table.between(db, spec.name, since, until, version),
            _single(db, spec, since, until, size, version),
            _packed(db, spec, since, until, size, version),
        )
        for row in part
        if edge is None or row.rank < edge
    }
    chosen = sorted(found.values(), key=lambda row: (row.rank, row.id))[:size]
    return [_told(row, allowed) for row in sorted(chosen, key=lambda row: (row.time, row.rank))]


def _told(row: Sampled, allowed: frozenset[str]) -> dict[str, Any]:
    """Kept features may have been called sensitive since."""
    return {
        "id": row.id,
        "version": row.version,
        "time": from_unix(row.time),
        "features": {name: value for name, value in row.features.items() if name in allowed},
        "prediction": row.prediction,
        "score": row.score,
        "label": row.label,
    }


def _single(
    db: sqlite3.Connection, spec: ModelSpec, since: float, until: float, size: int, version: str | None
) -> list[Sampled]:
    found = predictions_table.between(db, spec.name, since, until, version)
    keys, allowed = ranks([id_ for _, id_ in found]), shown(spec)
    return [
        sampled(int(keys[place]), *predictions_table.row(db, found[place][0]), allowed)
        for place in np.argsort(keys, kind="stable")[:size].tolist()
    ]


def _packed(
    db: sqlite3.Connection, spec: ModelSpec, since: float, until: float, size: int, version: str | None
) -> list[Sampled]:
    best: list[Sampled] = []
    allowed = shown(spec)
    for _, chunk in chunks_table.newest_first(db, spec.name, since, until):
        rows = chunk.rows
        if version not in {None, rows.version}:
            continue
        keys = ranks(rows.ids)
        inside = np.flatnonzero((rows.time > since) & (rows.time <= until))
        known = chunks_table.labels(db, chunk.first, len(rows))
        for place in inside[np.argsort(keys[inside], kind="stable")[:size]].tolist():
            label, _ = known.get(chunk.first + place, (None, None))
            best.append(sampled(int(keys[place]), rows.row(place), label, allowed))
        best = sorted(best, key=lambda row: row.rank)[:size]
    return best
