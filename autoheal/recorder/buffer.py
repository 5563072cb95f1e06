"""A bounded buffer between the threads of a service and the one that sends. ``put`` never waits for anybody.

Called by ``recorder`` (many threads put) and ``sender`` (one takes). The way of an ordinary row is one append to a
deque, which the interpreter makes atomic, so no lock is taken unless the buffer is full; that lock is reentrant, since a
signal handler may record as well. What surprises: the bound may be exceeded by as many rows as there are threads.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Literal

    Drop = Literal["oldest", "newest"]
    Row = tuple[Any, ...]

#: Rows that are sent together; as soon as so many wait, the sender is told.
BATCH = 500
#: A row whose first field is this has its weight in bytes in the second.
HEAVY = "heavy"


class Buffer:
    """``capacity`` rows; a full one drops the ``oldest`` or the ``newest``. Heavy rows together have ``most_bytes``."""

    def __init__(self, capacity: int, drop: Drop, most_bytes: int) -> None:
        if capacity < 1 or drop not in {"oldest", "newest"}:
            raise ValueError("a buffer holds at least one row and drops the oldest or the newest")
        self.capacity = capacity
        self.oldest = drop == "oldest"
        self.most_bytes = most_bytes
        self.dropped = 0
        self.taken = 0
        self._bytes = 0
        self._rows: deque[Row] = deque()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, row: Row) -> bool:
        """Keep a row; False when this one was dropped."""
        if len(self._rows) >= self.capacity:
            return self._put_full(row)
        self._rows.append(row)
        return True

    def put_heavy(self, weight: int, *row: object) -> bool:
        """Keep a row of so many bytes; whatever the policy, it is the newest that is dropped for its weight."""
        with self._lock:
            if self._bytes + weight > self.most_bytes:
                self.dropped += 1
                return False
            if not self.put((HEAVY, weight, *row)):
                return False
            self._bytes += weight
            return True

    def take(self, most: int) -> list[Row]:
        """Up to so many rows, the oldest first, out of the buffer."""
        rows: list[Row] = []
        try:
            while len(rows) < most:
                rows.append(self._rows.popleft())
        except IndexError:
            pass
        with self._lock:
            self.taken += len(rows)
            self._lighten(rows)
        return rows

    def drop(self, count: int = 1) -> None:
        """Count rows that never came in."""
        with self._lock:
            self.dropped += count

    def _put_full(self, row: Row) -> bool:
        with self._lock:
            if not self.oldest:
                self.dropped += 1
                return False
            while len(self._rows) >= self.capacity:
                try:
                    gone = self._rows.popleft()
                except IndexError:
                    break
                self.dropped += 1
                self._lighten((gone,))
            self._rows.append(row)
            return True

    def _lighten(self, rows: list[Row] | tuple[Row, ...]) -> None:
        self._bytes -= sum(row[1] for row in rows if row[0] == HEAVY)
