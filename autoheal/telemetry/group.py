"""Batches that wait for the writer share one transaction, and so one wait for the disk; each is answered after its commit.

``Telemetry`` puts batches in from the event loop, the writer thread takes all that wait. Nobody waits for company: a
batch that finds the writer idle is written at once. The surprising part: every batch brings a job of its own for the
writer, and the jobs whose batches were taken along find nothing to do.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from autoheal.telemetry.batches_table import Batch
from autoheal.telemetry.counts import Counts
from autoheal.telemetry.packed import Packed
from autoheal.telemetry.records import Record

#: Batches and records of one transaction; a batch may be larger.
MOST, MOST_RECORDS = 64, 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """One batch of checked records, under its sender's key if it has one; ``keep`` below 1 is the share of its predictions
    to store, the others are dropped and counted."""

    records: Sequence[Record]
    batch: Batch | None = None
    keep: float = 1.0
    answer: Future[Counts] = field(default_factory=Future)


#: What became of each offer: counts, or why it was refused or not stored.
Fates = Sequence[Counts | Exception]


class Group:
    """The queue between the event loop and the writer thread; ``store`` writes offers in one transaction."""

    def __init__(self, writer: Executor, store: Callable[[Sequence[Offer]], Fates]) -> None:
        self._writer = writer
        self._store = store
        self._waiting: deque[Offer | None] = deque()
        #: What waits is in the order of what was submitted, whichever thread it comes from.
        self._order = threading.Lock()
        #: Records that were put and answered so far; each is written by one thread only.
        self._put = self._answered = 0

    @property
    def pending(self) -> int:
        """Records under way, also those whose sender went away."""
        return self._put - self._answered

    def put(self, offer: Offer) -> Future[Counts]:
        """Have it written; its answer comes after the commit."""
        offer.answer.set_running_or_notify_cancel()  # whoever waits may go away, the batch stays
        with self._order:
            self._waiting.append(offer)
            self._writer.submit(self._write)
        self._put += len(offer.records)
        return offer.answer

    def after(self, work: Callable[[], None]) -> Future[None]:
        """Do something between batches: after those that were put before, and before those that are put later."""

        def alone() -> None:
            self._waiting.popleft()
            work()

        with self._order:
            self._waiting.append(None)
            return self._writer.submit(alone)

    def _write(self) -> None:
        offers = self._taken()
        if not offers:
            return
        try:
            fates = self._store(offers)
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            fates = [error if isinstance(error, Exception) else RuntimeError(repr(error))] * len(offers)
        self._answered += sum(len(offer.records) for offer in offers)
        for offer, fate in zip(offers, fates, strict=True):
            if isinstance(fate, Exception):
                offer.answer.set_exception(fate)
            else:
                offer.answer.set_result(fate)

    def _taken(self) -> list[Offer]:
        found: list[Offer] = []
        records = 0
        while self._waiting and len(found) < MOST and (offer := self._waiting[0]) is not None:
            records += len(offer.records)
            if found and records > MOST_RECORDS:
                break
            found.append(offer)
            self._waiting.popleft()
        return found


def alike(offers: Sequence[Offer]) -> Iterator[list[Offer]]:
    """The same offers in the same order; neighbours whose columns can be stored as one batch are together."""
    run: list[Offer] = []
    for offer in offers:
        if run and not _fit(run[-1], offer):
            yield run
            run = []
        run.append(offer)
    if run:
        yield run


def _fit(one: Offer, other: Offer) -> bool:
    if not isinstance(one.records, Packed) or not isinstance(other.records, Packed):
        return False
    return min(one.keep, other.keep) >= 1.0 and one.records.like(other.records)
