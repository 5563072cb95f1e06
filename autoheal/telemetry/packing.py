"""Large batches go to disk as chunks, and are found again by id. Used in the store's transaction and thread.

Decides which batch may be packed (all ids new, no outcome waiting for one of them), and answers for packed rows what
``predictions_table`` answers for single ones: is this id known, and which row does this outcome belong to. Every
prediction is in the index, packed or not, so that either way of coming in sees the other.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson

from autoheal.domain.names import ModelName
from autoheal.telemetry import chunks_table, predictions_table
from autoheal.telemetry.chunks_table import Chunk
from autoheal.telemetry.id_index import IdIndex, Sorted
from autoheal.telemetry.packed import Packed
from autoheal.telemetry.predictions_table import Joined
from autoheal.telemetry.records import Outcome, Prediction

#: Chunks and rows of them held in memory for outcomes, which come in any order.
HELD, HELD_ROWS = 64, 40_000


@dataclass(slots=True)
class Packing:
    """The index of ids, and the chunks that were looked into last."""

    ids: IdIndex = field(default_factory=IdIndex)
    _models: set[str] = field(default_factory=set)
    _chunks: OrderedDict[int, Chunk] = field(default_factory=OrderedDict)
    _expected: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def open(self, db: sqlite3.Connection) -> None:
        """Know what is there; a file of an older version gets its index."""
        self._models = set(chunks_table.sizes(db))
        if db.execute("SELECT 1 FROM id_runs LIMIT 1").fetchone() is None:
            for model in predictions_table.sizes(db):
                rows = db.execute(
                    "SELECT id, seq FROM predictions WHERE model = ? ORDER BY seq", (model,)
                ).fetchall()
                seqs = np.array([r[1] for r in rows], np.int64)
                self.ids.add(db, model, Sorted.of([r[0] for r in rows]), seqs)

    def take(self, db: sqlite3.Connection, first: int, stamp: float, rows: Packed, *, waiting: bool) -> bool:
        """Store the batch as a chunk, when it is clean: no id twice or known, no outcome that waits for one of them."""
        keys = Sorted.of(rows.ids)
        if not keys.distinct or self.ids.hits(db, rows.model, keys):
            return False
        if waiting and _awaited(db, rows):
            return False
        chunks_table.insert(db, first, stamp, rows)
        self.ids.add(db, rows.model, keys, np.arange(first, first + len(rows), dtype=np.int64))
        self._models.add(rows.model)
        return True

    def known(self, db: sqlite3.Connection, records: Sequence[Prediction]) -> set[int]:
        """Places of the records whose id is that of a packed row."""
        found: set[int] = set()
        for model, places in _by_model(records).items():
            if model in self._models:
                keys = _keys(records, places)
                for at, seq in self.ids.hits(db, model, keys):
                    if self._found(db, model, records[places[at]].id, seq) is not None:
                        found.add(places[at])
        return found

    def index(self, db: sqlite3.Connection, fresh: Sequence[tuple[int, Prediction]]) -> None:
        """Make single rows known by their numbers."""
        records = [record for _, record in fresh]
        for model, places in _by_model(records).items():
            seqs = np.array([fresh[place][0] for place in places], np.int64)
            self.ids.add(db, model, _keys(records, places), seqs)

    def expect(self, db: sqlite3.Connection, outcomes: Sequence[Outcome]) -> None:
        """Look the ids of outcomes up together, which costs a tenth of one by one; ``label`` is then asked about these."""
        by_model: dict[ModelName, list[str]] = {}
        for outcome in outcomes:
            if outcome.model in self._models:
                by_model.setdefault(outcome.model, []).append(outcome.id)
        self._expected = {(model, id_): [] for model, ids in by_model.items() for id_ in ids}
        for model, ids in by_model.items():
            for place, seq in self.ids.hits(db, model, Sorted.of(ids)):
                self._expected[model, ids[place]].append(seq)

    def label(self, db: sqlite3.Connection, outcome: Outcome, stamp: float) -> Joined | None:
        """Join one outcome to its prediction, wherever that lies."""
        row = predictions_table.label(db, outcome, stamp)
        if row is not None or outcome.model not in self._models:
            return row
        near = self._expected.get((outcome.model, outcome.id))
        if near is None:
            near = [seq for _, seq in self.ids.hits(db, outcome.model, Sorted.of([outcome.id]))]
        for seq in near:
            chunk = self._found(db, outcome.model, outcome.id, seq)
            if chunk is not None:
                return chunks_table.label(db, chunk, seq, outcome, stamp)
        return None

    def find(self, db: sqlite3.Connection, model: ModelName, id_: str) -> Prediction | None:
        """The prediction with this id, wherever it lies."""
        row = predictions_table.with_id(db, model, id_)
        if row is not None or model not in self._models:
            return row
        for _, seq in self.ids.hits(db, model, Sorted.of([id_])):
            chunk = self._found(db, model, id_, seq)
            if chunk is not None:
                return chunk.rows.row(seq - chunk.first)
        return None

    def forget(self, db: sqlite3.Connection, models: Iterable[str]) -> None:
        """After rows of these models have gone: the index need not go further back than they do."""
        oldest = {
            model: db.execute(
                "SELECT min(seq) FROM (SELECT min(seq) AS seq FROM predictions WHERE model = ?1"
                " UNION ALL SELECT min(first) FROM chunks WHERE model = ?1)",
                (model,),
            ).fetchone()[0]
            for model in models
        }
        self.ids.forget(db, oldest)
        self._chunks.clear()

    def give_up(self) -> None:
        """A transaction was rolled back."""
        self.ids.give_up()
        self._chunks.clear()

    def _found(self, db: sqlite3.Connection, model: str, id_: str, seq: int) -> Chunk | None:
        """The chunk, when this packed row is there and has this id."""
        for first, chunk in self._chunks.items():
            if first <= seq < first + len(chunk.rows):
                self._chunks.move_to_end(first)
                break
        else:
            loaded = chunks_table.holding(db, seq)
            if loaded is None:
                return None
            chunk = self._chunks[loaded.first] = loaded
            held = sum(len(one.rows) for one in self._chunks.values())
            while len(self._chunks) > 1 and (held > HELD_ROWS or len(self._chunks) > HELD):
                held -= len(self._chunks.popitem(last=False)[1].rows)
        return chunk if chunk.rows.model == model and chunk.rows.ids[seq - chunk.first] == id_ else None


def _awaited(db: sqlite3.Connection, rows: Packed) -> bool:
    found = db.execute(
        "SELECT 1 FROM waiting_outcomes WHERE model = ? AND id IN (SELECT value FROM json_each(?)) LIMIT 1",
        (rows.model, orjson.dumps(rows.ids).decode()),
    )
    return found.fetchone() is not None


def _by_model(records: Iterable[Prediction]) -> dict[ModelName, list[int]]:
    found: dict[ModelName, list[int]] = {}
    for place, record in enumerate(records):
        found.setdefault(record.model, []).append(place)
    return found


def _keys(records: Sequence[Prediction], places: Sequence[int]) -> Sorted:
    return Sorted.of([records[place].id for place in places])
