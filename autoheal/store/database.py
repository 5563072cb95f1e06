"""Opening SQLite files the way the log needs them, and turning SQLite's errors into ours.

Called by the log, its reader and its writer. What surprises: the file is created by us with mode 0600 before SQLite
sees it, because SQLite gives ``-wal`` and ``-shm`` the mode of the main file.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from autoheal.errors import StoreError

FILE: Final = "autoheal.db"
#: Seconds to wait for somebody who holds SQLite's own lock (a backup, an operator's shell).
BUSY_SECONDS: Final = 5.0


def locate(path: Path) -> Path:
    """The log's file: ``path`` itself, or ``autoheal.db`` in it when it is a directory."""
    return path / FILE if path.is_dir() else path


def create(path: Path) -> None:
    """Make sure that the file and its directory exist, are private, and that their names survive a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(handle, 0o600)
        os.fsync(handle)
    finally:
        os.close(handle)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def connect(path: Path, *, writer: bool) -> sqlite3.Connection:
    """A connection in autocommit mode (transactions are opened by hand), usable from any one thread at a time."""
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
    )
    try:
        if writer:
            _ask_for_wal(connection, path)
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA journal_size_limit=16777216")
        else:
            connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _ask_for_wal(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise StoreError(f"{path}: write-ahead logging is not possible here (journal mode stays {mode})")


@contextmanager
def store_errors(path: Path, doing: str) -> Iterator[None]:
    """Everything that SQLite or the file system raises inside leaves as StoreError, in an operator's words."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: cannot {doing}: {explain(error)}") from error


def explain(error: Exception) -> str:
    text = str(error)
    if "disk is full" in text or "No space left" in text:
        return f"{text} (free some space; what was recorded before is intact)"
    if "locked" in text:
        return f"{text} (another program holds the database for more than {BUSY_SECONDS:g} s)"
    if "malformed" in text or "not a database" in text:
        return f"{text} (restore a backup; see docs/operations.md)"
    return text


def transient(error: sqlite3.Error) -> bool:
    """Whether a later transaction on the same connection may be trusted: full or locked yes, a failed fsync never."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    return (code & 0xFF) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
