"""The writing half of telemetry: one batch, one transaction in telemetry.db, then the rings in memory.

All methods run in the one writer thread of ``Telemetry``; readers take ``lock`` and look at ``rings`` and ``series``.
The surprising part is ``in_flight``: a batch is stamped with the clock before its transaction, and until it is in
the rings no reader may claim to have seen everything up to that stamp (``horizon``).
"""

from __future__ import annotations

import itertools
import logging
import sqlite3
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoheal.clock import Clock
from autoheal.domain.names import ModelName
from autoheal.domain.specs import ModelSpec
from autoheal.errors import StoreError
from autoheal.telemetry import (
    batches_table,
    chunks_table,
    joins_table,
    metrics_table,
    outcomes_table,
    predictions_table,
)
from autoheal.telemetry.batches_table import Batch
from autoheal.telemetry.counts import Counts
from autoheal.telemetry.limits import Limits
from autoheal.telemetry.overload import Kept, counted, thin
from autoheal.telemetry.records import Record
from autoheal.telemetry.refusal import Refusal
from autoheal.telemetry.reservoir import Reservoir
from autoheal.telemetry.ring import Ring
from autoheal.telemetry.schema import connect, open_database
from autoheal.telemetry.tidy import forget
from autoheal.telemetry.values import to_unix
from autoheal.telemetry.writing import Done, Writing

_LOG = logging.getLogger(__name__)
#: Batches and rows between two rounds of forgetting.
TIDY_BATCHES = 200
TIDY_ROWS = 20_000


