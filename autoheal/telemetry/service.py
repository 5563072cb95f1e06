"""``Telemetry``: the one door to telemetry. Sources push records in, rounds take views, actions take labelled rows.

``ingest`` is async and bounded (a full queue refuses, nobody waits for ever); everything that reads is synchronous and
meant for ``asyncio.to_thread``. One writer thread owns telemetry.db. The surprising part: counts come from memory
when memory reaches back far enough, and only else from the disk.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from autoheal.clock import Clock
from autoheal.domain.names import ModelName, Task, Version
from autoheal.domain.specs import ModelSpec
from autoheal.errors import StoreError
from autoheal.monitors.reference import Reference
from autoheal.monitors.view import Series, View
from autoheal.telemetry import chunks_table, joins_table, predictions_table
from autoheal.telemetry.batches_table import Batch
from autoheal.telemetry.counts import Counts
from autoheal.telemetry.group import Group, Offer
from autoheal.telemetry.history import History
from autoheal.telemetry.joins_table import Joins
from autoheal.telemetry.limits import Limits
from autoheal.telemetry.maturity import Maturity, count_matured, maturity
from autoheal.telemetry.records import Record
from autoheal.telemetry.refusal import Refusal
from autoheal.telemetry.schema import reader
from autoheal.telemetry.served_reference import rows_served
from autoheal.telemetry.skew_report import SkewReport
from autoheal.telemetry.store import Store
from autoheal.telemetry.values import from_unix, to_unix


class Telemetry:
    """Open with ``await Telemetry.open(path, models, clock)``; close when done (or use it as a context)."""

    def __init__(self, store: Store, writer: ThreadPoolExecutor) -> None:
        self._store = store
        self._writer = writer
        self._group = Group(writer, store.ingest)
        self._reader = reader(store.path)
        self._reading = threading.Lock()
        self._closed = False
        self._models: dict[ModelName, ModelSpec] = {}
        self._tasks: dict[ModelName, Task] = {}

    @classmethod
    async def open(
        cls, path: Path, models: Mapping[ModelName, ModelSpec], clock: Clock, limits: Limits | None = None
    ) -> Telemetry:
        """Open or create telemetry.db and fill the memory from it."""
        store = Store(path, clock, limits or Limits())
        writer = ThreadPoolExecutor(1, thread_name_prefix="telemetry")
        try:
            await asyncio.get_running_loop().run_in_executor(writer, store.open)
        except BaseException:
            writer.shutdown(wait=False)
            raise
        telemetry = cls(store, writer)
        await telemetry.configure(models)
        return telemetry

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Finish what is under way, then let go of the file; a second time does nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._writer, self._store.close)
        self._writer.shutdown()
        with self._reading:
            self._reader.close()

    async def configure(self, models: Mapping[ModelName, ModelSpec]) -> None:
        """Take the models of a new configuration; rings of unchanged ones stay."""
        self._models = fresh = dict(models)
        self._tasks = {name: spec.task for name, spec in models.items()}
        await asyncio.wrap_future(self._group.after(lambda: self._store.configure(fresh)))

    @property
    def tasks(self) -> Mapping[ModelName, Task]:
        """The models that exist, as ``parse_rows`` wants them."""
        return self._tasks

    @property
    def totals(self) -> dict[str, int]:
        """Counters since start: rows, duplicates, new, same, corrected, waiting, joined_late, waiting_expired."""
        return dict(self._store.totals)

    async def ingest(self, records: Sequence[Record], batch: Batch | None = None) -> Counts:
        """Store one batch of checked records; one with a key that was stored before is only counted as it was then.

        Raises ``Refusal``: ``full`` when too much is under way already, ``key_reused`` for a key with another body;
        ``StoreError`` when it is not stored.
        """
        if self._closed:
            raise StoreError(f"{self._store.path}: telemetry is closed")
        pending = self._group.pending
        if pending and pending + len(records) > self._store.limits.in_flight:
            raise Refusal("full", f"{pending} records are being stored already")
        offer = Offer(records, batch, self._store.limits.kept(pending))
        return await asyncio.shield(asyncio.wrap_future(self._group.put(offer)))

    def view(
        self,
        model: ModelName,
        *,
        champion: Version,
        since: datetime | None,
        reference: Reference | None,
        now: datetime,
    ) -> View:
        """What the monitors of one model see at ``now``; costs well under a millisecond."""
        store = self._store
        self._tell(model, champion, reference)
        with store.lock:
            rows = store.rings[model].rows()
            as_of = store.horizon(to_unix(now))
            kept = store.kept.share(model, float(rows.arrived[0])) if len(rows) else 1.0
            skew = store.writing.skew.seen(model)
            metrics = {n: np.array(s, np.float64) for n, s in store.series.of(model).items()}
        return View(
            spec=self._models[model],
            champion=champion,
            since=_start(since),
            reference=reference,
            as_of=as_of,
            rows=rows,
            metrics={name: Series(pairs[:, 0], pairs[:, 1]) for name, pairs in metrics.items()},
            kept=kept,
            skew=skew,
        )

    def _tell(self, model: ModelName, champion: Version, reference: Reference | None) -> None:
        """Who is in charge, and what it is compared with: once, when that is news."""
        if reference is not None:
            self._store.writing.summaries.refer(self._models[model], champion, reference)
        if not self._store.rings[model].knows(champion, reference) and not self._closed:
            self._group.after(lambda: self._store.prefer(model, champion, reference)).result()

    def labelled(
        self,
        model: ModelName,
        *,
        now: datetime,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100_000,
    ) -> list[dict[str, Any]]:
        """Matured labelled rows with ``since < time <= until``, newest first, for training and evaluation.

        Each is a dict of id, version, time (aware datetime), features, prediction, score, label, by, error.
        """
        lag = self._models[model].label_lag.total_seconds()
        start, end = _start(since), math.inf if until is None else to_unix(until)
        with self._reading:
            found = [
                row
                for table in (predictions_table, chunks_table)
                for row in table.labelled(
                    self._reader, model, since=start, until=end, as_of=to_unix(now), lag=lag, limit=limit
                )
            ]
        found.sort(key=lambda row: row["time"], reverse=True)
        return [row | {"time": from_unix(row["time"])} for row in found[:limit]]

    def served(
        self, model: ModelName, *, since: datetime | None, until: datetime, limit: int
    ) -> list[dict[str, Any]]:
        """The newest rows with ``since < time <= until``, labelled or not, newest first: their time and features."""
        with self._reading:
            found = rows_served(self._reader, model, _start(since), to_unix(until), limit)
        return [{"time": from_unix(time), "features": features} for time, features in found]

    def matured(
        self,
        model: ModelName,
        *,
        now: datetime,
        since: datetime | None = None,
        version: Version | None = None,
    ) -> int:
        """How many matured labelled rows have a time after ``since``; with ``version`` only those it answered."""
        start, lag = _start(since), self._models[model].label_lag.total_seconds()
        with self._store.lock:
            ring = self._store.rings[model]
            rows, full = ring.rows(), len(ring) >= ring.capacity
            hidden = version is not None and ring.versions.hides((version,))
        if hidden or (full and not (rows.time.min() <= start)):
            with self._reading:
                return sum(
                    table.count_matured(
                        self._reader, model, since=start, as_of=to_unix(now), lag=lag, version=version
                    )
                    for table in (predictions_table, chunks_table)
                )
        return count_matured(rows, lag, start, to_unix(now), version)

    def kept(self, model: ModelName, *, since: datetime) -> float:
        """The share of the model's predictions that was stored since (arrival), below 1 after an overload with sampling;
        what is said about the rows since then is said about a sample."""
        with self._store.lock:
            return self._store.kept.share(model, to_unix(since))

    def history(self) -> History:
        """The summaries over time, on a connection of their own; close it."""
        return History(self._store.path)

    def skew(self) -> SkewReport:
        """Served features beside the training pipeline's, on a connection of its own; close it."""
        return SkewReport(self._store.path)

    def joins(self) -> dict[ModelName, Joins]:
        """Exact counts per model of what was joined, doubled, corrected, orphaned, expired; kept over restarts."""
        with self._reading:
            return joins_table.read(self._reader)

    def maturity(self, model: ModelName, *, now: datetime) -> tuple[Maturity, ...]:
        """Per version, how many of the answers in memory have their label, and the watermark of the labels."""
        with self._store.lock:
            rows, as_of = self._store.rings[model].rows(), self._store.horizon(to_unix(now))
        return maturity(rows, self._models[model].label_lag.total_seconds(), as_of)

    def newest(self, model: ModelName) -> datetime | None:
        """The time of the newest prediction held, in the data's own time."""
        with self._store.lock:
            time = self._store.rings[model].rows().time
        return from_unix(float(time.max())) if len(time) else None


def _start(since: datetime | None) -> float:
    return -math.inf if since is None else to_unix(since)
