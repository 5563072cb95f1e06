"""The way to the daemon by HTTP: a unix socket or TCP, NDJSON in gzip, one key a batch. Loaded by the first thing sent.

Called by ``sender`` in its thread. The connection is kept and made anew when it broke; nothing is retried here, because
the sender repeats whole batches under their key. What surprises: a connection that the daemon closed while it was idle
looks like a failure, so that one is tried once more at once.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import zlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from autoheal.recorder.rows import Line
from autoheal.recorder.sender import Answer

#: Bodies above this are packed, as fast as gzip can.
PACKED = 1024
LARGEST_ANSWER = 64 * 1024


class _Unix(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("autoheal")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class HttpOut:
    """``to`` is ``unix:/path`` or ``http(s)://host:port``; ``token_file`` holds a bearer token, read for each batch."""

    def __init__(self, to: str, *, token_file: str = "", ca_file: str = "") -> None:
        self._to = to
        self._token_file = token_file
        self._ca_file = ca_file
        self._connection: http.client.HTTPConnection | None = None
        self._used = False

    def send(self, key: str, lines: Sequence[Line], timeout: float) -> Answer:
        """Deliver a batch; see ``sender.Out``."""
        body = b"\n".join(line for _, line in lines)
        headers = {"content-type": "application/x-ndjson", "idempotency-key": key}
        if len(body) > PACKED:
            body = zlib.compress(body, 1, wbits=31)
            headers["content-encoding"] = "gzip"
        try:
            if self._token_file:
                token = Path(self._token_file).read_text(encoding="ascii").strip()
                headers["authorization"] = f"Bearer {token}"
            try:
                return self._post(body, headers, timeout)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                if not self._used:
                    raise
                self.close()
                return self._post(body, headers, timeout)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            return Answer("again", f"{type(error).__name__}: {error}"[:300])

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection, self._used = self._connection, None, False
        if connection is not None:
            connection.close()

    def _post(self, body: bytes, headers: dict[str, str], timeout: float) -> Answer:
        connection = self._connection = self._connection or self._made()
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        connection.request("POST", "/v1/telemetry", body, headers)
        answer = connection.getresponse()
        said = answer.read(LARGEST_ANSWER)
        if answer.will_close or not answer.isclosed():
            self.close()
        else:
            self._used = True
        return _read(answer.status, answer.headers.get("retry-after", ""), said)

    def _made(self) -> http.client.HTTPConnection:
        if self._to.startswith("unix:"):
            return _Unix(self._to.removeprefix("unix:"))
        url = urlsplit(self._to)
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=self._ca_file or None)
            return http.client.HTTPSConnection(url.hostname or "", url.port, context=context)
        return http.client.HTTPConnection(url.hostname or "", url.port)


def _read(status: int, after: str, said: bytes) -> Answer:
    """What an answer means for the batch."""
    try:
        document = json.loads(said)
    except ValueError:
        document = {}
    document = document if isinstance(document, dict) else {}
    if status in {200, 202}:
        duplicates = document.get("duplicates", 0)
        return Answer("sent", duplicates=duplicates if isinstance(duplicates, int) else 0)
    error = f"{status} {document.get('error', '')}"[:300].strip()
    if status in {400, 413, 415, 422}:
        row = document.get("row")
        return Answer("refused", error, row=row if isinstance(row, int) and row >= 0 else None)
    return Answer("again", error, after=float(after) if after.isascii() and after.isdigit() else 0.0)