@dataclass(slots=True)
class Store:
    """Owns the writing connection. ``totals`` count since the start of the process."""

    path: Path
    clock: Clock
    limits: Limits
    lock: threading.Lock = field(default_factory=threading.Lock)
    rings: dict[ModelName, Ring] = field(default_factory=dict)
    #: Newest samples (time, value) of each model's service metrics, by name.
    series: dict[ModelName, dict[str, deque[tuple[float, float]]]] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)
    writing: Writing = field(default_factory=Writing)
    kept: Kept = field(default_factory=Kept)
    _db: sqlite3.Connection | None = None
    _next: int = 1
    _sizes: Counter[ModelName] = field(default_factory=Counter)
    _waiting: int = 0
    _since_tidy: tuple[int, int] = (0, 0)
    _in_flight: float | None = None
    _last_stamp: float = 0.0

    def open(self) -> None:
        self._db = open_database(self.path)
        self._next = max(predictions_table.last_seq(self._db), chunks_table.last_seq(self._db)) + 1
        self._sizes = Counter(predictions_table.sizes(self._db))
        self._sizes.update(chunks_table.sizes(self._db))
        self.writing.open(self._db, self.limits, to_unix(self.clock.now()))
        self._waiting = outcomes_table.count(self._db)
        for model, name in metrics_table.names(self._db):
            samples = metrics_table.newest(self._db, model, name, self.limits.metric_samples)
            self._samples(ModelName(model), name).extend(samples)

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def configure(self, models: Mapping[ModelName, ModelSpec]) -> None:
        """Hold a ring for each of these models; rebuild it where task or features changed."""
        db = self._opened()
        fresh: dict[ModelName, Ring] = {}
        for name, spec in models.items():
            old = self.rings.get(name)
            if old is not None and (old.spec.task, old.spec.features) == (spec.task, spec.features):
                old.spec = spec
                fresh[name] = old
                continue
            fresh[name] = Ring(spec, self._memory_rows(spec))
            _refill(fresh[name], _newest(db, name, fresh[name].capacity))
        with self.lock:
            self.rings = fresh

    def ingest(self, records: Sequence[Record], batch: Batch | None = None, keep: float = 1.0) -> Counts:
        """Store one batch, once for its key; raises ``StoreError`` and keeps nothing of it when the disk says no.

        ``keep`` below 1 is the share of predictions to store, the others are dropped and counted.
        """
        db = self._opened()
        records, dropped = (records, Counter[str]()) if keep >= 1.0 else thin(records, keep)
        stamp = self._stamp()
        try:
            db.execute("BEGIN IMMEDIATE")
            known = batches_table.counted(db, batch)
            done = self.writing.nothing(known) if known else self._take(db, records, stamp)
            if known is None:
                joins_table.add(db, {(model, "sampled_out"): n for model, n in dropped.items()})
            batches_table.remember(db, batch, done.counts)
            self.writing.summaries.flush(db)
            db.execute("COMMIT")
        except Refusal:
            self._give_up(db)
            raise
        except sqlite3.Error as error:
            self._give_up(db)
            raise StoreError(f"{self.path}: telemetry was not stored: {error}") from error
        if known is not None:
            self._give_up(db)
            return known
        self._show(done)
        with self.lock:
            self.kept.note(stamp, counted(records), dropped)
        self._tidy(db, len(records), stamp)
        return done.counts

    def _give_up(self, db: sqlite3.Connection) -> None:
        """Nothing of the batch under way comes into memory."""
        if db.in_transaction:
            db.execute("ROLLBACK")
        self.writing.summaries.give_up()
        self.writing.packing.give_up()
        with self.lock:
            self._in_flight = None

    def horizon(self, now: float) -> float:
        """Up to when everything that arrived is in the rings; call it with ``lock`` held."""
        return now if self._in_flight is None else min(now, self._in_flight - 1e-6)

    def _take(self, db: sqlite3.Connection, records: Sequence[Record], stamp: float) -> Done:
        first, waiting = self._next, self._waiting > 0
        done = self.writing.take(db, records, first, stamp, rings=self.rings, waiting=waiting)
        self._next += len(records)
        return done

    def _show(self, done: Done) -> None:
        """Bring a batch into memory, as one change for readers."""
        joining = done.joining
        self._waiting += joining.fates["waiting"] - joining.early
        self.totals.update(
            joining.fates,
            duplicates=done.counts.duplicates,
            rows=done.counts.accepted + done.counts.duplicates,
            joined_late=joining.early,
        )
        with self.lock:
            for part in done.shown:
                self.rings[part.spec.name].hold(part.seqs, part.rows)
            for (model, name), n in joining.tally.items():
                if name == "predictions":
                    self._sizes[ModelName(model)] = self._sizes.get(ModelName(model), 0) + n
            for label in joining.labels:
                if (ring := self.rings.get(label.model)) is not None:
                    ring.label(label.row.seq, label.label, label.row.labelled)
            for metric in done.metrics:
                self._samples(metric.model, metric.name).append((metric.time, metric.value))
            self._in_flight = None

    def _samples(self, model: ModelName, name: str) -> deque[tuple[float, float]]:
        by_name = self.series.setdefault(model, {})
        return by_name.setdefault(name, deque(maxlen=self.limits.metric_samples))

    def _stamp(self) -> float:
        """The arrival of a batch; never before an earlier one, whatever the machine's clock does."""
        with self.lock:
            self._last_stamp = max(self._last_stamp, to_unix(self.clock.now()))
            self._in_flight = self._last_stamp
            return self._last_stamp

    def _tidy(self, db: sqlite3.Connection, rows: int, stamp: float) -> None:
        """Now and then, forget what is beyond the limits."""
        batches, total = self._since_tidy[0] + 1, self._since_tidy[1] + rows
        if batches < TIDY_BATCHES and total < TIDY_ROWS:
            self._since_tidy = (batches, total)
            return
        self._since_tidy = (0, 0)
        sizes = Counter(self._sizes)
        try:
            db.execute("BEGIN IMMEDIATE")
            specs = {name: ring.spec for name, ring in self.rings.items()}
            keep = Reservoir(db, specs, self.limits.samples, self.limits.ages, self.writing.summaries.newest)
            self.totals["waiting_expired"] += forget(db, self.limits, sizes, stamp, keep)
            self.writing.tidy(db)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(db)
            _LOG.warning("%s: old telemetry stays for now: %s", self.path, error)
            return
        self._sizes = sizes
        self._waiting = outcomes_table.count(db)

    def _memory_rows(self, spec: ModelSpec) -> int:
        """Fewer rows for wide models: about 8 MB each at most."""
        return max(min(self.limits.memory_rows, 8_000_000 // (80 + 9 * len(spec.features))), 1_000)

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreError(f"{self.path}: telemetry is closed")
        return self._db


def _newest(db: sqlite3.Connection, model: ModelName, count: int) -> list[predictions_table.StoredRow]:
    """The newest rows by data time, single and packed, in the order of arrival."""
    rows = predictions_table.newest(db, model, count) + chunks_table.newest(db, model, count)
    chosen = sorted(rows, key=lambda row: (row.record.time, row.seq))[-count:]
    return sorted(chosen, key=lambda row: row.seq)


def _refill(ring: Ring, rows: Sequence[predictions_table.StoredRow]) -> None:
    """Fill an empty ring from the disk, a batch of one arrival at a time."""
    for arrived, batch in itertools.groupby(rows, key=lambda row: row.arrived):
        together = list(batch)
        ring.append([row.seq for row in together], [row.record for row in together], arrived)
    for row in rows:
        if row.label is not None and row.labelled is not None:
            ring.label(row.seq, row.label, row.labelled)


def reader(path: Path) -> sqlite3.Connection:
    """A connection for readers in other threads."""
    connection = connect(path)
    connection.execute("PRAGMA query_only=ON")
    return connection
