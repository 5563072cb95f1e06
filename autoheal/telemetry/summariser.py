"""Keeps summaries while rows and labels come in, in the transaction that stores them. Used by the store's thread only.

Buckets that are written to often stay in memory, a bounded number of them; what a transaction that failed has done to
them is forgotten with it.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from autoheal.domain.names import Task
from autoheal.domain.specs import ModelSpec
from autoheal.monitors.reference import Reference
from autoheal.monitors.rows import Chosen, Ints, Rows
from autoheal.telemetry import summaries_table
from autoheal.telemetry.ages import AHEAD, Ages, newest_of
from autoheal.telemetry.classes import Classes, pair
from autoheal.telemetry.folding import Folding
from autoheal.telemetry.grid import Layout
from autoheal.telemetry.join import Labelled
from autoheal.telemetry.layouts import Layouts
from autoheal.telemetry.predictions_table import Joined
from autoheal.telemetry.slices import Slices
from autoheal.telemetry.summaries_table import Bucket
from autoheal.telemetry.summary import Judged, Summary, empty, summarise
from autoheal.telemetry.values import class_of
from autoheal.telemetry.vocabulary import OTHER

#: Counts of cells held in memory over all buckets: 8 bytes each.
MOST_CELLS = 4_000_000


@dataclass(slots=True)
class Summariser:
    """``ages`` says how fine history is; ``slices`` which parts of the rows have a history of their own."""

    ages: Ages = field(default_factory=Ages)
    slices: Slices = field(default_factory=Slices)
    layouts: Layouts = field(default_factory=Layouts)
    classes: Classes = field(default_factory=Classes)
    _held: OrderedDict[Bucket, Summary] = field(default_factory=OrderedDict)
    _touched: set[Bucket] = field(default_factory=set)
    _folding: Folding = field(default_factory=Folding)
    _newest: dict[str, float] = field(default_factory=dict)

    def open(self, db: sqlite3.Connection, now: float) -> None:
        summaries_table.forget_layouts(db)
        self._newest = {model: float(end) for model, end in summaries_table.newest(db, now + AHEAD).items()}

    @property
    def newest(self) -> Mapping[str, float]:
        """Up to when there is data of each model, in its own time."""
        return self._newest

    def refer(self, spec: ModelSpec, version: str, reference: Reference) -> None:
        """Count this version on this reference's grid from now on; may be called from any thread, often."""
        if not self.layouts.told(spec, version, reference):
            self.slices.prefer(spec, reference)
            self.classes.prefer(spec.name, reference)
            self.layouts.refer(spec, version, reference)

    def rows(self, db: sqlite3.Connection, spec: ModelSpec, rows: Rows) -> None:
        """Count new predictions."""
        if not len(rows):
            return
        newest = newest_of(rows.time, float(rows.arrived[0]), self._newest.get(spec.name, 0.0))
        self._newest[spec.name] = newest
        cuts = self.slices.cut(db, spec, rows) if spec.slices else ()
        codes, _, _ = _distinct(rows.version)
        for code in codes.tolist():
            mine: Chosen = slice(None) if len(codes) == 1 else np.flatnonzero(rows.version == code)
            chosen = rows if isinstance(mine, slice) else rows.take(mine)
            parts = [(names, places[mine]) for names, places in cuts]
            self._buckets(db, spec, rows.versions[code], chosen, newest, parts)

    def labels(self, db: sqlite3.Connection, spec: ModelSpec, found: Iterable[Labelled]) -> None:
        """Count labels in the buckets of their answers; a corrected one takes the old one back.

        Taken back on another grid than it was given, it is negative there: sums over both are right.
        """
        mine = [one for one in found if one.row.own and one.row.said is not None]
        times = np.array([one.row.time for one in mine])
        widths, starts = self.ages.bucket(times, self._newest.get(spec.name, times.max(initial=0.0)))
        known: dict[tuple[str, str, int, int], Summary] = {}
        versions = {v: self._counted_as(db, spec, v) for v in {one.row.version for one in mine}}
        judge = self._judge(db, spec, mine)
        for one, width, start in zip(mine, widths.tolist(), starts.tolist(), strict=True):
            row = one.row
            for name in ("", *self.slices.of(db, spec, row.features)) if spec.slices else ("",):
                place = (versions[row.version], name, width, start)
                if place not in known:
                    known[place] = self._summary(db, spec, self.layouts.of(db, spec, place[0]), *place)
                summary = known[place]
                if row.before is not None:
                    summary.answers.judge(judge(row.before, row), summary.layout, -1)
                summary.answers.judge(judge(one.label, row), summary.layout)

    def _counted_as(self, db: sqlite3.Connection, spec: ModelSpec, version: str) -> str:
        """The version whose buckets have its rows: too many versions at once share some."""
        return version if self.layouts.counted(db, spec.name, version) else OTHER

    def _judge(
        self, db: sqlite3.Connection, spec: ModelSpec, found: Sequence[Labelled]
    ) -> Callable[[object, Joined], Judged]:
        """Puts a label beside its answer; the records were checked, so that a regression has numbers."""
        if spec.task is Task.REGRESSION:
            return lambda label, row: Judged(float(cast("float", label)), float(cast("float", row.said)))
        told = [value for one in found for value in (one.row.before, one.label, one.row.said)]
        names = dict.fromkeys(class_of(value) for value in told if value is not None)
        seated = self.classes.seated(db, spec.name, list(names))

        def judged(label: object, row: Joined) -> Judged:
            return Judged(*pair(seated, class_of(label), class_of(row.said)), row.score)

        return judged

    def flush(self, db: sqlite3.Connection) -> None:
        """Write what changed; the last thing before the commit."""
        for bucket in self._touched:
            summaries_table.write(db, bucket, self._held[bucket])
        self._folding.written += len(self._touched)
        self._touched.clear()
        room = MOST_CELLS
        for bucket in reversed(self._held):
            room -= self._held[bucket].layout.size + 64
            if room < 0:
                break
        while room < 0 and len(self._held) > 1:
            _, gone = self._held.popitem(last=False)
            room += gone.layout.size + 64

    def settle(self) -> None:
        """The transaction was committed."""
        self.layouts.settle()
        self.slices.settle()
        self.classes.settle()

    def give_up(self) -> None:
        """The transaction was rolled back: nothing of it may stay in memory."""
        for bucket in self._touched:
            self._held.pop(bucket, None)
        self._touched.clear()
        self.layouts.give_up()
        self._folding.give_up()
        self.slices.give_up()
        self.classes.give_up()

    def fold(self, db: sqlite3.Connection) -> None:
        """Add up what got old into wider buckets, and forget what is too old; part of the round of forgetting."""
        self._folding.fold(db, self.ages, self._newest)
        self._held.clear()

    def _buckets(
        self,
        db: sqlite3.Connection,
        spec: ModelSpec,
        version: str,
        rows: Rows,
        newest: float,
        cuts: Sequence[tuple[Sequence[str], Ints]],
    ) -> None:
        """Rows of one version: all of them, and each column's slices in one more pass over the rows."""
        width, start = self.ages.bucket(rows.time, newest)
        # A start belongs to one width only, so that the start alone names the bucket.
        starts, first, group = _distinct(start)
        # Once: while this goes on another thread may tell a new reference.
        known = self.layouts.of(db, spec, version)
        for i, part in enumerate(summarise(known, rows, group, len(starts))):
            self._summary(db, spec, known, version, "", int(width[first[i]]), int(starts[i])).add(part)
        for names, codes in cuts:
            used, cell = np.unique(codes * len(starts) + group, return_inverse=True)
            for key, part in zip(used.tolist(), summarise(known, rows, cell, len(used)), strict=True):
                place, i = divmod(key, len(starts))
                wide, begin = int(width[first[i]]), int(starts[i])
                self._summary(db, spec, known, version, names[place], wide, begin).add(part)

    def _summary(
        self,
        db: sqlite3.Connection,
        spec: ModelSpec,
        known: Layout,
        version: str,
        slice_: str,
        width: int,
        start: int,
    ) -> Summary:
        bucket = Bucket(spec.name, version, slice_, width, start, known.digest)
        held = self._held.get(bucket)
        if held is None:
            held = summaries_table.read(db, bucket, known) or empty(known)
            self._held[bucket] = held
        self._held.move_to_end(bucket)
        self._touched.add(bucket)
        return held


def _distinct(values: NDArray[Any]) -> tuple[NDArray[Any], Ints, Ints]:
    """``np.unique`` with first places and groups, quicker for what is usual: all are the same."""
    if bool((values == values[0]).all()):
        return values[:1], np.zeros(1, np.int64), np.zeros(len(values), np.int64)
    return np.unique(values, return_index=True, return_inverse=True)
