"""MQTT against a real Mosquitto: nothing lost over restarts of either side, and nothing fatal."""

# ruff: noqa: ASYNC240 - a test may write its own small files

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import orjson
import pytest

from autoheal.clock import SystemClock
from autoheal.domain.names import ModelName, Task, Verdict
from autoheal.domain.specs import ModelSpec
from autoheal.errors import StoreError
from autoheal.sources import mqtt_link
from autoheal.sources.contract import Intake
from autoheal.sources.mqtt import Mqtt, Topic
from autoheal.sources.mqtt_link import Broker
from autoheal.sources.secret import Credentials, Tls
from autoheal.telemetry import Features, Outcome, Prediction, Telemetry
from tests.contracts.servers import Mosquitto, eventually, program, stopping

MODEL = ModelName("fraud")
TASKS = {MODEL: Task.CLASSIFICATION}
PREDICTIONS = "autoheal/fraud/predictions"


def prediction(i: int, **rest: Any) -> dict[str, Any]:
    return {"version": "v1", "id": f"{i}", "time": 1e9 + i, "prediction": "yes"} | rest


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    async with stopping(Mosquitto.at(tmp_path)) as server:
        assert isinstance(server, Mosquitto)
        yield server


def source(
    server: Mosquitto, name: str = "mq", *, share: str = "", state_file: Path | None = None, **broker: Any
) -> Mqtt:
    to = Broker("127.0.0.1", server.port, f"autoheal-{name}", **broker)
    return Mqtt(name, broker=to, tasks=TASKS, share=share, first_pause=0.05, beat=0.05, state_file=state_file)


@asynccontextmanager
async def running(one: Mqtt, sink: Any) -> AsyncIterator[Mqtt]:
    task = asyncio.create_task(one.run(sink, SystemClock()))
    try:
        yield one
    finally:
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=8)
        assert done, "a source ends when it is cancelled"
        assert task.cancelled()


async def publish(server: Mosquitto, *messages: tuple[str, bytes], **how: Any) -> None:
    rest = {"qos": 1} | how
    login = {key: rest.pop(key) for key in ("username", "password") if key in rest}
    async with aiomqtt.Client(
        "127.0.0.1", server.port, protocol=aiomqtt.ProtocolVersion.V5, **login
    ) as client:
        for topic, payload in messages:
            await client.publish(topic, payload, **rest)


def rows(*numbers: int) -> list[tuple[str, bytes]]:
    return [(PREDICTIONS, orjson.dumps(prediction(i))) for i in numbers]


def ids(sink: Any) -> list[int]:
    return [int(r.id) for r in sink.records]


async def up(sink: Any) -> None:
    await sink.until(lambda: any(f.verdict is Verdict.OK and f.subject == "up" for f in sink.findings))


async def test_each_form_of_json_is_taken_and_the_topic_names_model_and_kind(
    broker: Mosquitto, sink: Any
) -> None:
    async with running(source(broker), sink):
        await up(sink)
        lines = b"\n".join(orjson.dumps(prediction(i)) for i in (4, 5))
        await publish(
            broker,
            (PREDICTIONS, orjson.dumps(prediction(1))),
            (PREDICTIONS, orjson.dumps([prediction(2), prediction(3, model="fraud", kind="prediction")])),
            (PREDICTIONS, lines + b"\n"),
            (PREDICTIONS, orjson.dumps({"records": [prediction(6)]})),
            (PREDICTIONS, b""),
            ("autoheal/fraud/outcomes", b'{"id": 7, "time": 1, "label": "no"}'),
            ("autoheal/fraud/features", b'{"id": 8, "features": {"x": 1}}'),
        )
        await sink.until(lambda: len(sink.records) >= 8)
    assert ids(sink) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sink.records[0] == Prediction(MODEL, "v1", "1", 1e9 + 1, {}, "yes")
    assert sink.records[-2] == Outcome(MODEL, "7", 1.0, "no")
    assert sink.records[-1] == Features(MODEL, "8", {"x": 1.0})


