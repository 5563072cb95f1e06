"""The lock that makes a second daemon on the same state impossible. Held as long as the process lives.

``flock`` belongs to the open file: the kernel releases it when the process dies in whatever way, so a stale lock file
means nothing. The number inside is only for the message.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from autoheal.errors import StoreError


class WriterLock:
    """Exclusive right to write to one state directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(self._handle, 0o600)
            self._take()
        except BaseException:
            os.close(self._handle)
            raise

    def _take(self) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._handle, 32, 0).decode(errors="replace").strip() or "unknown"
            raise StoreError(
                f"another autoheal (process {holder}) is writing to {self.path.parent}; "
                "stop it first, or give this one a state directory of its own"
            ) from error
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Safe to call twice."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
