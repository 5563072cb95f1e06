"""Real Prometheus and Mosquitto on free ports in a temporary directory, that can be killed, frozen and started again."""

# ruff: noqa: ASYNC110, ASYNC220 - a foreign process has no event for "started"

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


def program(name: str, package: str) -> str:
    """The path of a program; the test is skipped with the name of the Debian package where it is missing."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install --no-install-recommends {package}")
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def eventually(holds: Callable[[], bool], seconds: float = 10.0, why: str = "") -> None:
    """Wait for something against a deadline."""
    try:
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(why or "it did not happen in time") from None


@dataclass
class Process:
    """One server process; its output goes to a file."""

    argv: Sequence[str]
    folder: Path
    port: int
    running: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        assert self.running is None
        with (self.folder / "server.log").open("ab") as log:
            self.running = subprocess.Popen(self.argv, cwd=self.folder, stdout=log, stderr=log)
        await eventually(self.ready, why=self.log)

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text()[-2000:]

    def ready(self) -> bool:
        assert self.running is not None
        assert self.running.poll() is None, self.log
        with socket.socket() as one:
            one.settimeout(0.5)
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def tell(self, number: int) -> None:
        assert self.running is not None
        os.kill(self.running.pid, number)

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """End it (SIGKILL: at once) and wait."""
        if self.running is None:
            return
        if self.running.poll() is None:
            self.tell(number)
            self.tell(signal.SIGCONT)
        await asyncio.to_thread(self.running.wait, 10)
        self.running = None

    async def kill(self) -> None:
        await self.stop(signal.SIGKILL)


@asynccontextmanager
async def stopping(server: Process) -> AsyncIterator[Process]:
    """Started, and gone at the end whatever happens."""
    try:
        await server.start()
        yield server
    finally:
        await server.kill()


class Prometheus(Process):
    """Scrapes ``targets`` every 100 ms and computes the recording rules as often."""

    @classmethod
    def at(cls, folder: Path, targets: Sequence[str] = (), rules: str = "", **web: str) -> Prometheus:
        binary = program("prometheus", "prometheus")
        listed = ", ".join(f'"{t}"' for t in targets)
        (folder / "rules.yml").write_text(rules or "groups: []\n")
        (folder / "p.yml").write_text(
            "global: {scrape_interval: 100ms, scrape_timeout: 100ms, evaluation_interval: 100ms}\n"
            "rule_files: [rules.yml]\n"
            f"scrape_configs: [{{job_name: models, static_configs: [{{targets: [{listed}]}}]}}]\n"
        )
        port = free_port()
        argv = [
            binary,
            "--config.file=p.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        argv += ["--storage.tsdb.retention.time=60d", "--log.level=error"]
        argv += [f"--web.{key.replace('_', '-')}={value}" for key, value in web.items()]
        return cls(argv, folder, port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Mosquitto(Process):
    """Keeps sessions and messages on disk; ``extra`` are lines of its configuration."""

    @classmethod
    def at(cls, folder: Path, *extra: str, anonymous: bool = True) -> Mosquitto:
        binary = program("mosquitto", "mosquitto")
        port = free_port()
        lines = [
            f"allow_anonymous {str(anonymous).lower()}",
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            "max_queued_messages 0",
            "set_tcp_nodelay true",
            f"listener {port} 127.0.0.1",
            *(["user root"] if os.getuid() == 0 else []),
            *extra,
        ]
        (folder / "m.conf").write_text("\n".join(lines) + "\n")
        return cls([binary, "-c", "m.conf"], folder, port)


def exporter(values: Callable[[], str]) -> Any:
    """A page of metrics over HTTP on a free port: ``async with exporter(text) as target``."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                body = values().encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
                    + f"Content-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def serving() -> AsyncIterator[str]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    return serving()
