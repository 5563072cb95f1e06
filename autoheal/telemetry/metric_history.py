"""Keeps what leaves the newest samples of a metric, as sums over minutes, then hours, then days. In the writer's thread.

The newest samples of each metric stay as they are; older ones are added to buckets in the round of forgetting, so that
ingest pays nothing. A sample is in one place at a time: raw, or in one bucket. Ages are counted from the newest sample
of the model, as in ``ages``; a late one goes to the bucket of its own time.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from autoheal.telemetry import metric_buckets_table, metrics_table
from autoheal.telemetry.ages import AHEAD, DAY, HOUR, MINUTE, Ages, coarse, wider
from autoheal.telemetry.metric_buckets_table import MetricBucket
from autoheal.telemetry.metric_sum import added
from autoheal.telemetry.newest_samples import MOST_NAMES
from autoheal.telemetry.records import Metric

_LOG = logging.getLogger(__name__)
#: Samples of one metric that may be too many before it is looked at: this share of those that stay.
SLACK = 0.1
#: Samples that are moved in one round at least, over all models: the writer waits meanwhile, and metrics that are asked
#: for at one beat have too many at one time.
MOVED = 10_000
#: Buckets that are added up after the samples of one metric were moved, more than those came to.
MOST_FOLDED = 1_000


@dataclass(slots=True)
class MetricHistory:
    """``keep`` samples of each metric stay raw; more are counted from the last look on."""

    keep: int = 2_000
    ages: Ages = field(default_factory=Ages)
    _since: Counter[tuple[str, str]] = field(default_factory=Counter)
    _newest: dict[str, float] = field(default_factory=dict)
    _noted: int = 0

    def open(self, db: sqlite3.Connection, now: float) -> None:
        """Look at every metric once."""
        self._newest = metric_buckets_table.newest(db, now + AHEAD)
        for model, name, n, newest in metrics_table.sizes(db, now + AHEAD):
            self._since[model, name] = n
            self._newest[model] = max(self._newest.get(model, 0.0), newest)

    def note(self, records: Sequence[Metric], stamp: float) -> None:
        """Samples that were stored, or are about to be; they came at ``stamp``."""
        for record in records:
            key = record.model, record.name
            self._since[key] = self._since.pop(key, 0) + 1  # the longest silent are the first
            self._noted += 1
            if record.time <= stamp + AHEAD:
                self._newest[record.model] = max(self._newest.get(record.model, 0.0), record.time)

    def fold(self, db: sqlite3.Connection) -> None:
        """Move samples beyond ``keep`` into buckets, old buckets into wider ones, and drop what is too old. What is too much
        for one round is left to the next; no round moves less than came since the last one."""
        self._forget(db)
        room, self._noted = max(MOVED, 2 * self._noted), 0
        for model, name in [key for key, n in self._since.items() if n > self.keep * SLACK]:
            if room <= 0:
                break
            room -= self._samples(db, model, name)
            self._since[model, name] = 0
            edges = self.ages.edges(self._newest.get(model, 0.0))
            for width, before in coarse(edges):
                self._widen(db, model, width, before)
            for width in (MINUTE, HOUR, DAY):
                gone = metric_buckets_table.older(db, model, width, edges[2], MOST_FOLDED)
                metric_buckets_table.delete(db, [bucket for bucket, _ in gone])

    def _forget(self, db: sqlite3.Connection) -> None:
        names: dict[str, list[tuple[str, str]]] = {}
        for key in self._since:
            names.setdefault(key[0], []).append(key)
        for model, known in names.items():
            if old := known[:-MOST_NAMES]:
                metrics_table.forget(db, old)
                _LOG.warning(
                    "%s has more than %d metrics: those longest silent are forgotten", model, MOST_NAMES
                )
                for key in old:
                    del self._since[key]

    def _samples(self, db: sqlite3.Connection, model: str, name: str) -> int:
        """In order of arrival the oldest leave; each goes where its time belongs. How many they were."""
        old = metrics_table.take(db, model, name, self.keep)
        if not old:
            return 0
        widths, starts = self.ages.bucket(np.array([time for time, _ in old]), self._newest.get(model, 0.0))
        parts: dict[tuple[int, int], list[tuple[float, float]]] = {}
        for width, start, sample in zip(widths.tolist(), starts.tolist(), old, strict=True):
            parts.setdefault((width, start), []).append(sample)
        for (width, start), samples in parts.items():
            metric_buckets_table.add(db, MetricBucket(model, name, width, start), added(samples))
        return len(old)

    def _widen(self, db: sqlite3.Connection, model: str, width: int, before: int) -> None:
        old = metric_buckets_table.older(db, model, width, before, MOST_FOLDED)
        for bucket, summed in old:
            target = wider(width)
            place = bucket._replace(width=target, start=bucket.start // target * target)
            metric_buckets_table.add(db, place, summed)
        metric_buckets_table.delete(db, [bucket for bucket, _ in old])
