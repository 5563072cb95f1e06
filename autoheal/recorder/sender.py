"""The background thread of a recorder: gathers batches, sends each until it is taken, backs off while nobody listens.

Called by ``recorder``, one per process and recorder. A batch keeps its key while it is repeated, so that an answer that
was lost does not store it twice. Rows that the daemon refuses are taken out and counted, their neighbours go on. It is
woken through a ``SimpleQueue``, because an event's lock would hang a service whose signal handler records while it is
being set. What surprises: an unknown model is waited for like a daemon that is away, because services often start
before their configuration is known.
"""

from __future__ import annotations

import contextlib
import os
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

from autoheal.recorder.buffer import BATCH, Buffer
from autoheal.recorder.now import ticks, unix

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoheal.recorder.rows import Line

#: Bytes of one batch; refused rows of one batch after which the rest of it is given up.
BATCH_BYTES = 1 << 20
MOST_REFUSED = 20
#: Real seconds: between tries, and between reports of what was dropped.
FIRST_PAUSE, LAST_PAUSE = 0.1, 30.0
REPORT_SOON, REPORT = 5.0, 60.0


class Answer:
    """``sent``; or ``again`` (after at least ``after`` seconds); or refused: ``row``, or the whole batch (None)."""

    __slots__ = ("after", "duplicates", "error", "row", "state")

    def __init__(
        self, state: str, error: str = "", *, row: int | None = None, after: float = 0.0, duplicates: int = 0
    ) -> None:
        self.state = state
        self.error = error
        self.row = row
        self.after = after
        self.duplicates = duplicates


class Out(Protocol):
    """A way to the daemon. Used by one thread."""

    def send(self, key: str, lines: Sequence[Line], timeout: float) -> Answer:
        """Deliver a batch within ``timeout`` seconds. What goes wrong is an answer, never an error."""
        ...

    def close(self) -> None: ...


