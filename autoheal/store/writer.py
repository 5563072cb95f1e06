"""The one thread that writes: it takes what has gathered, runs it in one transaction, and fsyncs once for all.

Called by ``EventLog``. While one commit waits for the disk, the next group gathers, so throughput grows with load and
a lone append still pays exactly one fsync. What surprises: after an error that leaves the state of the disk unknown
(a failed fsync) the writer refuses everything until the process is restarted, because a later success would prove
nothing about what came before.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from autoheal.errors import StoreError
from autoheal.store.database import explain, transient

T = TypeVar("T")
#: Jobs in one transaction at most; bounds how long the first of them waits.
GROUP: Final = 256


@dataclass(slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    future: Future[Any] = field(default_factory=Future)
    result: Any = None


class Writer:
    """Owns the writing connection; ``submit`` from any thread."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._broken = ""
        self.commits = 0
        self._thread = threading.Thread(target=self._run, name="autoheal-log-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Run ``work`` in the next transaction. The future ends when it is on the disk, or with StoreError."""
        job = _Job(work)
        with self._gate:
            if self._closed:
                raise StoreError(f"{self._path}: the log is closed")
            self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Finish what was submitted, then end the thread and the connection. Safe to call twice."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            group, last = self._gather()
            if group:
                self._write(group)
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            pass  # the write-ahead file stays and is read at the next start
        finally:
            self._connection.close()

    def _gather(self) -> tuple[list[_Job], bool]:
        """Wait for a job, then take along what else is there; True at the end."""
        group: list[_Job] = []
        while len(group) < GROUP:
            try:
                job = self._jobs.get(block=not group)
            except queue.Empty:
                break
            if job is None:
                return group, True
            group.append(job)
        return group, False

    def _write(self, group: list[_Job]) -> None:
        if self._broken:
            self._fail(group, StoreError(f"{self._path}: the log takes nothing after: {self._broken}"))
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            written = [job for job in group if self._do(job)]
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
            self._give_up(group, error)
            return
        self.commits += 1
        for job in written:
            job.future.set_result(job.result)

    def _do(self, job: _Job) -> bool:
        """One job in its own savepoint: a refused one leaves no trace and does not disturb its neighbours."""
        self._connection.execute("SAVEPOINT job")
        try:
            job.result = job.work(self._connection)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - one job's mistake is told to its caller alone
            self._connection.execute("ROLLBACK TO job")
            self._connection.execute("RELEASE job")
            job.future.set_exception(error)
            return False
        self._connection.execute("RELEASE job")
        return True

    def _give_up(self, group: list[_Job], error: Exception) -> None:
        """The transaction failed as a whole: nothing of it stays, and everybody is told."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as worse:
            self._broken = explain(worse)
        if not (isinstance(error, sqlite3.Error) and transient(error)):
            self._broken = self._broken or explain(error)
        self._fail(group, StoreError(f"{self._path}: cannot append: {explain(error)}"), error)

    @staticmethod
    def _fail(group: list[_Job], failure: StoreError, cause: Exception | None = None) -> None:
        failure.__cause__ = cause
        for job in group:
            if not job.future.done():
                job.future.set_exception(failure)
