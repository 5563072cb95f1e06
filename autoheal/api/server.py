"""The listening side: uvicorn over unix sockets (mode 0660) and, if asked for, loopback TCP; several in one event loop.

Called by the daemon, which keeps its own signal handlers: uvicorn would take SIGTERM and SIGINT over, so that part of
it is switched off. A stop ends the event streams first (they would never end by themselves), then waits for answers
under way, at most ``GRACE`` seconds. The surprise: a socket is bound under a passing name and renamed into place, so
it never exists with the wrong mode, and a dead daemon's left-over is replaced in the same step.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from autoheal.api.actor import PeerProtocol
from autoheal.api.address import loopback
from autoheal.api.app import create_app
from autoheal.api.hub import Hub
from autoheal.errors import AutohealError

GRACE = 3
_BACKLOG = 128
#: sun_path is 108 bytes with its closing zero, and the passing name is longer by this.
_LONGEST_PATH = 107
_PASSING = ".new"


class QuietServer(uvicorn.Server):
    """uvicorn without its hands on the process's signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(slots=True)
class Door:
    """One app behind one listening socket; ``address`` is the path, or ``host:port``."""

    app: FastAPI
    listener: socket.socket
    address: str
    path: Path | None = None
    _server: QuietServer = field(init=False)
    _task: asyncio.Task[None] | None = None
    _inode: int = 0

    def __post_init__(self) -> None:
        config = uvicorn.Config(
            self.app,
            http=PeerProtocol,
            ws="none",
            lifespan="off",
            loop="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE,
        )
        self._server = QuietServer(config)
        self._inode = self.path.stat().st_ino if self.path else 0

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve([self.listener]), name=f"door {self.address}")
        up = asyncio.ensure_future(self._server.up.wait())
        await asyncio.wait({up, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not up.done():
            up.cancel()
            await self._task
            raise AutohealError(f"the server on {self.address} did not start")

    async def wait(self) -> None:
        """Return when the server has ended; raise what it died of."""
        assert self._task is not None
        await asyncio.shield(self._task)

    async def stop(self) -> None:
        """End streams, finish answers under way, take the socket away. May be called twice."""
        self.app.state.stopping.set()
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self.listener.close()
        if self.path is not None:
            _unlink_own(self.path, self._inode)


def _unlink_own(path: Path, inode: int) -> None:
    """Remove our socket, but not that of a daemon that has taken the place since."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            path.unlink()


def unix_door(app: FastAPI, path: Path, *, mode: int = 0o660) -> Door:
    """A door at ``path``; its folder is made (0700) when missing. A living daemon's socket is not taken over."""
    if len(os.fsencode(path)) + len(_PASSING) > _LONGEST_PATH:
        raise AutohealError(
            f"socket path {path} is longer than {_LONGEST_PATH - len(_PASSING)} bytes; choose another run folder"
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _answers(path):
        raise AutohealError(f"another daemon listens on {path}; stop it or choose another run folder")
    passing = path.with_name(path.name + _PASSING)
    passing.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.bind(str(passing))
        passing.chmod(mode)
        listener.listen(_BACKLOG)
        passing.rename(path)
    except OSError as problem:
        listener.close()
        raise AutohealError(f"cannot listen on {path}: {problem.strerror}") from problem
    return Door(app, listener, str(path), path)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def tcp_door(app: FastAPI, listen: str) -> Door:
    """A door at ``host:port`` (port 0: any free one), loopback only."""
    try:
        host, port = loopback(listen)
    except ValueError as problem:
        raise AutohealError(str(problem)) from problem
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle off only where the protocol is named; with it each answer takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as problem:
        listener.close()
        raise AutohealError(
            f"cannot listen on {listen}: {problem.strerror}; end what listens there, or choose another port for `listen`"
        ) from problem
    shown = f"[{host}]" if ":" in host else host
    return Door(app, listener, f"{shown}:{listener.getsockname()[1]}")


@dataclass(slots=True)
class Doors:
    """All doors of one daemon."""

    doors: tuple[Door, ...]

    async def wait(self) -> None:
        """Return when the first door has ended; raise what it died of. For the supervisor."""
        waits = [asyncio.ensure_future(door.wait()) for door in self.doors]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            for one in waits:
                one.cancel()

    async def stop(self) -> None:
        await asyncio.gather(*(door.stop() for door in self.doors))


async def open_doors(hub: Hub, *, control: Path, view: Path, listen: str = "") -> Doors:
    """Open the two sockets, and loopback TCP for telemetry and metrics when ``listen`` is given; all or none."""
    doors: list[Door] = []
    try:
        doors.append(unix_door(create_app(hub), control))
        doors.append(unix_door(create_app(hub, readonly=True), view))
        if listen:
            doors.append(tcp_door(create_app(hub, push_only=True), listen))
        for door in doors:
            await door.start()
    except BaseException:
        await asyncio.gather(*(door.stop() for door in doors))
        raise
    return Doors(tuple(doors))
