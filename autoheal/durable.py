"""Files that survive a crash: replaced whole, appended by the line, locked between processes. Standard library only.

Called by the registry, the outbox and the gateway's state. Every function returns only when the bytes are on the disk.
What surprises: a rename is durable only after its *folder* was synced, so each writer syncs the folder too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

#: Unfinished files and folders begin with this; whoever holds the lock may remove them.
PASSING = ".passing-"
_POLL = 0.02


class LockedError(OSError):
    """Another process held the lock for longer than we cared to wait."""


def make_folder(path: Path) -> None:
    """The folder with its parents, for our eyes only (0700); existing ones keep their mode. OSError where it cannot be."""
    missing = [p for p in (path, *path.parents) if not p.is_dir()]
    for folder in reversed(missing):
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            if not folder.is_dir():
                raise
        sync_folder(folder.parent)


def sync_folder(path: Path) -> None:
    """Make renames and new names in a folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: Path, data: bytes) -> None:
    """A new file (0600), synced; its folder is the caller's to sync."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_file(path: Path, data: bytes) -> None:
    """Replace the file at once: readers see the old bytes or the new, never a part."""
    passing = path.with_name(f"{PASSING}{path.name}")
    write_file(passing, data)
    passing.replace(path)
    sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append one line; a crash may leave a part of it, which ``mend_tail`` takes away."""
    fresh = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        _write_all(handle, line + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    if fresh:
        sync_folder(path.parent)


def mend_tail(path: Path) -> None:
    """Cut an unfinished last line off a file of lines."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    if data and not data.endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)


@contextlib.contextmanager
def locked(path: Path, wait: float = 10.0) -> Iterator[None]:
    """Hold an exclusive lock between processes; ``wait`` in real seconds. The kernel frees it when we die."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(handle, path, wait)
        yield
    finally:
        os.close(handle)


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock."""
    try:
        with locked(path, wait=0.0):
            return False
    except FileNotFoundError:
        return False
    except LockedError:
        return True


def _lock(handle: int, path: Path, wait: float) -> None:
    pause = threading.Event()  # never set: a synchronous nap that needs no clock
    for _ in range(int(wait / _POLL) + 1):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pause.wait(_POLL if wait else 0.0)
        else:
            return
    raise LockedError(f"{path} is held by another process")


def _write_all(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]
