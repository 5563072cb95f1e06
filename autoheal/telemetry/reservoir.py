"""Keeps a sample of the raw rows that are about to be forgotten, per model version and hour. In the writer's thread.

The rows of an hour with the smallest hashes of their ids: a reservoir that does not depend on the order in which rows
come or leave, so the samples of two parts add up to that of both. Filling it when rows leave costs ingest nothing, and
gives them the labels that were known by then; a label that comes for a row that has left is an orphan here as
everywhere. Only features that the configuration declares and does not call sensitive are written. Rows of a model that
is no longer configured leave without a trace, since nobody can say what of them may be kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoheal.domain.names import ModelName
from autoheal.domain.specs import ModelSpec
from autoheal.monitors.rows import Floats
from autoheal.telemetry import chunks_table, predictions_table, samples_table
from autoheal.telemetry.ages import HOUR, Ages
from autoheal.telemetry.chunks_table import Chunk
from autoheal.telemetry.id_index import hashes
from autoheal.telemetry.predictions_table import Leaving
from autoheal.telemetry.records import Prediction
from autoheal.telemetry.samples_table import Hour, Sampled

Ranks = NDArray[np.int64]
Labelled = tuple[Prediction, Any]
_SIGN = np.uint64(1 << 63)


def ranks(ids: Sequence[str]) -> Ranks:
    """Where rows with these ids stand in a sample, shape (ids,): their hashes, in an order that SQLite's integers have."""
    return (hashes(ids) ^ _SIGN).view(np.int64)


def shown(spec: ModelSpec) -> frozenset[str]:
    """The features whose raw values may be shown: declared, and not sensitive."""
    return frozenset(f.name for f in spec.features if not f.sensitive)


@dataclass(slots=True)
class Reservoir:
    """What one round of forgetting keeps. ``size`` rows an hour (0: none), as long as ``ages.hours`` say, counted from the
    ``newest`` data of each model."""

    db: sqlite3.Connection
    specs: Mapping[ModelName, ModelSpec]
    size: int = 20
    ages: Ages = field(default_factory=Ages)
    newest: Mapping[str, float] = field(default_factory=dict)

    def single(self, model: ModelName, rows: Sequence[Leaving]) -> None:
        """Rows of ``predictions`` that are about to leave."""
        if not rows or not self._wanted(model):
            return
        versions = np.array([row.version for row in rows])
        for version in sorted(set(versions.tolist())):
            mine = [rows[i] for i in np.flatnonzero(versions == version).tolist()]
            time = np.array([row.time for row in mine])
            self._offer(
                model, version, time, ranks([row.id for row in mine]), partial(_fetched, self.db, mine)
            )

    def chunk(self, chunk: Chunk) -> None:
        """A chunk that is about to leave."""
        rows = chunk.rows
        if self._wanted(rows.model):
            self._offer(
                rows.model, rows.version, rows.time, ranks(rows.ids), partial(_unpacked, self.db, chunk)
            )

    def forget(self) -> None:
        """Drop what is too old."""
        for model in self.specs:
            samples_table.forget(self.db, model, self._oldest(model))

    def _wanted(self, model: ModelName) -> bool:
        return self.size > 0 and model in self.specs

    def _oldest(self, model: ModelName) -> float:
        """The first hour that is kept: the same age as of summaries by the hour."""
        return float(self.newest.get(model, 0.0) - self.ages.hours) // HOUR * HOUR

    def _offer(
        self,
        model: ModelName,
        version: str,
        time: Floats,
        keys: Ranks,
        fetch: Callable[[Sequence[int]], Iterable[Labelled]],
    ) -> None:
        """Rows of one version; ``fetch`` gives those at some places."""
        starts = np.floor_divide(time, HOUR).astype(np.int64) * HOUR
        allowed, oldest = shown(self.specs[model]), self._oldest(model)
        for start in np.unique(starts[starts >= oldest]).tolist():
            hour = Hour(model, start, version)
            edge = samples_table.edge(self.db, hour)
            places = np.flatnonzero(starts == start if edge is None else (starts == start) & (keys < edge))
            places = places[np.argsort(keys[places], kind="stable")]
            left_out = int(keys[places[self.size]]) if len(places) > self.size else None
            chosen = places[: self.size].tolist()
            if chosen:
                rows = [
                    sampled(int(keys[place]), row, label, allowed)
                    for place, (row, label) in zip(chosen, fetch(chosen), strict=True)
                ]
                samples_table.add(self.db, hour, rows, self.size, left_out)


def sampled(rank: int, row: Prediction, label: Any, allowed: frozenset[str]) -> Sampled:
    """A row as it may be shown."""
    features = {name: value for name, value in row.features.items() if name in allowed}
    return Sampled(rank, row.id, row.version, row.time, features, row.prediction, row.score, label)


def _fetched(db: sqlite3.Connection, rows: Sequence[Leaving], places: Sequence[int]) -> Iterable[Labelled]:
    return [predictions_table.row(db, rows[place].seq) for place in places]


def _unpacked(db: sqlite3.Connection, chunk: Chunk, places: Sequence[int]) -> Iterable[Labelled]:
    for place in places:
        seq = chunk.first + place
        label, _ = chunks_table.labels(db, seq, 1).get(seq, (None, None))
        yield chunk.rows.row(place), label
