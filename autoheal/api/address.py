"""Where the TCP door may listen: loopback and a port. Pure; the settings refuse by it what the server could not open."""

from __future__ import annotations

import ipaddress


def loopback(listen: str) -> tuple[str, int]:
    """Host and port of ``127.0.0.1:9464``, ``[::1]:9464`` or ``localhost:9464`` (port 0: any free one); else ValueError."""
    host, _, port = listen.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(
            f"listen {listen!r}: only loopback is served without TLS, with a port: write 127.0.0.1:9464"
        )
    return host, int(port)
