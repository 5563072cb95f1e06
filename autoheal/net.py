"""The one place that imports httpx, so that its successor is one line away.

Clients made here have time-outs, bounded pools, follow no redirects and ignore proxy settings of the environment
(all targets are named by the operator; loopback must stay loopback).
"""

from __future__ import annotations

import ssl
from typing import Final

import httpx
from httpx import (
    AsyncClient,
    ConnectError,
    HTTPError,
    HTTPStatusError,
    RequestError,
    Response,
    TimeoutException,
)

__all__ = [
    "AsyncClient",
    "ConnectError",
    "HTTPError",
    "HTTPStatusError",
    "RequestError",
    "Response",
    "TimeoutException",
    "client",
]

#: Host name used in URLs over a unix socket; it reaches no resolver.
SOCKET_HOST: Final = "http://autoheal"


def client(
    *,
    socket: str | None = None,
    base_url: str = "",
    timeout: float = 5.0,
    connections: int = 20,
    tls: ssl.SSLContext | None = None,
) -> AsyncClient:
    """An async client for one target: a unix ``socket`` path or a ``base_url``; ``timeout`` in seconds per phase.

    ``tls`` replaces the usual authorities for https.
    """
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    transport = httpx.AsyncHTTPTransport(
        uds=socket, limits=limits, retries=0, trust_env=False, verify=tls or True
    )
    return AsyncClient(
        transport=transport,
        base_url=base_url or (SOCKET_HOST if socket else ""),
        timeout=httpx.Timeout(timeout),
        follow_redirects=False,
        trust_env=False,
    )
