"""MQTT: a queue of messages on a real Mosquitto, drained by the source into telemetry, or by a client that only counts.

Messages of one prediction, and of twenty as NDJSON. The broker has queued them all before the clock starts, so that
what is measured is the receiver. Left out with a word where mosquitto is not installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiomqtt
from _shape import Row, row
from _telemetry_ingest import opened
from _telemetry_rows import bodies, spec
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from autoheal.clock import SystemClock
from autoheal.domain.finding import Finding
from autoheal.sources.contract import Intake
from autoheal.sources.mqtt import Mqtt
from autoheal.sources.mqtt_link import Broker

ABOUT = "python benchmarks/telemetry.py"
TOPIC = "autoheal/m/predictions"


def mqtt(quick: bool) -> Sequence[Row]:
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        print("mqtt: left out, mosquitto is not installed (apt-get install mosquitto)")
        return []
    # From 20,000 queued messages on the broker ceases to hand them out, to us and to the peer.
    count = 4_000 if quick else 8_000
    return [
        asyncio.run(_compare(program, count, 1, "one prediction a message")),
        asyncio.run(_compare(program, count // 10, 20, "twenty predictions a message")),
    ]


async def _compare(program: str, count: int, rows: int, what: str) -> Row:
    made = bodies(spec("m", 20), count, rows)
    ours, theirs = [], []
    for _ in range(3):
        with broker(program) as port:
            theirs.append(await _count(port, made))
            ours.append(await _store(port, made, rows))
    mine, peer = (min(times) / count * 1e6 for times in (ours, theirs))
    return row(f"mqtt, {what} (us a message)", mine, peer, 2.0, ABOUT)


async def _count(port: int, made: Sequence[bytes]) -> float:
    await _queue(port, "peer", made)
    async with _client(port, "peer") as client:
        left, began = len(made), time.perf_counter()
        async for _ in client.messages:
            left -= 1
            if not left:
                break
        return time.perf_counter() - began


async def _store(port: int, made: Sequence[bytes], rows: int) -> float:
    await _queue(port, "ours", made)
    model = spec("m", 20)
    async with opened(model) as (telemetry, _):

        async def told(finding: Finding) -> None:
            """Nobody listens."""

        source = Mqtt("broker", broker=Broker("127.0.0.1", port, "ours"), tasks=telemetry.tasks)
        began = time.perf_counter()
        running = asyncio.create_task(source.run(Intake(telemetry.ingest, told), SystemClock()))
        while telemetry.totals.get("rows", 0) < len(made) * rows:  # noqa: ASYNC110 - the writer is a thread
            await asyncio.sleep(0.002)
        took = time.perf_counter() - began
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        return took


async def _queue(port: int, client_id: str, made: Sequence[bytes]) -> None:
    """Make a session that waits for messages, and let the broker have them all."""
    async with _client(port, client_id) as client:
        await client.subscribe(TOPIC, qos=1)
    async with aiomqtt.Client("127.0.0.1", port) as sender:
        for start in range(0, len(made), 10):
            await asyncio.gather(*(sender.publish(TOPIC, m, qos=1) for m in made[start : start + 10]))


def _client(port: int, client_id: str) -> aiomqtt.Client:
    keep = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    keep.SessionExpiryInterval = 3_600
    version = aiomqtt.ProtocolVersion.V5
    return aiomqtt.Client(
        "127.0.0.1", port, identifier=client_id, protocol=version, clean_start=False, properties=keep
    )


@contextmanager
def broker(program: str) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "m.conf"
        user = ["user root"] if os.getuid() == 0 else []
        lines = ["allow_anonymous true", "max_queued_messages 0", f"listener {port} 127.0.0.1", *user]
        config.write_text("\n".join(lines) + "\n")
        with subprocess.Popen([program, "-c", config], stderr=subprocess.DEVNULL) as server:
            _wait(port)
            yield port
            server.terminate()


def _wait(port: int) -> None:
    ends = time.perf_counter() + 10.0
    while time.perf_counter() < ends:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.02)
    raise TimeoutError("mosquitto did not start")
