"""Which ids were seen, as sorted runs of 64-bit hashes: what keeps a large batch from costing a search tree per row.

Used in the store's transaction and thread. Every prediction is in one run; small runs are merged into larger ones, so
that a row is written a few times in all and a batch is looked up in a few sorted arrays. A hash is a hint: whoever
finds one looks at the row and compares the id itself. Hashes do not depend on the process or machine.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Seqs = NDArray[np.int64]
#: So many runs of about one size are merged into one, unless they are this large.
FAN, LARGEST = 4, 100_000
#: Hashes kept in memory over all models, 16 bytes each.
HELD = 1_000_000


def hashes(ids: Sequence[str]) -> Hashes:
    """64-bit hashes of ids, shape (ids,): eight bytes at a time, all ids at once."""
    if not ids:
        return np.empty(0, np.uint64)
    text = _fixed(ids)
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


def _fixed(ids: Sequence[str]) -> NDArray[np.bytes_]:
    """The ids in UTF-8, filled up to one length."""
    together = "".join(ids)
    if together.isascii() and len(together) == len(ids[0]) * len(ids) and len(set(map(len, ids))) == 1:
        return np.frombuffer(together.encode(), f"S{len(ids[0])}") if together else np.zeros(len(ids), "S1")
    return np.array(ids if together.isascii() else [one.encode() for one in ids], "S")


@dataclass(frozen=True, slots=True, eq=False)
class Sorted:
    """Hashes in order, since neighbours are then looked for near each other, and the place that each had before."""

    keys: Hashes
    order: NDArray[np.intp]

    @classmethod
    def of(cls, ids: Sequence[str]) -> Sorted:
        keys = hashes(ids)
        order = np.argsort(keys)
        return cls(keys[order], order)

    @property
    def distinct(self) -> bool:
        return not bool((self.keys[1:] == self.keys[:-1]).any())


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

    def hits(self, db: sqlite3.Connection, model: str, wanted: Sorted) -> list[tuple[int, int]]:
        """Pairs of a place among the ids and the number of a row with that hash."""
        found: list[tuple[int, int]] = []
        for run in self._runs(db, model):
            left = np.searchsorted(run.keys, wanted.keys, side="left")
            near = run.keys.take(left, mode="clip") == wanted.keys
            for place in np.flatnonzero(near).tolist():
                at = int(left[place])
                while at < len(run.keys) and run.keys[at] == wanted.keys[place]:
                    found.append((int(wanted.order[place]), int(run.seqs[at])))
                    at += 1
        return found

    def add(self, db: sqlite3.Connection, model: str, new: Sorted, seqs: Seqs) -> None:
        """New rows of a model, at least one, with ascending numbers above all earlier ones."""
        runs = self._runs(db, model)
        run = Run(int(seqs[0]), int(seqs[-1]), new.keys, seqs[new.order])
        self._size += len(new.keys)
        while (many := _alike(runs, run)) and len(run.keys) < LARGEST:
            old = [runs.pop() for _ in range(many)]
            db.execute("DELETE FROM id_runs WHERE model = ? AND first >= ?", (model, old[-1].first))
            run = _merged([run, *old])
        runs.append(run)
        keys, numbers = run.keys.astype("<u8", copy=False), run.seqs.astype("<i8", copy=False)
        db.execute(
            "INSERT INTO id_runs (model, first, last, keys, seqs) VALUES (?, ?, ?, ?, ?)",
            (model, run.first, run.last, keys.data, numbers.data),
        )

    def forget(self, db: sqlite3.Connection, oldest: Mapping[str, int | None]) -> None:
        """Drop the runs whose rows are all numbered below the oldest of their model; all runs of one that has none left."""
        for model, first in oldest.items():
            if first is None:
                db.execute("DELETE FROM id_runs WHERE model = ?", (model,))
            else:
                db.execute("DELETE FROM id_runs WHERE model = ? AND last < ?", (model, first))
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


def last_seq(db: sqlite3.Connection) -> int:
    """The highest number that a run knows: its row may have left before older ones, but the number is taken."""
    return int(db.execute("SELECT ifnull(max(last), 0) FROM id_runs").fetchone()[0])


def _alike(runs: Sequence[Run], run: Run) -> int:
    """How many of the newest runs are to be merged with a new one: those before it of no larger kind, once they are
    enough; the kinds are powers of FAN."""
    kind = _kind(run)
    many = 0
    while many < len(runs) and _kind(runs[-1 - many]) <= kind:
        many += 1
    return many if many >= FAN - 1 else 0


def _kind(run: Run) -> int:
    return (len(run.keys).bit_length() - 1) // 2


def _merged(runs: Sequence[Run]) -> Run:
    keys, seqs = np.concatenate([r.keys for r in runs]), np.concatenate([r.seqs for r in runs])
    order = np.argsort(keys, kind="stable")
    return Run(min(r.first for r in runs), max(r.last for r in runs), keys[order], seqs[order])
