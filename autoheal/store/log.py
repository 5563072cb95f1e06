"""The event log: what the kernel appends to and everybody reads. One per state directory, one writer per machine.

``open_world`` is how the daemon starts: the log, and the world that the log tells. Called by ``daemon.app``, replay and
tests. What surprises: cancelling a waiting ``append`` does not take it back; it is on its way to the disk.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from autoheal.domain.events import Entry
from autoheal.domain.world import World
from autoheal.errors import StoreError
from autoheal.store import database, entries, snapshots
from autoheal.store.codec import encode_world
from autoheal.store.entries import Head
from autoheal.store.lock import WriterLock
from autoheal.store.reader import LogReader
from autoheal.store.writer import Writer

Apply = Callable[[World, Entry], World]


class EventLog:
    """Append-only, hash-chained, durable on return."""

    def __init__(self, path: Path, lock: WriterLock, writer: Writer, reader: LogReader) -> None:
        self.path = path
        self._lock = lock
        self._writer = writer
        self._reader = reader

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create the log at ``path`` (the file, or the directory that holds ``autoheal.db``).

        StoreError when another process writes to it, when a newer autoheal wrote it, or when it is no log at all.
        """
        file = database.locate(path)
        with database.store_errors(file, "open the log"):
            database.create(file)
            lock = WriterLock(file.with_suffix(".lock"))
        try:
            with database.store_errors(file, "open the log"):
                connection = _prepared(file)
                reader = LogReader(database.connect(file, writer=False), file)
                return cls(file, lock, Writer(connection, file), reader)
        except BaseException:
            lock.release()
            raise

    @property
    def commits(self) -> int:
        """Transactions since open: how well appends share them."""
        return self._writer.commits

    async def append(self, batch: Sequence[Entry]) -> Head:
        """Put ``batch`` right behind the head; on return it is on the disk. All of it or StoreError and none."""
        pinned = tuple(batch)
        future = self._writer.submit(lambda connection: entries.insert(connection, pinned))
        return await asyncio.shield(asyncio.wrap_future(future))

    async def save_snapshot(self, world: World) -> None:
        """Keep ``world`` so that the next start is short. It must be the world after one of the log's entries."""
        body = await asyncio.to_thread(encode_world, world)
        future = self._writer.submit(lambda connection: snapshots.insert(connection, world.seq, body))
        await asyncio.shield(asyncio.wrap_future(future))

    def read(self, after: int = 0, limit: int = 1000) -> list[Entry]:
        return self._reader.read(after, limit)

    def scan(self, after: int = 0) -> Iterator[Entry]:
        return self._reader.scan(after)

    def head(self) -> Head:
        return self._reader.head()

    def identity(self) -> str:
        """See ``LogReader.identity``; for ``ActionContext.namespace``, after the first append."""
        return self._reader.identity()

    def started(self, key: str) -> Entry | None:
        return self._reader.started(key)

    def verify(self) -> int | None:
        return self._reader.verify()

    def load_snapshot(self) -> World | None:
        return self._reader.load_snapshot()

    def close(self) -> None:
        """Finish what was appended, then let go of the files and the lock. Safe to call twice."""
        self._reader.close()
        self._writer.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_world(path: Path, apply: Apply | None = None) -> tuple[EventLog, World]:
    """The log and the world it tells: the newest usable snapshot and the entries after it, or all entries."""
    log = EventLog.open(path)
    try:
        return log, rebuild(log, apply)
    except BaseException:
        log.close()
        raise


def rebuild(log: EventLog | LogReader, apply: Apply | None = None, *, snapshot: bool = True) -> World:
    """Fold the log into a world. ``snapshot=False`` reads every entry; both ways end the same."""
    fold = apply or _engine_apply()
    world = (log.load_snapshot() if snapshot else None) or World()
    for entry in log.scan(world.seq):
        world = fold(world, entry)
    head = log.head()
    if world.seq != head.seq:
        raise StoreError(f"{log.path}: the world ends at entry {world.seq}, the log at {head.seq}")
    return world


def _prepared(file: Path) -> sqlite3.Connection:
    """The writing connection of a file that has today's shape."""
    from autoheal.store.migrations import migrate  # noqa: PLC0415 - sqlite-utils costs 100 ms; readers do without

    connection = database.connect(file, writer=True)
    try:
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _engine_apply() -> Apply:
    from autoheal.engine.apply import apply  # noqa: PLC0415 - the store can be read without the engine

    return apply
