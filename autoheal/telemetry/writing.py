"""Writes one batch, in whatever form it came: to its tables, and to the summaries. Inside the store's transaction.

Nothing here is seen by readers: ``Done`` says what to bring into memory once the transaction has been committed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from autoheal.domain.names import ModelName
from autoheal.domain.specs import ModelSpec
from autoheal.monitors.rows import Rows
from autoheal.telemetry import joins_table, metrics_table, predictions_table
from autoheal.telemetry.counts import Counts
from autoheal.telemetry.join import Joining
from autoheal.telemetry.limits import Limits
from autoheal.telemetry.metric_history import MetricHistory
from autoheal.telemetry.packed import Packed
from autoheal.telemetry.packing import Packing
from autoheal.telemetry.records import Metric, Outcome, Prediction, Record
from autoheal.telemetry.ring import Ring
from autoheal.telemetry.skew import Matched, Skew
from autoheal.telemetry.summariser import Summariser


@dataclass(frozen=True, slots=True)
class Shown:
    """New rows of one model, to be held in memory once they are committed."""

    spec: ModelSpec
    seqs: Sequence[int] | NDArray[np.int64]
    rows: Rows


@dataclass(frozen=True, slots=True)
class Done:
    """A batch whose transaction is ready to be committed."""

    counts: Counts
    shown: list[Shown]
    joining: Joining
    metrics: Sequence[Metric] = ()
    matched: Matched = field(default_factory=Matched)


@dataclass(slots=True)
class Writing:
    """Single rows and packed batches, and the summaries of both."""

    summaries: Summariser = field(default_factory=Summariser)
    packing: Packing = field(default_factory=Packing)
    metrics: MetricHistory = field(default_factory=MetricHistory)
    skew: Skew = field(default_factory=Skew)

    def open(self, db: sqlite3.Connection, limits: Limits, now: float) -> None:
        """Know what is there at ``now``."""
        self.packing.open(db)
        self.summaries.ages = self.metrics.ages = limits.ages
        self.summaries.open(db, now)
        self.metrics.keep = limits.metric_samples
        self.metrics.open(db, now)
        self.skew.open(db)

    def give_up(self) -> None:
        """A transaction was rolled back."""
        self.summaries.give_up()
        self.packing.give_up()
        self.skew.give_up()

    def tidy(self, db: sqlite3.Connection, left: Iterable[str]) -> None:
        """After rows of some models have ``left``: what got old is added up, in a transaction of its own."""
        self.packing.forget(db, left)
        self.summaries.fold(db)
        self.metrics.fold(db)

    def take(
        self,
        db: sqlite3.Connection,
        records: Sequence[Record],
        first: int,
        stamp: float,
        *,
        rings: Mapping[ModelName, Ring],
        waiting: bool,
    ) -> Done:
        """Write the batch; its predictions are numbered from ``first``. ``waiting``: some outcome waits for one."""
        packed = None
        if isinstance(records, Packed):
            packed = self.pack(db, records, first, stamp, rings=rings, waiting=waiting)
        return packed or self._write(db, records, first, stamp, rings, waiting=waiting)

    def pack(
        self,
        db: sqlite3.Connection,
        records: Packed,
        first: int,
        stamp: float,
        *,
        rings: Mapping[ModelName, Ring],
        waiting: bool,
    ) -> Done | None:
        """Write the batch as a chunk; None, and nothing is written, when one of its rows is known or awaited."""
        if not self.packing.take(db, first, stamp, records, waiting=waiting):
            return None
        joining, n = Joining(self.packing.label), len(records)
        joining.tally[records.model, "predictions"] += n
        matched = self.skew.take(db, records, (), stamp, self.packing.find)
        joins_table.add(db, joining.tally + matched.tally)
        seqs = np.arange(first, first + n)
        ring = rings.get(records.model)
        shown = [] if ring is None else [Shown(ring.spec, seqs, ring.packed(records, stamp))]
        for part in shown:
            self.summaries.rows(db, part.spec, part.rows)
        return Done(Counts(n), shown, joining, matched=matched)

    def _write(
        self,
        db: sqlite3.Connection,
        records: Sequence[Record],
        first: int,
        stamp: float,
        rings: Mapping[ModelName, Ring],
        *,
        waiting: bool,
    ) -> Done:
        predictions = [r for r in records if isinstance(r, Prediction)]
        joining = Joining(self.packing.label)
        places = sorted(set(range(len(predictions))) - self.packing.known(db, predictions))
        unknown = [predictions[place] for place in places]
        added = predictions_table.insert(db, first, stamp, unknown) if unknown else []
        new = [places[i] for i in added]
        joining.predictions(predictions, new)
        fresh = [(first + i, unknown[i]) for i in added]
        self.packing.index(db, fresh)
        if waiting:
            joining.waited(db, fresh, stamp)
        outcomes = [r for r in records if isinstance(r, Outcome)]
        self.packing.expect(db, outcomes)
        joining.outcomes(db, outcomes, stamp)
        matched = self.skew.take(db, [record for _, record in fresh], records, stamp, self.packing.find)
        joins_table.add(db, joining.tally + matched.tally)
        metrics = [r for r in records if isinstance(r, Metric)]
        metrics_table.insert(db, metrics)
        self.metrics.note(metrics, stamp)
        shown = _columns(fresh, stamp, rings)
        for part in shown:
            self.summaries.rows(db, part.spec, part.rows)
        for model, labels in joining.by_model().items():
            if (ring := rings.get(model)) is not None:
                self.summaries.labels(db, ring.spec, labels)
        fates = joining.fates + matched.fates
        duplicates = len(predictions) - len(new) + fates["same"] + fates["doubled"]
        counts = Counts(len(records) - duplicates, duplicates, fates["waiting"], fates["corrected"])
        return Done(counts, shown, joining, metrics, matched)


def _columns(
    fresh: Sequence[tuple[int, Prediction]], stamp: float, rings: Mapping[ModelName, Ring]
) -> list[Shown]:
    """New predictions of the models that we have, as columns."""
    by_model: dict[ModelName, list[tuple[int, Prediction]]] = {}
    for seq, record in fresh:
        by_model.setdefault(record.model, []).append((seq, record))
    return [
        Shown(ring.spec, [seq for seq, _ in rows], ring.columns([record for _, record in rows], stamp))
        for model, rows in by_model.items()
        if (ring := rings.get(model)) is not None
    ]
