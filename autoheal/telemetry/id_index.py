"""Which ids were seen, as sorted runs of 64-bit hashes: what keeps a large batch from costing a search tree per row.

Used in the store's transaction and thread. Every prediction is in one run; small runs are merged into larger ones, so
that a row is written a few times in all and a batch is looked up in a few sorted arrays. A hash is a hint: whoever
finds one looks at the row and compares the id itself. Hashes do not depend on the process or machine.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Seqs = NDArray[np.int64]
#: A run is merged with the newer ones until it is so many times as large, and no further than this.
GROWTH, LARGEST = 4, 100_000
#: Hashes kept in memory over all models, 16 bytes each.
HELD = 1_000_000


def hashes(ids: Sequence[str]) -> Hashes:
    """64-bit hashes of ids, shape (ids,): eight bytes at a time, all ids at once."""
    if not ids:
        return np.empty(0, np.uint64)
    try:
        text = np.array(ids, "S")
    except UnicodeEncodeError:
        text = np.array([one.encode() for one in ids], "S")
    width = -(-text.dtype.itemsize // 8) * 8
    words = text.astype(f"S{width}").view("<u8").reshape(len(ids), width // 8)
    found = np.full(len(ids), 0x9E3779B97F4A7C15, np.uint64)
    for place in range(words.shape[1]):
        # An id must not hash differently beside a longer one: what is not there changes nothing.
        word = words[:, place]
        mixed = (found ^ word) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(29)
        found = np.where(word != 0, mixed, found)
    found *= np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31))


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Rows ``first`` to ``last``: sorted hashes and the number of the row of each."""

    first: int
    last: int
    keys: Hashes
    seqs: Seqs


@dataclass(slots=True)
class IdIndex:
    """All runs of all models; those used last are in memory."""

    _held: OrderedDict[str, list[Run]] = field(default_factory=OrderedDict)
    _size: int = 0

    def hits(self, db: sqlite3.Connection, model: str, keys: Hashes) -> list[tuple[int, int]]:
        """Pairs of a place in ``keys`` and the number of a row with that hash."""
        found: list[tuple[int, int]] = []
        for run in self._runs(db, model):
            left = np.searchsorted(run.keys, keys, side="left")
            near = run.keys[np.minimum(left, len(run.keys) - 1)] == keys
            for place in np.flatnonzero(near).tolist():
                at = int(left[place])
                while at < len(run.keys) and run.keys[at] == keys[place]:
                    found.append((place, int(run.seqs[at])))
                    at += 1
        return found

    def add(self, db: sqlite3.Connection, model: str, keys: Hashes, seqs: Seqs) -> None:
        """New rows of a model, at least one, with numbers above all earlier ones."""
        runs = self._runs(db, model)
        order = np.argsort(keys, kind="stable")
        run = Run(int(seqs.min()), int(seqs.max()), keys[order], seqs[order])
        while runs and len(runs[-1].keys) < GROWTH * len(run.keys) and len(runs[-1].keys) < LARGEST:
            old = runs.pop()
            db.execute("DELETE FROM id_runs WHERE model = ? AND first = ?", (model, old.first))
            run = _merged(old, run)
        runs.append(run)
        self._size += len(keys)
        db.execute(
            "INSERT INTO id_runs (model, first, last, keys, seqs) VALUES (?, ?, ?, ?, ?)",
            (model, run.first, run.last, run.keys.astype("<u8").tobytes(), run.seqs.astype("<i8").tobytes()),
        )

    def forget(self, db: sqlite3.Connection, model: str, before: int) -> None:
        """Drop the runs whose rows are all numbered below."""
        db.execute("DELETE FROM id_runs WHERE model = ? AND last < ?", (model, before))
        self.give_up()

    def give_up(self) -> None:
        """A transaction was rolled back, or rows have gone: read again what is needed."""
        self._held.clear()
        self._size = 0

    def _runs(self, db: sqlite3.Connection, model: str) -> list[Run]:
        held = self._held.get(model)
        if held is None:
            found = db.execute(
                "SELECT first, last, keys, seqs FROM id_runs WHERE model = ? ORDER BY first", (model,)
            )
            held = [
                Run(first, last, np.frombuffer(keys, "<u8"), np.frombuffer(seqs, "<i8"))
                for first, last, keys, seqs in found
            ]
            self._held[model] = held
            self._size += sum(len(run.keys) for run in held)
        self._held.move_to_end(model)
        while self._size > HELD and len(self._held) > 1:
            _, gone = self._held.popitem(last=False)
            self._size -= sum(len(run.keys) for run in gone)
        return held


def _merged(a: Run, b: Run) -> Run:
    keys, seqs = np.concatenate([a.keys, b.keys]), np.concatenate([a.seqs, b.seqs])
    order = np.argsort(keys, kind="stable")
    return Run(min(a.first, b.first), max(a.last, b.last), keys[order], seqs[order])