async def test_bad_payloads_are_counted_told_and_never_fatal(broker: Mosquitto, sink: Any) -> None:
    bad = [
        (PREDICTIONS, b"\x81\xa2id"),
        (PREDICTIONS, b"{"),
        (PREDICTIONS, b"7"),
        (PREDICTIONS, b"[1]"),
        (PREDICTIONS, b"x" * (1 << 20) + b"y"),
        (PREDICTIONS, orjson.dumps(prediction(1, model="other"))),
        (PREDICTIONS, orjson.dumps(prediction(1, kind="outcome"))),
        (PREDICTIONS, b'{"version": "v1", "id": "a", "time": "yesterday", "prediction": 1}'),
        ("autoheal/nobody/predictions", orjson.dumps(prediction(1))),
        ("autoheal/fraud/metrics", b'{"name": "error_rate", "value": NaN, "time": 1}'),
    ]
    async with running(source(broker), sink) as one:
        await up(sink)
        await publish(broker, *bad, (PREDICTIONS, orjson.dumps([{}, prediction(1)]) + b"\n"), *rows(2))
        await sink.until(lambda: len(sink.records) >= 2)
        await sink.until(lambda: any(f.subject == "records" for f in sink.findings))
    assert ids(sink) == [1, 2], "the good records of a message are kept"
    assert one.tally.refused.total() == 11
    assert (one.tally.refused["not_json"], one.tally.refused["not_msgpack"]) == (1, 1)
    assert {"too_large", "not_a_record", "other_model", "other_kind", "unknown_model"} <= set(
        one.tally.refused
    )
    told = next(f for f in sink.findings if f.subject == "records")
    assert "were refused" in told.detail
    again = source(broker)
    async with running(again, sink):
        await publish(broker, *rows(3))
        await sink.until(lambda: 3 in ids(sink))
    assert again.tally.refused.total() == 0, "what cannot be read does not come back"


async def test_nothing_is_lost_while_the_daemon_is_away(broker: Mosquitto, sink: Any) -> None:
    async with running(source(broker), sink):
        await up(sink)
        await publish(broker, *rows(*range(5)))
        await sink.until(lambda: len(sink.records) == 5)
    await publish(broker, *rows(*range(5, 400)))
    async with running(source(broker), sink):
        await sink.until(lambda: len(sink.records) >= 400)
    assert ids(sink) == list(range(400)), "in order, each once"


async def test_what_was_not_stored_is_not_acknowledged_and_comes_again(broker: Mosquitto, sink: Any) -> None:
    class Full:
        asked = 0

        async def __call__(self, records: Any) -> None:
            self.asked += 1
            raise StoreError("the disk says no")

        async def report(self, finding: Any) -> None:
            await sink.report(finding)

    full = Full()
    async with running(source(broker), full):
        await up(sink)
        await publish(broker, *rows(1, 2, 3))
        await eventually(lambda: full.asked >= 4)
    told = [f for f in sink.findings if f.verdict is Verdict.BREACH]
    assert told
    assert "the disk says no" in told[0].detail
    async with running(source(broker), sink):
        await sink.until(lambda: len(sink.records) >= 3)
    assert ids(sink) == [1, 2, 3]


async def test_a_store_that_is_slow_holds_the_broker_back_and_loses_nothing(
    broker: Mosquitto, sink: Any
) -> None:
    most = 0

    class Slow:
        async def __call__(self, records: Any) -> None:
            nonlocal most
            most = max(most, len(records))
            await asyncio.sleep(0.01)
            await sink(records)

        async def report(self, finding: Any) -> None:
            await sink.report(finding)

    async with running(source(broker, window=10), Slow()) as one:
        await up(sink)
        await publish(broker, *rows(*range(300)))
        await sink.until(lambda: len(sink.records) >= 300)
    assert ids(sink) == list(range(300))
    assert most <= 10
    assert not one.tally.refused


async def test_a_flood_at_qos_0_is_bounded_and_counted(broker: Mosquitto, sink: Any) -> None:
    gate = asyncio.Event()

    class Shut:
        async def __call__(self, records: Any) -> None:
            await gate.wait()
            await sink(records)

        async def report(self, finding: Any) -> None:
            await sink.report(finding)

    async with running(source(broker, window=10), Shut()) as one:
        await up(sink)
        await publish(broker, *rows(*range(500)), qos=0)
        await eventually(lambda: one.tally.refused["qos0_overflow"] > 0)
        await publish(broker, *rows(1000))
        gate.set()
        await sink.until(lambda: 1000 in ids(sink))
        await eventually(lambda: one.tally.refused["qos0_overflow"] + len(sink.records) == 501)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_the_broker_dies_and_returns(broker: Mosquitto, sink: Any, number: int) -> None:
    async with running(source(broker), sink) as one:
        await up(sink)
        await publish(broker, *rows(1, 2))
        await sink.until(lambda: len(sink.records) == 2)
        await broker.stop(number)
        await sink.until(lambda: sink.findings[-1].verdict is Verdict.BREACH)
        assert "refused" in sink.findings[-1].detail
        await broker.start()
        await sink.until(lambda: sink.findings[-1].verdict is Verdict.OK)
        await publish(broker, *rows(3))
        await sink.until(lambda: 3 in ids(sink))
    assert set(ids(sink)) == {1, 2, 3}
    assert one.tally.refused.total() == 0


