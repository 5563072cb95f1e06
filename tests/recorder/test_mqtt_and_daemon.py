"""The recorder through a real broker that is killed, and into a real daemon that is killed with ``kill -9``."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from autoheal.clock import SystemClock
from autoheal.domain.finding import Finding
from autoheal.recorder import Recorder
from autoheal.sources.contract import Intake
from autoheal.sources.mqtt import Mqtt
from autoheal.sources.mqtt_link import Broker
from autoheal.telemetry import Telemetry
from tests.contracts.servers import Mosquitto, eventually, stopping
from tests.integration.place import MODEL, Place
from tests.recorder.conftest import SPEC, until


async def test_by_mqtt_over_a_broker_that_is_killed(tmp_path: Path) -> None:
    server = Mosquitto.at(tmp_path)
    path = tmp_path / "telemetry.db"
    said: list[Finding] = []

    async def report(finding: Finding) -> None:
        said.append(finding)

    def stored() -> int:
        with closing(sqlite3.connect(path)) as db:
            return int(db.execute("SELECT count(*) FROM predictions").fetchone()[0])

    async with (
        stopping(server),
        await Telemetry.open(path, {SPEC.name: SPEC}, SystemClock()) as telemetry,
    ):
        source = Mqtt(
            "m",
            broker=Broker("127.0.0.1", server.port, "autoheal-r", timeout=1.0, keepalive=2),
            tasks=telemetry.tasks,
            first_pause=0.02,
            beat=0.05,
        )
        task = asyncio.create_task(source.run(Intake(telemetry.ingest, report), SystemClock()))
        await eventually(lambda: bool(said))
        one = Recorder("fraud", version="v1", to=f"mqtt://127.0.0.1:{server.port}", every=0.02, timeout=1.0)
        for i in range(1500):
            one.prediction(i, {"x": float(i)}, "yes")
        one.outcome(3, "no")
        await eventually(lambda: one.stats().sent >= 500, why=f"{one.stats()}")
        await server.kill()
        for i in range(1500, 2000):
            one.prediction(i, {"x": float(i)}, "yes")
        await eventually(lambda: one.stats().failures > 0, why=f"{one.stats()}")
        await server.start()
        assert await asyncio.to_thread(one.close, 15.0), one.stats()
        await eventually(lambda: stored() == 2000, 15.0, f"{stored()} {one.stats()}")
        task.cancel()
        await asyncio.wait({task})


async def test_a_broker_that_lets_nobody_in_is_said(tmp_path: Path) -> None:
    server = Mosquitto.at(tmp_path, anonymous=False)
    async with stopping(server):
        one = Recorder("fraud", version="v1", to=f"mqtt://127.0.0.1:{server.port}", every=0.02, timeout=1.0)
        one.prediction("a", {}, "yes")
        await eventually(lambda: one.stats().failures > 0)
        assert "ot authorized" in one.stats().last_error
        assert not await asyncio.to_thread(one.close, 0.2)


async def test_a_record_that_no_message_holds_is_refused_and_its_neighbours_arrive(tmp_path: Path) -> None:
    """The broker acknowledges it, and the daemon would never store it: it must not count as sent."""
    async with stopping(server := Mosquitto.at(tmp_path)):
        one = Recorder("fraud", version="v1", to=f"mqtt://127.0.0.1:{server.port}", every=0.02, timeout=3.0)
        for name, size in (("a", 1), ("big", 1_500_000), ("b", 1)):
            one.prediction(name, {"x": "y" * size}, "yes")
        await asyncio.to_thread(one.close, 5.0)
        said = one.stats()
        assert (said.sent, said.refused, said.waiting) == (2, 1, 0), said
        assert "1048576" in said.last_error


@pytest.mark.timeout(90)
def test_the_real_daemon_killed_in_the_middle(tmp_path: Path) -> None:
    place = Place(tmp_path)
    try:
        victim = place.start_daemon()
        one = Recorder(
            MODEL, version="v1", to=f"http://{place.listen}", every=0.01, timeout=2.0, capacity=50_000
        )
        for i in range(20_000):
            one.prediction(i, {"x": i / 1000}, i % 2)
            one.metric("tried", float(i))
            if i == 10_000:
                until(lambda: one.stats().sent > 0)
                victim.kill()
                victim.wait()
        until(lambda: one.stats().failures, one.stats)
        place.start_daemon()
        assert one.flush(40.0), one.stats()
        stats = one.stats()
        assert (stats.sent, stats.dropped, stats.refused, stats.unusable) == (40_000, 0, 0, 0)
        with closing(sqlite3.connect(place.root / "state" / "telemetry.db")) as db:
            ids = [int(i) for (i,) in db.execute("SELECT id FROM predictions")]
            counted = db.execute("SELECT sum(accepted), sum(duplicates), count(*) FROM batches").fetchone()
        assert sorted(ids) == list(range(20_000))
        assert counted[:2] == (40_000, 0), (
            "metrics have no id: the batches' keys alone keep them from coming twice"
        )
        one.close(0.0)
    finally:
        place.close()
