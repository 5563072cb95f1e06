"""The way to the daemon by MQTT 5 at QoS 1: a message per kind of record. Loaded by the first thing sent.

Called by ``sender`` in its thread; paho's own thread does the network. A batch is sent when the broker has acknowledged
all its messages. What surprises: MQTT has no key of a batch, so a metric whose acknowledgement was lost may be stored
twice (predictions and outcomes are not, they have ids).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from autoheal.recorder.now import ticks
from autoheal.recorder.rows import Line
from autoheal.recorder.sender import Answer

#: Bytes of one message, well below what the daemon reads.
MESSAGE = 512 * 1024
#: The daemon reads no longer message, and the broker hides its refusal from us.
LONGEST = 1024 * 1024
REFUSED = 128


class MqttOut:
    """``to`` is ``mqtt://host`` or ``mqtts://host``; ``topic`` holds {model} and {kind}."""

    def __init__(
        self,
        to: str,
        model: str,
        *,
        topic: str,
        username: str = "",
        password_file: str = "",
        ca_file: str = "",
    ) -> None:
        url = urlsplit(to)
        self._secure = url.scheme == "mqtts"
        self._host = url.hostname or ""
        self._port = url.port or (8883 if self._secure else 1883)
        self._topic = topic.replace("{model}", model)
        self._username = username
        self._password_file = password_file
        self._ca_file = ca_file
        self._client: paho.Client | None = None
        self._denied = ""

    def send(self, key: str, lines: Sequence[Line], timeout: float) -> Answer:  # noqa: ARG002 - MQTT has no keys
        """Deliver a batch; see ``sender.Out``."""
        for row, (_, line) in enumerate(lines):
            if len(line) > LONGEST:
                return Answer("refused", f"a record of {len(line)} bytes, {LONGEST} fit a message", row=row)
        end = ticks() + timeout
        try:
            client = self._client or self._connected(end)
            self._denied = ""
            said = [client.publish(topic, body, qos=1) for topic, body in self._messages(lines)]
            for info in said:
                info.wait_for_publish(max(end - ticks(), 0.01))
                if not info.is_published():
                    raise TimeoutError("the broker did not acknowledge in time")
        except (OSError, ValueError, RuntimeError) as error:
            self.close()
            return Answer("again", f"{type(error).__name__}: {error}"[:300])
        return Answer("again", self._denied) if self._denied else Answer("sent")

    def close(self) -> None:
        """Leave, and forget what was not acknowledged: the sender repeats it."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                client.disconnect()
            client.loop_stop()

    def _messages(self, lines: Sequence[Line]) -> list[tuple[str, bytes]]:
        parts: dict[str, list[list[bytes]]] = {}
        for kind, line in lines:
            pieces = parts.setdefault(self._topic.replace("{kind}", kind), [[]])
            if pieces[-1] and sum(map(len, pieces[-1])) + len(line) > MESSAGE:
                pieces.append([])
            pieces[-1].append(line)
        return [(topic, b"\n".join(piece)) for topic, pieces in parts.items() for piece in pieces]

    def _connected(self, end: float) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        if self._username:
            password = (
                Path(self._password_file).read_text(encoding="utf-8").strip() if self._password_file else None
            )
            client.username_pw_set(self._username, password)
        if self._secure:
            client.tls_set(self._ca_file or None)
        client.connect_timeout = max(end - ticks(), 0.05)
        refused: list[str] = []

        def joined(*said: Any) -> None:
            if said[3].value >= REFUSED:
                refused.append(f"the broker does not let us in: {said[3]}")

        client.on_connect = joined
        client.on_publish = self._published
        client.connect(self._host, self._port, keepalive=15)
        client.loop_start()
        self._client = client
        while not client.is_connected():
            if refused or ticks() >= end:
                raise ConnectionError(refused[0] if refused else "the broker did not answer in time")
            threading.Event().wait(0.005)
        return client

    def _published(self, *said: Any) -> None:
        """The broker's word on one message; some it takes from nobody, or not from us."""
        if said[3].value >= REFUSED:
            self._denied = f"the broker does not take it: {said[3]}"