async def test_a_broker_that_forgot_us_is_told(tmp_path: Path, broker: Mosquitto, sink: Any) -> None:
    async with running(source(broker), sink) as one:
        await up(sink)
        await broker.stop()
        (tmp_path / "mosquitto.db").unlink(missing_ok=True)
        await sink.until(lambda: sink.findings[-1].verdict is Verdict.BREACH)
        await broker.start()
        await sink.until(lambda: sink.findings[-1].verdict is Verdict.OK)
        assert one.lost_sessions == 1
        assert "no session" in sink.findings[-1].detail


async def test_a_broker_that_forgot_us_while_we_were_away_is_told(
    tmp_path: Path, broker: Mosquitto, sink: Any
) -> None:
    """The daemon is stopped, its session expires or the broker loses its disk, the daemon comes back: rows are gone."""

    async def said(state_file: Path, **rest: Any) -> tuple[int, str]:
        sink.findings.clear()
        async with running(source(broker, state_file=state_file, **rest), sink) as one:
            await up(sink)
            return one.lost_sessions, sink.findings[-1].detail

    kept = tmp_path / "s.json"
    assert await said(kept) == (0, ""), "the first connection has no session to lose"
    assert await said(kept) == (0, "")
    await broker.stop()
    (tmp_path / "mosquitto.db").unlink(missing_ok=True)
    await broker.start()
    lost, why = await said(kept)
    assert (lost, "no session" in why) == (1, True)
    assert await said(kept, keep=0) == (0, "")
    assert await said(kept, keep=0) == (0, ""), "nothing was to be kept"
    kept.write_text("odd")
    assert (await said(kept))[0] == 0


async def test_a_frozen_broker_is_noticed(broker: Mosquitto, sink: Any) -> None:
    async with running(source(broker, keepalive=1), sink):
        await up(sink)
        broker.tell(signal.SIGSTOP)
        await sink.until(lambda: sink.findings[-1].verdict is Verdict.NO_DATA, seconds=15)
        broker.tell(signal.SIGCONT)
        await publish(broker, *rows(1))
        await sink.until(lambda: ids(sink) == [1])


async def test_a_shared_subscription_splits_the_work_and_loses_nothing(broker: Mosquitto, sink: Any) -> None:
    one, two = source(broker, "one", share="heal"), source(broker, "two", share="heal")
    async with running(one, sink), running(two, sink):
        await sink.until(lambda: len({f.target for f in sink.findings}) == 2)
        await publish(broker, *rows(*range(100)))
        await sink.until(lambda: len(sink.records) >= 100)
    assert sorted(ids(sink)) == list(range(100))
    assert one.tally.taken > 0
    assert two.tally.taken > 0


async def test_the_share_of_one_that_is_away_waits_for_it(broker: Mosquitto, sink: Any) -> None:
    """A kept session keeps its share: the others do not get it, and it is whole when the one comes back."""
    async with running(source(broker, "one", share="heal"), sink):
        await sink.until(lambda: bool(sink.findings))
        async with running(source(broker, "two", share="heal"), sink):
            await sink.until(lambda: len({f.target for f in sink.findings}) == 2)
        await publish(broker, *rows(*range(20)))
        await sink.until(lambda: len(sink.records) >= 1)
        async with running(source(broker, "two", share="heal"), sink):
            await sink.until(lambda: len(sink.records) >= 20)
    assert sorted(ids(sink)) == list(range(20))


async def test_a_daemon_killed_in_the_middle_loses_nothing(tmp_path: Path, broker: Mosquitto) -> None:
    """``kill -9`` of the receiving process, twice, while messages come in."""
    argv = [
        sys.executable,
        str(Path(__file__).with_name("mqtt_worker.py")),
        str(broker.port),
        str(tmp_path / "t.db"),
    ]

    async def born() -> asyncio.subprocess.Process:
        worker = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
        assert worker.stdout is not None
        async with asyncio.timeout(20):
            assert await worker.stdout.readline() == b"up\n"
        return worker

    worker = await born()
    sending = asyncio.create_task(publish(broker, *rows(*range(600))))
    for killed_at in (50, 250):
        await eventually(lambda least=killed_at: stored(tmp_path / "t.db") >= least)
        worker.kill()
        await worker.wait()
        worker = await born()
    await sending
    await eventually(lambda: stored(tmp_path / "t.db") == 600)
    worker.kill()
    await worker.wait()


