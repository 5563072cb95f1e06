"""The gateway process: listen, serve until told to stop, then finish what was begun and send what is left.

uvicorn with the application as plain ASGI, because it is here already for the daemon's doors, keeps connections alive,
and its shutdown waits for answers under way; behind it a request costs about as much again as the model server's own
HTTP handling (1.3 ms on the machine where this was written), and rows in one request share that. Its hands are kept off the process's signals: SIGTERM and SIGINT stop listening first and drain.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator

import uvicorn

from autoheal.clock import Clock, SystemClock
from autoheal.errors import AutohealError
from autoheal.gateway.app import Gateway
from autoheal.gateway.sender import Sender
from autoheal.gateway.settings import GatewaySettings
from autoheal.gateway.table import Table

_LOG = logging.getLogger(__name__)
#: Real seconds that answers under way have when the process is told to stop.
DRAIN = 10
#: Requests at the same time; beyond it callers get 503 at once.
AT_ONCE = 2000


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: GatewaySettings, clock: Clock | None = None) -> None:
    """Run until SIGTERM or SIGINT; raises AutohealError when the address cannot be had."""
    clock = clock or SystemClock()
    telemetry = settings.telemetry
    sender = Sender(
        clock,
        url=telemetry.url if telemetry else None,
        socket=str(telemetry.socket) if telemetry and telemetry.socket else None,
    )
    gateway = Gateway(settings, Table(settings), sender, clock, _name(clock))
    server = _server(gateway)
    sending = asyncio.create_task(sender.run(), name="telemetry sender")
    try:
        # Signals first: whoever can reach us must be able to rely on our finishing what was begun.
        with _stop_on_signal(server), contextlib.closing(_listen(settings.listen)) as listener:
            host, port = listener.getsockname()[:2]
            _LOG.info("the gateway listens on %s port %d for %s", host, port, ", ".join(settings.models))
            await server.serve([listener])
    finally:
        await sender.close(sending)
        await gateway.close()


def _name(clock: Clock) -> str:
    """What tells this process's own request ids from those of an earlier one."""
    return f"g{os.getpid()}-{int(clock.now().timestamp() * 1000):x}"


def _server(gateway: Gateway) -> _Server:
    config = uvicorn.Config(
        gateway,
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=1024,
        limit_concurrency=AT_ONCE,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=DRAIN,
    )
    return _Server(config)


@contextlib.contextmanager
def _stop_on_signal(server: uvicorn.Server) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop)
    try:
        yield
    finally:
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(sign)


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only then; without it each answer takes 40 ms more.
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        listener.close()
        raise AutohealError(f"cannot listen on {address}: {error}") from error
    return listener
