"""Who is calling: the actor in the log. Touches the socket of one connection; called by every command.

On a unix socket the kernel itself says who connected (SO_PEERCRED), which no client can forge; over TCP nobody can be
known, so the actor is plainly ``tcp``. The surprise: uvicorn does not hand the socket to the application, hence the
protocol class here, which puts the name into the connection's state once, when it is made.
"""

from __future__ import annotations

import asyncio
import pwd
import socket
import struct
from functools import lru_cache
from typing import Any

from fastapi import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

_UCRED = struct.Struct("3i")
TCP = "tcp"


def actor(request: Request) -> str:
    """The user name at the other end, ``uid:N`` when it has none, ``tcp`` when it cannot be known."""
    return str(getattr(request.state, "actor", TCP))


@lru_cache(maxsize=256)
def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid:{uid}"


def peer(sock: socket.socket | None) -> str:
    """The actor behind a connected socket."""
    if sock is None or sock.family != socket.AF_UNIX:
        return TCP
    _pid, uid, _gid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return user_name(uid)


class PeerProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with the peer's name in ``request.state.actor``."""

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "actor": peer(transport.get_extra_info("socket"))}
        super().connection_made(transport)
