"""What the demo's tests share: small models that train in no time, and doors that answer as told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from autoheal.demo import fleet
from autoheal.demo.fleet import DemoModel


def small(name: str, first: int, count: int) -> DemoModel:
    """A demo model with its own training rows (every tenth) and ``count`` rows of service from ``first`` on."""
    model = fleet.model(name)
    learnt = tuple(fleet.training_rows(model)[::10])
    met = tuple(fleet.service_rows(model)[first : first + count])
    return replace(model, rows=lambda: learnt + met)


@dataclass
class Door:
    """An HTTP server in the test's own loop: keeps every body, answers with what ``say`` returns."""

    answers: list[int] = field(default_factory=list)
    got: list[tuple[str, str, Any]] = field(default_factory=list)
    port: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def bodies(self, path: str) -> list[Any]:
        return [body for _, where, body in self.got if where.startswith(path)]

    def say(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path.startswith("/v1/models/"):
            return 200, {
                "predictions": [{"id": r["id"], "prediction": 1.0, "score": None} for r in body["rows"]]
            }
        if path.startswith("/admin/"):
            return 200, {
                "url": "",
                "weights": body["weights"],
                "revision": 2,
                "fallback": "baseline",
                "key": body["key"],
            }
        return (self.answers.pop(0) if self.answers else 202), {}

    def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, path, _ = head.split(" ", 2)
                length = next(
                    (
                        int(h.split(":")[1])
                        for h in head.lower().splitlines()
                        if h.startswith("content-length")
                    ),
                    0,
                )
                body = json.loads(await reader.readexactly(length)) if length else None
                status, said = self.say(method, path, body)
                self.got.append((method, path, body))
                text = json.dumps(said).encode()
                writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
                await writer.drain()


@asynccontextmanager
async def door(*answers: int) -> AsyncIterator[Door]:
    found = Door(list(answers))
    server = await asyncio.start_server(found.meet, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in found.tasks:
            task.cancel()
        await asyncio.gather(*found.tasks, return_exceptions=True)