def stored(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        found: int = db.execute("SELECT count(*) FROM predictions").fetchone()[0]
    return found


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    argv = [program("mosquitto_passwd", "mosquitto"), "-b", "-c", tmp_path / "users"]
    for name in ("heal", "model"):
        subprocess.run([*argv, name, f"{name}-secret"], check=True, capture_output=True)
        argv.remove("-c") if "-c" in argv else None
    (tmp_path / "acl").write_text(
        "user heal\ntopic read autoheal/+/predictions\nuser model\ntopic write autoheal/fraud/predictions\n"
    )
    (tmp_path / "password").write_text("heal-secret\n")
    return tmp_path / "password"


async def test_password_and_access_list(
    tmp_path: Path, passwords: Path, sink: Any, caplog: pytest.LogCaptureFixture
) -> None:
    files = (f"password_file {tmp_path}/users", f"acl_file {tmp_path}/acl")
    async with stopping(Mosquitto.at(tmp_path, *files, anonymous=False)) as server:
        assert isinstance(server, Mosquitto)
        async with running(source(server), sink):
            await sink.until(lambda: bool(sink.findings))
            assert "does not allow us in" in sink.findings[-1].detail
        sink.findings.clear()
        passwords.write_text("wrong-secret")
        login = Credentials(username="heal", password_file=passwords)
        async with running(source(server, credentials=login), sink):
            await sink.until(lambda: bool(sink.findings))
            passwords.write_text("heal-secret\n")
            await up(sink)
            sender = {"username": "model", "password": "model-secret"}
            with contextlib.suppress(
                aiomqtt.MqttError
            ):  # 2.0.11 cuts the connection of one who may not publish
                await publish(server, (PREDICTIONS.replace("fraud", "other"), b"{}"), **sender)
            await publish(server, *rows(1), **sender)
            await sink.until(lambda: ids(sink) == [1])
            passwords.unlink()
            await server.stop()
            await sink.until(lambda: "cannot be read" in sink.findings[-1].detail)
    said = caplog.text + "".join(f.detail for f in sink.findings)
    assert "secret" not in said.replace(str(passwords), "")


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # paho leaves it to the collector
async def test_tls_is_verified(tmp_path: Path, certificate: tuple[Path, Path], sink: Any) -> None:
    cert, key = certificate
    async with stopping(Mosquitto.at(tmp_path, f"certfile {cert}", f"keyfile {key}")) as server:
        assert isinstance(server, Mosquitto)
        async with running(source(server, tls=Tls()), sink):
            await sink.until(lambda: bool(sink.findings))
            assert "certificate" in sink.findings[-1].detail
        sink.findings.clear()
        async with running(source(server, "trusting", tls=Tls(ca_file=cert)), sink):
            await up(sink)
        async with running(source(server, "lost", tls=Tls(ca_file=tmp_path / "none.pem")), sink):
            await sink.until(lambda: "none.pem" in sink.findings[-1].detail)
    gc.collect()


async def test_records_are_in_the_store_before_the_broker_may_forget_them(
    tmp_path: Path, broker: Mosquitto, sink: Any
) -> None:
    spec = ModelSpec(MODEL, Task.CLASSIFICATION)
    clock = SystemClock()
    async with await Telemetry.open(tmp_path / "t.db", {MODEL: spec}, clock) as telemetry:
        async with running(source(broker), Intake(telemetry.ingest, sink.report)) as one:
            await up(sink)
            await publish(broker, *rows(1, 2), *rows(2))
            await eventually(lambda: one.tally.taken == 3)
        assert telemetry.totals["duplicates"] == 1
        assert telemetry.newest(MODEL) is not None


async def test_the_private_part_of_aiomqtt_that_is_used_still_exists() -> None:
    """When this fails, aiomqtt has changed: see ``mqtt_link._manual`` (aiomqtt 3 acknowledges by hand by itself)."""
    client = aiomqtt.Client("127.0.0.1", 1, protocol=aiomqtt.ProtocolVersion.V5)
    paho = client._client
    hand = mqtt_link._manual(client)
    assert paho._manual_ack is True
    assert hand.ack == paho.ack
    assert hand.leave == paho.disconnect
    assert None not in {paho.on_connect, paho.on_socket_open}
    folder = Path(mqtt_link.__file__).parent
    users = {f.name for f in folder.glob("*.py") if "import aiomqtt" in f.read_text()}
    assert users == {"mqtt_link.py"}, "one adapter"


@pytest.mark.parametrize(
    "template", ["a/b", "{model}/{model}", "a/+/{model}", "a/x{model}", "$share/g/{model}"]
)
def test_a_topic_that_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        Topic(template)


def test_topics_name_their_model() -> None:
    topic = Topic("site/{model}/out", "outcome")
    assert topic.filter() == "site/+/out"
    assert topic.filter("g") == "$share/g/site/+/out"
    assert topic.model("site/fraud/out") == "fraud"
    assert topic.model("site/fraud/in") is None
    assert topic.model("site/out") is None
