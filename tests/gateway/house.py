"""Real processes for tests: a model server, a gateway, and a telemetry sink inside the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

HERE = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until_listening(port: int, process: subprocess.Popen, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        if process.poll() is not None:
            raise AssertionError(f"the process ended with {process.returncode}")
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on {port}")


@contextlib.contextmanager
def model_server(port: int | None = None) -> Iterator[Running]:
    port = port or free_port()
    process = subprocess.Popen([sys.executable, str(HERE / "model_server.py"), str(port)])
    running = Running(process, port)
    try:
        until_listening(port, process)
        yield running
    finally:
        running.kill()


@dataclass
class Running:
    process: subprocess.Popen
    port: int
    log: Path | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 20.0) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


def start_gateway(folder: Path, **changes: object) -> Running:
    """A gateway process; ``changes`` go over the settings of its only model, ``telemetry`` names the sink."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    telemetry = changes.pop("telemetry", None)
    model = {
        "url": "http://127.0.0.1:1",
        "weights": {"v1": 100},
        "fallback": "base",
        "timeout": "0.5s",
    } | changes
    settings = {
        "version": 1,
        "kind": "gateway",
        "listen": f"127.0.0.1:{port}",
        "state": "./state.json",
        "models": {"m": model},
    }
    if telemetry:
        settings["telemetry"] = telemetry
    (folder / "gateway.yaml").write_text(json.dumps(settings))
    with (folder / "gateway.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "autoheal", "gateway", "--config", str(folder / "gateway.yaml")],
            stderr=log,
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )
    running = Running(process, port, folder / "gateway.log")
    until_listening(port, process)
    return running


@contextlib.contextmanager
def gateway(folder: Path, **changes: object) -> Iterator[Running]:
    running = start_gateway(folder, **changes)
    try:
        yield running
    finally:
        running.kill()


@dataclass
class Sink:
    """What a daemon's telemetry door looks like from outside. ``behave`` is ok, slow, full or picky."""

    url: str = ""
    behave: str = "ok"
    records: list[dict] = field(default_factory=list)
    posts: int = 0

    _open: dict[asyncio.Task, asyncio.StreamWriter] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[asyncio.current_task()] = writer
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    int(x.split(":")[1]) for x in head.split("\r\n") if x.lower().startswith("content-length")
                )
                records = json.loads(await reader.readexactly(length))["records"]
                status = await self.take(records)
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\n{{}}".encode())
                await writer.drain()

    async def close(self) -> None:
        for task, writer in self._open.items():
            task.cancel()
            writer.close()
        await asyncio.gather(*self._open, return_exceptions=True)
        await asyncio.sleep(0)

    async def take(self, records: list[dict]) -> int:
        self.posts += 1
        if self.behave == "slow":
            await asyncio.sleep(3600)
        if self.behave == "full":
            return 429
        if self.behave == "picky" and any(r["id"] == "poison" for r in records):
            return 422
        self.records += records
        return 202


@contextlib.asynccontextmanager
async def sink(behave: str = "ok") -> AsyncIterator[Sink]:
    one = Sink(behave=behave)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/telemetry"
    try:
        yield one
    finally:
        server.close()
        await one.close()
        await server.wait_closed()


async def until(condition, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def caller(running: Running, connections: int = 50) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(base_url=running.url, timeout=30, limits=limits, trust_env=False) as http:
        yield http


async def predict(http: httpx.AsyncClient, request_id: str, x: float = 1.0) -> httpx.Response:
    return await http.post("/v1/models/m/predict", json={"id": request_id, "features": {"x": x}})