class Sender:
    """Counters are written by the one thread and read by anybody."""

    def __init__(
        self, model: str, buffer: Buffer, out: Callable[[], Out], *, every: float, timeout: float
    ) -> None:
        self.model = model
        self.sent = self.refused = self.unusable = self.duplicates = self.failures = 0
        #: Records on their way, and how many more there were than rows: an exchange holds many, or none.
        self.held = self.more = 0
        self.last_error = ""
        self.deadline: float | None = None
        self._wake = SimpleQueue[None]()
        self._stopping = threading.Event()
        self._buffer = buffer
        self._make = out
        self._out: Out | None = None
        self._every = every
        self._timeout = timeout
        self._name = os.urandom(8).hex()
        self._number = 0
        self._reported = (0, 0)
        self._reported_at = ticks()

    def run(self) -> None:
        """Until a deadline is set and everything is sent, or it has passed."""
        try:
            while not self._late():
                closing = self.deadline is not None
                if not closing and len(self._buffer) < BATCH:
                    self._sleep()
                self.held = min(len(self._buffer), BATCH)  # first, so that no row is ever seen nowhere
                rows = self._buffer.take(BATCH)
                self.held = len(rows)
                if rows or self._due(closing):
                    self._guarded(rows)
                elif closing:
                    return
        finally:
            if self._out is not None:
                self._out.close()

    def hurry(self) -> None:
        """A batch is full, or somebody waits; called by any thread, and by handlers of signals in the middle of this."""
        if self._wake.empty():
            self._wake.put(None)

    def stop(self, deadline: float) -> None:
        """Be done by then (of ``ticks``)."""
        self.deadline = deadline
        self._stopping.set()
        self._wake.put(None)

    @property
    def recorded(self) -> int:
        """Everything that was recorded and is no longer in the buffer."""
        return self._buffer.taken + self._buffer.dropped + self.more

    @property
    def lost(self) -> int:
        """Everything that will not arrive, as far as it is known."""
        return self._buffer.dropped + self.refused + self.unusable

    def _sleep(self) -> None:
        """Until a batch is full or a row has waited long enough; whatever called us meanwhile is answered by one look."""
        with contextlib.suppress(Empty):
            self._wake.get(timeout=self._every)
            while True:
                self._wake.get_nowait()

    def _guarded(self, rows: Sequence[tuple[object, ...]]) -> None:
        """The thread lives as long as the service, whatever is wrong with these rows."""
        try:
            self._deliver(rows)
        except Exception as error:  # noqa: BLE001 - see above
            self.last_error = f"{type(error).__name__}: {error}"[:300]
            self.unusable += self.held
            self.held = 0
            self._stopping.wait(FIRST_PAUSE)

    def _deliver(self, rows: Sequence[tuple[object, ...]]) -> None:
        from autoheal.recorder.rows import lines  # noqa: PLC0415 - loads orjson: not in the service's start

        good: list[Line] = []
        size = 0
        for row in rows:
            found = lines(row, self.model)
            self.held += len(found) - 1
            self.more += len(found) - 1
            for line in found:
                if line is None:
                    self.unusable += 1
                    self.held -= 1
                    continue
                if size + len(line[1]) > BATCH_BYTES and good:
                    self._send(good)
                    good, size = [], 0
                good.append(line)
                size += len(line[1])
        self._send(good)

    def _send(self, batch: list[Line]) -> None:
        """Until it is taken or refused, or too late: what is then left stays ``held``."""
        report = (self.recorded, self.lost)
        own = self._own(report) if self._due(closing=self.deadline is not None) else []
        told, refused, pause = bool(own), 0, FIRST_PAUSE
        self._number += 1
        while (batch or own) and not self._late():
            answer = self._try([*batch, *own])
            if answer.state == "sent":
                self.sent += len(batch)
                self.duplicates += answer.duplicates
                self.held -= len(batch)
                break
            self.last_error = answer.error
            if answer.state == "again":
                self.failures += 1
                self._rest(max(pause, answer.after))
                pause = min(pause * 2, LAST_PAUSE)
                continue
            before = len(batch)
            batch, own = self._without(batch, own, None if refused >= MOST_REFUSED else answer.row)
            refused += before - len(batch)
            self._number += 1
        if told and not self._late():
            self._reported, self._reported_at = report, ticks()

    def _try(self, batch: list[Line]) -> Answer:
        """One try. A way that breaks in an unforeseen manner is one to try again, made anew."""
        try:
            self._out = self._out or self._make()
            return self._out.send(f"{self._name}-{self._number}", batch, self._patience())
        except Exception as error:  # noqa: BLE001 - the thread must live as long as the service
            self._out = None
            return Answer("again", f"{type(error).__name__}: {error}"[:300])

    def _without(self, batch: list[Line], own: list[Line], row: int | None) -> tuple[list[Line], list[Line]]:
        """What is left of a batch of which this row was refused (None: all of it)."""
        if row is not None and row >= len(batch):
            return batch, []
        left = [] if row is None else batch[:row] + batch[row + 1 :]
        self.refused += len(batch) - len(left)
        self.held -= len(batch) - len(left)
        return left, own if left else []

    def _due(self, closing: bool) -> bool:
        """Whether it is time to say what was dropped: soon when something was, at the end at once."""
        news, lost = self.recorded > self._reported[0], self.lost > self._reported[1]
        age = ticks() - self._reported_at
        return (lost and (closing or age >= REPORT_SOON)) or (news and age >= REPORT)

    def _own(self, report: tuple[int, int]) -> list[Line]:
        from autoheal.recorder.rows import metric  # noqa: PLC0415 - as above

        recorded, lost = (now - before for now, before in zip(report, self._reported, strict=True))
        at = unix()
        return [
            metric(self.model, "recorder_dropped", float(lost), at),
            metric(self.model, "recorder_dropped_share", min(lost / max(recorded, 1), 1.0), at),
        ]

    def _patience(self) -> float:
        left = self._timeout if self.deadline is None else self.deadline - ticks()
        return max(min(self._timeout, left), 0.05)

    def _rest(self, pause: float) -> None:
        """Wait before the next try; not all recorders at once, and not long once we are to stop."""
        end = ticks() + pause * (0.5 + int(self._name[:2], 16) / 256)
        while (left := end - ticks()) > 0 and not self._late():
            if self.deadline is None:
                self._stopping.wait(left)
            else:
                threading.Event().wait(max(min(left, FIRST_PAUSE, self.deadline - ticks()), 0.001))
                return

    def _late(self) -> bool:
        return self.deadline is not None and ticks() >= self.deadline
