"""What a reader of the event stream holds: the log from some number on, then live, never making the kernel wait.

Made by ``Kernel.subscribe``; used by the API, the dashboard's stream and notifiers. It catches up from the disk first
and only then joins the live queue, so a long past does not count as slowness. What surprises: iteration simply ends
when the reader was too slow or the kernel stopped; ``ended`` says which, and the reader's cursor is the last number it
got, so it can subscribe again without a gap.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from enum import StrEnum
from typing import Final, Protocol

from autoheal.domain.events import Entry
from autoheal.errors import StoreError

#: Entries a reader may lag behind the kernel before it is cut off.
ROOM: Final = 2000
#: Entries read from the disk in one go while catching up.
CHUNK: Final = 500


class End(StrEnum):
    """Why a subscription is over."""

    TOO_SLOW = "too slow: the reader fell behind and was cut off; ask again from the last number"
    STOPPED = "the daemon is stopping"
    FAILED = "the daemon cannot write its log"
    CLOSED = "closed by the reader"


class Feed(Protocol):
    """What a subscription needs of the kernel."""

    @property
    def seq(self) -> int:
        """The number of the newest published entry."""
        ...

    def past(self, after: int, limit: int) -> Sequence[Entry]: ...

    def join(self, subscription: Subscription) -> End | None:
        """Take part in what is published from now on; the end at once when there will be nothing more."""
        ...

    def leave(self, subscription: Subscription) -> None: ...


class Subscription(AsyncIterator[Entry]):
    """Entries after a number, in order, without gaps, until it ends."""

    def __init__(self, feed: Feed, after: int, room: int = ROOM) -> None:
        self.cursor = after
        self.ended: End | None = None
        self._feed = feed
        self._room = room
        self._queue: asyncio.Queue[Entry | None] = asyncio.Queue()
        self._pending: deque[Entry] = deque()
        self._joined = False

    def offer(self, entries: Iterable[Entry]) -> None:
        """Called by the kernel: never waits. A reader with no room left is cut off at what it already has."""
        if self.ended is not None:
            return
        for entry in entries:
            if self._queue.qsize() >= self._room:
                self.end(End.TOO_SLOW)
                return
            self._queue.put_nowait(entry)

    def end(self, why: End) -> None:
        """Nothing comes after what is queued."""
        if self.ended is None:
            self.ended = why
            self._feed.leave(self)
            self._queue.put_nowait(None)

    def close(self) -> None:
        """The reader wants no more."""
        self.end(End.CLOSED)
        self._pending.clear()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Entry:
        while True:
            entry = await self._next()
            if entry is None:
                raise StopAsyncIteration
            if entry.seq > self.cursor:
                self.cursor = entry.seq
                return entry

    async def _next(self) -> Entry | None:
        while not self._pending and not self._joined and self.ended is None:
            await self._catch_up()
        if self._pending:
            return self._pending.popleft()
        if self.ended is not None and self._queue.empty():
            return None
        return await self._queue.get()

    async def _catch_up(self) -> None:
        """One chunk of the past; having all of it, join the live queue without a gap (no await in between)."""
        if self.cursor >= self._feed.seq:
            self._join()
            return
        try:
            chunk = await asyncio.to_thread(self._feed.past, self.cursor, CHUNK)
        except StoreError:
            self._join()
            if self.ended is None:
                raise
            return
        if not chunk:
            raise StoreError(f"log entry {self.cursor + 1} is missing")
        if self.ended is None:
            self._pending.extend(chunk)

    def _join(self) -> None:
        self._joined = True
        if self.ended is None and (why := self._feed.join(self)) is not None:
            self.end(why)
