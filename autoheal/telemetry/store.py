"""The writing half of telemetry: batches that wait together, one transaction in telemetry.db, then the rings in memory.

All methods run in the one writer thread of ``Telemetry``; readers take ``lock`` and look at ``rings`` and ``series``.
The surprising part is ``in_flight``: a batch is stamped with the clock before its transaction, and until it is in
the rings no reader may claim to have seen everything up to that stamp (``horizon``).
"""

from __future__ import annotations

import itertools
import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoheal.clock import Clock
from autoheal.domain.names import ModelName, Version
from autoheal.domain.specs import ModelSpec
from autoheal.errors import StoreError
from autoheal.monitors.reference import Reference
from autoheal.telemetry import (
    batches_table,
    chunks_table,
    id_index,
    joins_table,
    metrics_table,
    outcomes_table,
    predictions_table,
)
from autoheal.telemetry.counts import Counts
from autoheal.telemetry.group import Fates, Offer, alike
from autoheal.telemetry.limits import Limits
from autoheal.telemetry.newest_samples import NewestSamples
from autoheal.telemetry.overload import Kept, counted, thin
from autoheal.telemetry.packed import Packed, together
from autoheal.telemetry.records import Record
from autoheal.telemetry.reservoir import Reservoir
from autoheal.telemetry.ring import Ring
from autoheal.telemetry.schema import open_database
from autoheal.telemetry.tidy import forget
from autoheal.telemetry.values import to_unix
from autoheal.telemetry.vocabulary import Wanted
from autoheal.telemetry.writing import Done, Writing

_LOG = logging.getLogger(__name__)
#: Batches and rows between two rounds of forgetting.
TIDY_BATCHES = 200
TIDY_ROWS = 20_000


@dataclass(slots=True)
class Written:
    """What a transaction did at ``stamp``: the ``fates`` of its offers, and of those it stored the records and what was left
    out."""

    stamp: float
    fates: list[Counts | Exception] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    taken: list[Sequence[Record]] = field(default_factory=list)
    dropped: list[Counter[str]] = field(default_factory=list)

    def note(self, counts: Counts, records: Sequence[Record], dropped: Counter[str] | None = None) -> None:
        self.fates.append(counts)
        self.taken.append(records)
        self.dropped.append(dropped or Counter())


