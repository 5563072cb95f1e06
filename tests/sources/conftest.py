"""A sink that remembers, and a real HTTP server on a free port."""

# ruff: noqa: ASYNC110 - a server has no event for "started"

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from autoheal.clock import SystemClock
from autoheal.domain.finding import Finding
from autoheal.telemetry import Counts, Record


@dataclass
class Remembers:
    """A sink in memory; ``refuse`` is raised by the next call."""

    records: list[Record] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    refuse: Exception | None = None

    async def __call__(self, records: Sequence[Record], batch: object = None) -> Counts:
        if self.refuse is not None:
            problem, self.refuse = self.refuse, None
            raise problem
        self.records += records
        return Counts(accepted=len(records))

    async def report(self, finding: Finding) -> None:
        self.findings.append(finding)

    async def until(self, holds: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait for something that the source will have done, against a deadline."""
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.01)


@pytest.fixture
def sink() -> Remembers:
    return Remembers()


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await task


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[FastAPI], Awaitable[str]]]:
    """Serve an app until the end of the test; gives its base URL."""
    running: list[object] = []

    async def start(app: FastAPI) -> str:
        server = serving(app)
        running.append(server)
        return await server.__aenter__()

    yield start
    for server in reversed(running):
        await server.__aexit__(None, None, None)  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: apt-get install --no-install-recommends openssl")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    argv = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    argv += [
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(cert),
    ]
    subprocess.run(argv, check=True, capture_output=True, timeout=30)
    return cert, key
