"""Real Prometheus, Alertmanager and Mosquitto on free ports in a temporary directory, that can be killed, frozen and started again."""

# ruff: noqa: ASYNC110, ASYNC220 - a foreign process has no event for "started"

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autoheal.net import client


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


class Alertmanager(Process):
    """Tells ``webhook`` at once what fires, again each second; gossips with nobody."""

    @classmethod
    def at(cls, folder: Path, webhook: str, *, max_alerts: int = 0) -> Alertmanager:
        binary = program("prometheus-alertmanager", "prometheus-alertmanager")
        (folder / "am.yml").write_text(
            "route: {receiver: heal, group_by: [model], group_wait: 10ms, group_interval: 100ms, repeat_interval: 1s}\n"
            f"receivers: [{{name: heal, webhook_configs: [{{url: '{webhook}', max_alerts: {max_alerts}}}]}}]\n"
        )
        port = free_port()
        argv = [binary, "--config.file=am.yml", "--storage.path=amdata", "--cluster.listen-address="]
        return cls([*argv, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"], folder, port)

    async def post(self, *alerts: Mapping[str, object]) -> None:
        """As Prometheus does."""
        async with client(base_url=f"http://127.0.0.1:{self.port}") as http:
            answer = await http.post("/api/v2/alerts", json=list(alerts))
            assert answer.status_code == 200, answer.text


class Prometheus(Process):
    """Takes samples by remote write (``push``) and computes its recording rules every 100 ms."""

    @classmethod
    def at(cls, folder: Path, rules: str = "", retention: str = "60d", web_config: str = "") -> Prometheus:
        binary = program("prometheus", "prometheus")
        (folder / "rules.yml").write_text(rules or "groups: []\n")
        (folder / "web.yml").write_text(web_config)
        (folder / "p.yml").write_text(
            "global: {evaluation_interval: 100ms}\nrule_files: [rules.yml]\n"
            "storage: {tsdb: {out_of_order_time_window: 1h}}\n"
        )
        port = free_port()
        argv = [binary, "--config.file=p.yml", "--storage.tsdb.path=data", "--log.level=error"]
        argv += [f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver"]
        argv += [f"--storage.tsdb.retention.time={retention}", "--web.config.file=web.yml"]
        return cls(argv, folder, port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def push(self, samples: Sequence[Sample]) -> None:
        """Write samples; raises when the server does not take them."""
        headers = {"content-encoding": "snappy", "content-type": "application/x-protobuf"}
        async with client(base_url=self.url) as http:
            answer = await http.post(
                "/api/v1/write", content=_snappy(_write_request(samples)), headers=headers
            )
            assert answer.status_code == 204, answer.text

    def ready(self) -> bool:
        answer = _get(self.port, "/-/ready") if super().ready() else b""  # 400: it wants TLS
        return answer.startswith((b"HTTP/1.0 200", b"HTTP/1.0 400"))


@dataclass(frozen=True)
class Sample:
    """One sample of one series at unix seconds."""

    name: str
    value: float
    time: float
    labels: Mapping[str, str] = field(default_factory=dict)


def _get(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 1) as one, contextlib.suppress(TimeoutError):
        one.settimeout(1)
        one.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return one.recv(100)
    return b""


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _write_request(samples: Sequence[Sample]) -> bytes:
    """Prometheus' WriteRequest in protobuf: one series per sample."""
    out = b""
    for one in samples:
        labels = sorted({"__name__": one.name, **one.labels}.items())
        series = b"".join(_field(1, _field(1, k.encode()) + _field(2, v.encode())) for k, v in labels)
        series += _field(
            2, b"\x09" + struct.pack("<d", one.value) + b"\x10" + _varint(round(one.time * 1000))
        )
        out += _field(1, series)
    return out


def _snappy(data: bytes) -> bytes:
    """A snappy block that compresses nothing."""
    pieces = [data[i : i + 60] for i in range(0, len(data), 60)]
    return _varint(len(data)) + b"".join(bytes([len(p) - 1 << 2]) + p for p in pieces)


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