@dataclass(slots=True)
class Store:
    """Owns the writing connection. ``totals`` count since the start of the process."""

    path: Path
    clock: Clock
    limits: Limits
    lock: threading.Lock = field(default_factory=threading.Lock)
    rings: dict[ModelName, Ring] = field(default_factory=dict)
    series: NewestSamples = field(default_factory=NewestSamples)
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
        self.kept.rows, self.series.keep = self.limits.memory_rows, self.limits.metric_samples
        self._next = max(t.last_seq(self._db) for t in (predictions_table, chunks_table, id_index)) + 1
        self._sizes = Counter(predictions_table.sizes(self._db)) + Counter(chunks_table.sizes(self._db))
        self.writing.open(self._db, self.limits, to_unix(self.clock.now()))
        self._waiting = outcomes_table.count(self._db)
        for model, name in metrics_table.names(self._db):
            samples = metrics_table.newest(self._db, model, name, self.limits.metric_samples)
            self.series.add(ModelName(model), name, samples)

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def configure(self, models: Mapping[ModelName, ModelSpec]) -> None:
        """Hold a ring for each of these models; rebuild it where task or features changed."""
        db = self._opened()
        fresh: dict[ModelName, Ring] = {}
        for name, spec in models.items():
            ring = self.rings.get(name)
            if ring is None or (ring.spec.task, ring.spec.features) != (spec.task, spec.features):
                ring = _filled(db, Ring(spec, _memory_rows(self.limits, spec)))
            ring.spec = spec
            fresh[name] = ring
        self.writing.skew.configure(db, models)
        with self.lock:
            self.rings = fresh
            self.writing.skew.use()

    def prefer(self, model: ModelName, champion: Version, reference: Reference | None) -> None:
        """Keep apart in memory what monitors ask for by name; a ring that may have lost some of it is read anew."""
        if model in self.rings:
            aware = _aware(self._opened(), self.rings[model], champion, reference)
            with self.lock:
                self.rings[model] = aware

    def ingest(self, offers: Sequence[Offer]) -> Fates:
        """Store batches in one transaction, each once for its key; one by one, when they cannot be stored together.

        Gives for each its counts, or why nothing of it is kept: ``Refusal``, or ``StoreError`` when the disk says no.
        """
        try:
            written = self._together(self._opened(), offers)
        except Exception as error:  # noqa: BLE001 - it belongs to a batch, and its sender hears of it
            if _busy(error):  # another process has the file: nobody is to wait for each batch in turn
                return [error] * len(offers)
            if len(offers) > 1:
                return [fate for offer in offers for fate in self.ingest([offer])]
            return [error]
        self._show(written)
        self._tidy(sum(map(len, written.taken)), len(written.taken), written.stamp)
        return written.fates

    def _together(self, db: sqlite3.Connection, offers: Sequence[Offer]) -> Written:
        waiting, written = self._waiting, Written(self._stamp())
        try:
            db.execute("BEGIN IMMEDIATE")
            for run in alike(offers):
                self._take(db, run, written)
            self.writing.summaries.flush(db)
            db.execute("COMMIT")
            self.writing.summaries.settle()
        except sqlite3.Error as error:
            self._give_up(db, waiting)
            raise StoreError(f"{self.path}: telemetry was not stored: {error}") from error
        except BaseException:
            self._give_up(db, waiting)
            raise
        return written

    def _give_up(self, db: sqlite3.Connection, waiting: int | None = None) -> None:
        """Nothing of the transaction under way comes into memory."""
        if db.in_transaction:
            db.execute("ROLLBACK")
        self._waiting = self._waiting if waiting is None else waiting
        self.writing.give_up()
        with self.lock:
            self._in_flight = None

    def horizon(self, now: float) -> float:
        """Up to when everything that arrived is in the rings; call it with ``lock`` held."""
        return now if self._in_flight is None else min(now, self._in_flight - 1e-6)

    def _take(self, db: sqlite3.Connection, run: Sequence[Offer], written: Written) -> None:
        """Write offers that are alike, as one batch if that can be."""
        if (whole := _whole(db, run)) is not None:
            at, waiting = (self._next, written.stamp), self._waiting > 0
            done = self.writing.pack(db, whole, *at, rings=self.rings, waiting=waiting)
            if done is not None:
                self._next += len(whole)
                for offer in run:
                    batches_table.remember(db, offer.batch, Counts(len(offer.records)))
                    written.note(Counts(len(offer.records)), offer.records)
                written.done.append(done)
                return
        for offer in run:
            self._one(db, offer, written)

    def _one(self, db: sqlite3.Connection, offer: Offer, written: Written) -> None:
        known = batches_table.fate(db, offer.batch)
        if known is not None:
            written.fates.append(known)
            return
        records, dropped = offer.records, Counter[str]()
        if offer.keep < 1.0:
            records, dropped = thin(records, offer.keep)
        at, waiting = (self._next, written.stamp), self._waiting > 0
        done = self.writing.take(db, records, *at, rings=self.rings, waiting=waiting)
        self._next += len(records)
        self._waiting += done.joining.fates["waiting"] - done.joining.early
        joins_table.add(db, {(model, "sampled_out"): n for model, n in dropped.items()})
        batches_table.remember(db, offer.batch, done.counts)
        written.note(done.counts, records, dropped)
        written.done.append(done)

    def _show(self, written: Written) -> None:
        """Bring a transaction into memory, as one change for readers."""
        with self.lock:
            for done in written.done:
                self._bring(done)
            for records, dropped in zip(written.taken, written.dropped, strict=True):
                self.kept.note(written.stamp, counted(records), dropped)
            self._in_flight = None

    def _bring(self, done: Done) -> None:
        joining = done.joining
        self.totals.update(
            joining.fates,
            duplicates=done.counts.duplicates,
            rows=done.counts.accepted + done.counts.duplicates,
            joined_late=joining.early,
        )
        for part in done.shown:
            self.rings[part.spec.name].hold(part.seqs, part.rows)
        for (model, name), n in joining.tally.items():
            if name == "predictions":
                self._sizes[ModelName(model)] = self._sizes.get(ModelName(model), 0) + n
        for label in joining.labels:
            if (ring := self.rings.get(label.model)) is not None:
                ring.label(label.row.seq, label.label, label.row.labelled)
        for metric in done.metrics:
            self.series.add(metric.model, metric.name, [(metric.time, metric.value)])
        self.writing.skew.show(done.matched)

    def _stamp(self) -> float:
        """The arrival of a batch; never before an earlier one, whatever the machine's clock does."""
        with self.lock:
            self._last_stamp = max(self._last_stamp, to_unix(self.clock.now()))
            self._in_flight = self._last_stamp
            return self._last_stamp

    def _tidy(self, rows: int, number: int, stamp: float) -> None:
        """Now and then, after so many more rows and batches, forget what is beyond the limits."""
        batches, total = self._since_tidy[0] + number, self._since_tidy[1] + rows
        if batches < TIDY_BATCHES and total < TIDY_ROWS:
            self._since_tidy = (batches, total)
            return
        self._since_tidy = (0, 0)
        db, sizes = self._opened(), Counter(self._sizes)
        try:
            db.execute("BEGIN IMMEDIATE")
            specs = {name: ring.spec for name, ring in self.rings.items()}
            keep = Reservoir(db, specs, self.limits.samples, self.limits.ages, self.writing.summaries.newest)
            orphaned = forget(db, self.limits, sizes, stamp, keep, total)
            self.writing.tidy(db, [model for model, n in sizes.items() if n < self._sizes[model]])
            db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - what was stored is stored, and its sender must not hear otherwise
            self._give_up(db)
            _LOG.warning("%s: old telemetry stays for now: %s: %s", self.path, type(error).__name__, error)
            return
        self.totals["waiting_expired"] += orphaned
        self._sizes, self._waiting = sizes, outcomes_table.count(db)
        self.writing.skew.open(db)

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreError(f"{self.path}: telemetry is closed")
        return self._db


