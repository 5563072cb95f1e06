"""Hands every prediction to the daemon from a bounded queue, so that no answer ever waits for telemetry.

Full means that the oldest records give way and are counted; a daemon that is away means back-off; a batch that is
refused is halved until the bad record is alone and dropped, so that one odd row does not cost its neighbours. Time-outs
and pauses are real time.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from autoheal.clock import Clock
from autoheal.net import AsyncClient, HTTPError, client

_LOG = logging.getLogger(__name__)
ROOM: Final = 20_000
BATCH: Final = 500
#: Real seconds: to gather a batch, for one try, between tries, to the end of all.
GATHER: Final = 0.05
TIMEOUT: Final = 5.0
FIRST_PAUSE: Final = 0.1
LAST_PAUSE: Final = 5.0
FLUSH: Final = 5.0

Record = Mapping[str, Any]


class Sender:
    """``put`` never waits; ``run`` is a task for the life of the process, ``close`` sends what is left."""

    def __init__(
        self, clock: Clock, *, url: str | None = None, socket: str | None = None, room: int = ROOM
    ) -> None:
        self._clock = clock
        self._url = url or ("http://autoheal/v1/telemetry" if socket else "")
        self._socket = socket
        self._queue: deque[Record] = deque()
        self._room = room
        self._news = asyncio.Event()
        self._closing = False
        self.sent = 0
        self.dropped = 0
        self.refused = 0
        self.failures = 0

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def put(self, records: Iterable[Record]) -> None:
        """Queue records; without a daemon configured they are forgotten."""
        if not self._url:
            return
        self._queue.extend(records)
        while len(self._queue) > self._room:
            self._queue.popleft()
            self.dropped += 1
        self._news.set()

    async def run(self) -> None:
        """Send for ever."""
        if not self._url:
            return
        async with client(socket=self._socket, timeout=TIMEOUT, connections=1) as http:
            while not (self._closing and not self._queue):
                if not self._queue:
                    self._news.clear()
                    await self._news.wait()
                    continue
                if not self._closing:
                    await self._clock.sleep(GATHER)
                batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
                try:
                    await self._send(http, batch)
                except asyncio.CancelledError:
                    self.dropped += len(batch)
                    raise

    async def close(self, task: asyncio.Task[None]) -> None:
        """Send what is left, for a few seconds at the most; what remains then is counted as dropped."""
        self._closing = True
        self._news.set()
        await asyncio.wait({task}, timeout=FLUSH)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.dropped += len(self._queue)

    async def _send(self, http: AsyncClient, batch: list[Record]) -> None:
        """Deliver a batch, however long it takes; refused ones in halves."""
        pause, after = FIRST_PAUSE, 0.0
        while True:
            try:
                response = await http.post(
                    self._url,
                    content=orjson.dumps({"records": batch}),
                    headers={"content-type": "application/json"},
                )
            except HTTPError as error:
                self._failed(f"{type(error).__name__} {error}")
            else:
                status = response.status_code
                if status in {200, 202}:
                    self.sent += len(batch)
                    return
                if 400 <= status < 500 and status not in {408, 429}:
                    await self._refused(http, batch, f"{status} {response.text[:200]}")
                    return
                self._failed(f"status {status}")
                wish = response.headers.get("retry-after", "")
                after = min(float(wish), LAST_PAUSE) if wish.isascii() and wish.isdigit() else 0.0
            await self._clock.sleep(max(pause, after))
            pause = min(2 * pause, LAST_PAUSE)

    def _failed(self, why: str) -> None:
        self.failures += 1
        if self.failures & (self.failures - 1) == 0:
            _LOG.warning("telemetry is not taken (%d tries so far): %s", self.failures, why)

    async def _refused(self, http: AsyncClient, batch: list[Record], why: str) -> None:
        if len(batch) > 1:
            await self._send(http, batch[: len(batch) // 2])
            await self._send(http, batch[len(batch) // 2 :])
            return
        self.refused += 1
        if self.refused & (self.refused - 1) == 0:
            _LOG.warning("a telemetry record is refused (%d so far): %s", self.refused, why)
