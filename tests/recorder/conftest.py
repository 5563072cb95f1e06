"""A daemon's real telemetry door on a port or a socket, that can go and come back on the same files."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from autoheal.clock import SystemClock
from autoheal.domain.names import ModelName, Task
from autoheal.domain.specs import ModelSpec
from autoheal.sources.contract import Intake
from autoheal.sources.http_push import telemetry_router
from autoheal.telemetry import Telemetry
from tests.contracts.servers import free_port

SPEC = ModelSpec(ModelName("fraud"), Task.CLASSIFICATION)


def until(holds: Callable[[], object], why: object = "", seconds: float = 10.0) -> None:
    """Wait for something against a deadline."""
    clock, nap = SystemClock(), threading.Event()
    end = clock.monotonic() + seconds
    while not holds():
        assert clock.monotonic() < end, why() if callable(why) else why or "not in time"
        nap.wait(0.005)


@dataclass
class Door:
    """``POST /v1/telemetry`` over a real telemetry.db, in a thread of its own: the recorder's side must not block it."""

    folder: Path
    models: dict[ModelName, ModelSpec] = field(default_factory=lambda: {SPEC.name: SPEC})
    port: int = field(default_factory=free_port)
    refused: Counter[str] = field(default_factory=Counter)
    _thread: threading.Thread | None = None
    _server: uvicorn.Server | None = None

    @property
    def to(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def path(self) -> Path:
        return self.folder / "telemetry.db"

    def start(self, socket: Path | None = None) -> Door:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(socket)))
        self._thread.start()
        until(lambda: self._server is not None and self._server.started)
        return self

    def stop(self) -> None:
        if self._thread is not None and self._server is not None:
            self._server.should_exit = True
            self._thread.join()
        self._thread = self._server = None

    async def _serve(self, socket: Path | None) -> None:
        async def nowhere(_finding: object) -> None: ...

        async with await Telemetry.open(self.path, self.models, SystemClock()) as telemetry:
            app = FastAPI()
            intake = Intake(telemetry.ingest, nowhere)
            app.include_router(telemetry_router(intake, lambda: telemetry.tasks, self.refused))
            where = {"uds": str(socket)} if socket else {"port": self.port}
            config = uvicorn.Config(
                app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1, **where
            )
            self._server = uvicorn.Server(config)
            self._server.capture_signals = nullcontext  # type: ignore[method-assign]
            await self._server.serve()

    def rows(self, query: str = "SELECT id FROM predictions ORDER BY seq") -> list[tuple[object, ...]]:
        if not self.path.exists():
            return []
        with closing(sqlite3.connect(self.path)) as db:
            return list(db.execute(query))

    def ids(self) -> list[str]:
        return [str(one) for (one,) in self.rows()]


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    one = Door(tmp_path)
    yield one
    one.stop()