def _busy(error: Exception) -> bool:
    return getattr(error.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY


def _memory_rows(limits: Limits, spec: ModelSpec) -> int:
    """Fewer rows for wide models: about 8 MB each at most."""
    return max(min(limits.memory_rows, 8_000_000 // (80 + 9 * len(spec.features))), 1_000)


def _whole(db: sqlite3.Connection, run: Sequence[Offer]) -> Packed | None:
    """Several offers that are alike as one batch, None when one of their keys was used before, or twice."""
    parts = [offer.records for offer in run if isinstance(offer.records, Packed)]
    keys = [offer.batch.key for offer in run if offer.batch is not None]
    usual = len(parts) == len(run) > 1 and len(set(keys)) == len(keys) and not batches_table.any_of(db, keys)
    return together(parts) if usual else None


def _newest(db: sqlite3.Connection, model: ModelName, count: int) -> list[predictions_table.StoredRow]:
    """The newest rows by data time, single and packed, in the order of arrival."""
    rows = predictions_table.newest(db, model, count) + chunks_table.newest(db, model, count)
    chosen = sorted(rows, key=lambda row: (row.record.time, row.seq))[-count:]
    return sorted(chosen, key=lambda row: row.seq)


def _aware(db: sqlite3.Connection, ring: Ring, champion: Version, reference: Reference | None) -> Ring:
    wanted = Wanted.of(ring.spec, champion, reference)
    if not ring.prefer(wanted):
        ring = _filled(db, Ring(ring.spec, ring.capacity, wanted))
    ring.told = (champion, reference)
    return ring


def _filled(db: sqlite3.Connection, ring: Ring) -> Ring:
    """An empty ring with what is on disk, a batch of one arrival at a time."""
    rows = _newest(db, ring.spec.name, ring.capacity)
    for arrived, batch in itertools.groupby(rows, key=lambda row: row.arrived):
        together = list(batch)
        ring.append([row.seq for row in together], [row.record for row in together], arrived)
    for row in rows:
        if row.label is not None and row.labelled is not None:
            ring.label(row.seq, row.label, row.labelled)
    return ring
