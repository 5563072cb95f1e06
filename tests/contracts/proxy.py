"""A TCP proxy that misbehaves on demand, between a source and its real server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

Mood = Literal["honest", "away", "slow", "half", "garbage"]
#: How many bytes of the first answer get through when only half of it does.
HALF = 200


class Proxy:
    """``away`` closes at once, ``slow`` says nothing, ``half`` cuts the answer, ``garbage`` talks nonsense."""

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.port = 0
        self.mood: Mood = "honest"
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def turn(self, mood: Mood) -> None:
        """Behave so from now on, and cut what is open."""
        self.mood = mood
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._talk(reader, writer)
        finally:
            self._tasks.discard(task)
            self._open.discard(writer)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mood == "away":
            return
        if self.mood == "slow":
            await asyncio.Event().wait()
        if self.mood == "garbage":
            await reader.read(10)
            writer.write(bytes(range(256)) * 4 + b"\r\n\r\n")
            await writer.drain()
            return
        theirs, ours = await asyncio.open_connection("127.0.0.1", self.upstream)
        self._open.add(ours)
        try:
            await asyncio.wait(
                [
                    asyncio.ensure_future(self._pump(reader, ours)),
                    asyncio.ensure_future(self._pump(theirs, writer, HALF if self.mood == "half" else None)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._open.discard(ours)
            ours.close()

    @staticmethod
    async def _pump(
        source: asyncio.StreamReader, sink: asyncio.StreamWriter, most: int | None = None
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data if most is None else data[:most])
                await sink.drain()
                if most is not None:
                    return

    async def end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def between(port: int) -> AsyncIterator[Proxy]:
    """A proxy to a port of this machine."""
    proxy = Proxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
