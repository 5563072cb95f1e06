"""Reading the log: beside the running writer, or offline (``doctor``, a backup). Never writes, takes no lock.

Called by ``EventLog`` and by tools. All methods block for the time of a query: from a coroutine, call those that may
read much through ``asyncio.to_thread``; a lock inside makes that safe.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from autoheal.domain.events import Entry
from autoheal.domain.world import World
from autoheal.errors import StoreError
from autoheal.store import entries, snapshots
from autoheal.store.database import connect, locate, store_errors
from autoheal.store.entries import Head

CHUNK: Final = 1000


class LogReader:
    """A view of one log file; each call sees all that was committed before it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing log; StoreError if there is none."""
        file = locate(path)
        if not file.is_file():
            raise StoreError(f"{file}: there is no event log here")
        with store_errors(file, "open the log"):
            return cls(connect(file, writer=False), file)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def head(self) -> Head:
        with self._lock, store_errors(self.path, "read the log"):
            return entries.head(self._connection)

    def identity(self) -> str:
        """A short name of this log, the same for its whole life and different from any other's; "" while empty."""
        with self._lock, store_errors(self.path, "read the log"):
            return (entries.hash_at(self._connection, 1) or "")[:12]

    def read(self, after: int = 0, limit: int = CHUNK) -> list[Entry]:
        """Entries ``after + 1`` and on; StoreError names the first that is missing, altered or odd."""
        with self._lock, store_errors(self.path, "read the log"):
            return entries.select(self._connection, after, limit)

    def scan(self, after: int = 0) -> Iterator[Entry]:
        """All entries after ``after``, in chunks."""
        while chunk := self.read(after, CHUNK):
            yield from chunk
            after = chunk[-1].seq

    def started(self, key: str) -> Entry | None:
        """The newest ``StepStarted`` of a step key: what was written ahead of the effect."""
        with self._lock, store_errors(self.path, "read the log"):
            return entries.select_started(self._connection, key)

    def of_kind(self, *kinds: str) -> list[Entry]:
        """All entries of these kinds, in order; reads the whole log."""
        with self._lock, store_errors(self.path, "read the log"):
            return entries.select_kinds(self._connection, kinds)

    def verify(self) -> int | None:
        """The number of the first bad entry (missing, altered, out of place), or None: the whole chain holds."""
        with self._lock, store_errors(self.path, "verify the log"):
            bad = entries.first_bad(self._connection)
            return bad if bad is not None else snapshots.first_orphan(self._connection)

    def load_snapshot(self) -> World | None:
        """The newest snapshot that can be trusted, or None."""
        with self._lock, store_errors(self.path, "read the snapshots"):
            return snapshots.newest(self._connection)
