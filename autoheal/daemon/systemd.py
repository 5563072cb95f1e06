"""Telling systemd how we are: the notify protocol, ten lines of datagrams. Without systemd all of it does nothing.

Made by ``daemon.app``; the kernel pings the watchdog from its own loop, so that a stuck kernel is noticed. What
surprises: telling can never fail. A lost datagram is systemd's to miss, and no reason to stop healing.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from typing import Final, Self

from autoheal.clock import Clock

_LOG = logging.getLogger(__name__)
_LONGEST: Final = 1000


class Notifier:
    """Speaks to the socket that NOTIFY_SOCKET names; a leading ``@`` means the abstract namespace."""

    def __init__(self, address: str, clock: Clock, interval: float | None = None) -> None:
        self.interval = interval
        self._clock = clock
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None

    @classmethod
    def from_environment(cls, clock: Clock, environment: Mapping[str, str] | None = None) -> Self:
        """As systemd started us. ``interval`` is half of WATCHDOG_USEC in seconds, None when nobody waits for us."""
        env = os.environ if environment is None else environment
        return cls(env.get("NOTIFY_SOCKET", ""), clock, _interval(env))

    def ready(self, status: str = "") -> None:
        """Started, or done reloading."""
        self._send("READY=1", _status(status))

    def reloading(self, status: str = "reloading the configuration") -> None:
        """Must be followed by ``ready``, whether the reload was taken or refused."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic() * 1e6)}", _status(status))

    def stopping(self, status: str = "stopping") -> None:
        self._send("STOPPING=1", _status(status))

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(_status(text))

    def ping(self) -> None:
        """The kernel's loop lives."""
        self._send("WATCHDOG=1")

    def extend(self, seconds: float) -> None:
        """Ask for more time while starting or stopping (a long log to read)."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        message = "\n".join(line for line in lines if line).encode("utf-8", "replace")
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.setblocking(False)
            self._socket.sendto(message, self._address)
        except OSError as error:
            _LOG.debug("systemd did not hear %r: %s", message, error)


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())[:_LONGEST]}" if text else ""


def _interval(env: Mapping[str, str]) -> float | None:
    """Half of what systemd allows between two signs of life; None when they are not wanted, or not from us."""
    try:
        microseconds = int(env.get("WATCHDOG_USEC", "0"))
        for_us = int(env.get("WATCHDOG_PID", os.getpid())) == os.getpid()
    except ValueError:
        return None
    return microseconds / 2e6 if microseconds > 0 and for_us else None
