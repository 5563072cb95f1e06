"""The push door over real HTTP: what is taken, and each way of being refused."""

from __future__ import annotations

import asyncio
import gzip
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi import FastAPI

from autoheal.clock import SystemClock, VirtualClock
from autoheal.domain.names import ModelName, Task, Verdict, Version
from autoheal.domain.specs import ModelSpec
from autoheal.errors import StoreError
from autoheal.net import AsyncClient, client
from autoheal.sources.contract import Intake
from autoheal.sources.http_push import LARGEST, HttpPush, telemetry_router
from autoheal.telemetry import Batch, Counts, Limits, Metric, Record, Refusal, Telemetry

SPEC = ModelSpec(ModelName("m"), Task.REGRESSION)
REFUSED = Counter[str]()
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def prediction(i: int, **rest: Any) -> dict[str, Any]:
    return {"kind": "prediction", "model": "m", "version": "v1", "id": f"{i}", "time": 1e9 + i, "features": {}, "prediction": 1.0} | rest  # fmt: skip


@pytest.fixture
async def telemetry(tmp_path: Path) -> AsyncIterator[Telemetry]:
    async with await Telemetry.open(tmp_path / "telemetry.db", {SPEC.name: SPEC}, VirtualClock()) as opened:
        yield opened


@pytest.fixture
async def http(
    telemetry: Telemetry, serve: Callable[[FastAPI], Awaitable[str]]
) -> AsyncIterator[AsyncClient]:
    async def nowhere(_finding: object) -> None: ...

    REFUSED.clear()
    app = FastAPI()
    app.include_router(telemetry_router(Intake(telemetry.ingest, nowhere), lambda: telemetry.tasks, REFUSED))
    async with client(base_url=await serve(app), timeout=20.0) as opened:
        yield opened


async def post(
    http: AsyncClient, body: bytes, media: str = "application/json", **headers: str
) -> tuple[int, Any]:
    answer = await http.post("/v1/telemetry", content=body, headers={"content-type": media} | headers)
    return answer.status_code, answer.json()


async def test_json_ndjson_and_gzip_are_taken(http: AsyncClient) -> None:
    lines = b"\n".join(orjson.dumps(prediction(i)) for i in range(2000))
    assert await post(http, orjson.dumps(prediction(0))) == (
        202,
        {"accepted": 1, "duplicates": 0, "waiting": 0},
    )
    status, said = await post(http, lines, "application/x-ndjson")
    assert (status, said["accepted"], said["duplicates"]) == (202, 1999, 1)
    packed = gzip.compress(orjson.dumps({"records": [prediction(9999)]}))
    status, said = await post(http, packed, **{"content-encoding": "gzip"})
    assert (status, said["accepted"]) == (202, 1)


async def test_each_refusal_has_its_status_and_reason_and_stores_nothing(
    http: AsyncClient, telemetry: Telemetry
) -> None:
    good = prediction(1)
    cases: list[tuple[int, bytes, str]] = [
        (400, b"{", "application/json"),
        (400, b"", "application/json"),
        (415, b"{}", "text/csv"),
        (404, orjson.dumps([good, prediction(2, model="nobody")]), "application/json"),
        (422, orjson.dumps([good, prediction(2, id="x" * 1_000_000)]), "application/json"),
        (422, b'[{"kind":"outcome","model":"m","id":"a","time":1,"label":NaN}]', "application/json"),
        (413, b" " * (LARGEST + 1), "application/json"),
    ]
    for want, body, media in cases:
        status, said = await post(http, body, media)
        assert (status, bool(said["error"])) == (want, True), said
    status, said = await post(http, orjson.dumps([good, prediction(2, features={"a": []})]))
    assert (status, said["row"], said["field"]) == (422, 1, "features.a")
    assert telemetry.newest(SPEC.name) is None
    assert REFUSED == {"not_json": 2, "media_type": 1, "unknown_model": 1, "bad_row": 3, "too_large": 1}


async def test_a_gzip_bomb_and_broken_gzip_are_refused(http: AsyncClient) -> None:
    bomb = gzip.compress(b" " * (200 << 20))
    assert (await post(http, bomb, **{"content-encoding": "gzip"}))[0] == 413
    assert (await post(http, b"not gzip", **{"content-encoding": "gzip"}))[0] == 400
    assert (await post(http, gzip.compress(b"[]")[:-6], **{"content-encoding": "gzip"}))[0] == 400
    assert (await post(http, b"[]", **{"content-encoding": "br"}))[0] == 415


async def test_every_member_of_a_gzip_body_is_read(http: AsyncClient) -> None:
    """``cat a.gz b.gz`` is a gzip file: what came after its first member must not be acknowledged and thrown away."""
    parts = [gzip.compress(orjson.dumps(prediction(i)) + b"\n") for i in range(3)]
    lines, packed = "application/x-ndjson", {"content-encoding": "gzip"}
    status, said = await post(http, b"".join(parts), lines, **packed)
    assert (status, said["accepted"]) == (202, 3)

    async def bit_by_bit() -> AsyncIterator[bytes]:
        for byte in b"".join(parts):
            yield bytes([byte])

    answer = await http.post("/v1/telemetry", content=bit_by_bit(), headers={"content-type": lines} | packed)
    assert (answer.status_code, answer.json()["duplicates"]) == (202, 3)
    assert (await post(http, parts[0] + b"rubbish", lines, **packed))[0] == 400
    assert (await post(http, parts[0] + parts[1][:-4], lines, **packed))[0] == 400
    bomb = parts[0] + gzip.compress(b" " * (LARGEST + 1))
    assert (await post(http, bomb, lines, **packed))[0] == 413
    empty = gzip.compress(b"") * (LARGEST // 20 + 1)
    assert (await post(http, empty, lines, **packed))[0] == 413


async def test_a_sender_that_drips_is_not_waited_for(
    serve: Callable[[FastAPI], Awaitable[str]], sink: Any
) -> None:
    app, refused = FastAPI(), Counter[str]()
    app.include_router(telemetry_router(sink, lambda: {SPEC.name: SPEC.task}, refused, patience=0.3))
    url = (await serve(app)).removeprefix("http://")
    reader, writer = await asyncio.open_connection(*url.split(":"))
    writer.write(b"POST /v1/telemetry HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")

    async def drip() -> None:
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(20):
        said = await reader.readuntil(b"\r\n")
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)
    writer.close()
    assert b" 408 " in said
    assert (refused, sink.records) == ({"too_slow": 1}, [])


async def test_two_at_once_under_one_key_are_stored_once(http: AsyncClient, tmp_path: Path) -> None:
    """A sender that gave up waiting and tries again while the first is still being stored; metrics have no id."""
    body = orjson.dumps([metric(i) for i in range(20)])
    for lines in (body, b"\n".join(orjson.dumps(metric(i)) for i in range(20, 40))):
        media = "application/json" if lines is body else "application/x-ndjson"
        key = {"idempotency-key": f"same-{media}"}
        answers = await asyncio.gather(*(post(http, lines, media, **key) for _ in range(8)))
        assert {status for status, _ in answers} == {202}
        assert {said["accepted"] for _, said in answers} == {20}
        other = "application/x-ndjson" if lines is body else "application/json"
        status, _ = await post(http, b"\n" + lines, other, **key)
        assert status in {400, 422}, "the same key for another body"
    with closing(sqlite3.connect(tmp_path / "telemetry.db")) as db:
        assert db.execute("SELECT count(*), count(DISTINCT value) FROM metrics").fetchone() == (40, 40)


async def test_texts_are_utf_8_with_or_without_its_mark(http: AsyncClient) -> None:
    body = orjson.dumps(prediction(1))
    for media in ("application/json; charset=UTF-8", 'application/x-ndjson; charset="utf-8"'):
        assert (await post(http, b"\xef\xbb\xbf" + body, media))[0] == 202
    status, said = await post(http, body, "application/json; charset=iso-8859-1")
    assert (status, "UTF-8" in said["error"]) == (415, True)
    assert (await post(http, b'\xff\xfe"', "application/json"))[0] == 400


async def test_a_full_store_asks_to_come_back(serve: Callable[[FastAPI], Awaitable[str]], sink: Any) -> None:
    app = FastAPI()
    app.include_router(telemetry_router(sink, lambda: {SPEC.name: SPEC.task}))
    sink.refuse = Refusal("full", "9 records are being stored already")
    async with client(base_url=await serve(app)) as http:
        answer = await http.post("/v1/telemetry", json=[prediction(1)])
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert (await http.post("/v1/telemetry", json=[prediction(1)])).status_code == 202


async def test_a_rush_is_refused_in_part_and_what_was_accepted_is_there(
    tmp_path: Path, serve: Callable[[FastAPI], Awaitable[str]]
) -> None:
    """More at once than may be on its way: each batch is stored or told to come again, none is half or lost."""

    async def nowhere(_finding: object) -> None: ...

    path = tmp_path / "telemetry.db"
    limits = Limits(in_flight=50)
    async with await Telemetry.open(path, {SPEC.name: SPEC}, SystemClock(), limits) as telemetry:
        app = FastAPI()
        app.include_router(telemetry_router(Intake(telemetry.ingest, nowhere), lambda: telemetry.tasks))
        async with client(base_url=await serve(app), timeout=30.0, connections=40) as http:
            batches = [[prediction(i * 20 + j) for j in range(20)] for i in range(40)]
            with closing(sqlite3.connect(path, isolation_level=None)) as slow_disk:
                slow_disk.execute("BEGIN IMMEDIATE")
                coming = [asyncio.create_task(http.post("/v1/telemetry", json=one)) for one in batches]
                await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED, timeout=20)
            answers = await asyncio.gather(*coming)
            taken = [one for one, answer in zip(batches, answers, strict=True) if answer.status_code == 202]
            full = [answer for answer in answers if answer.status_code == 429]
            assert len(taken) + len(full) == 40
            assert full, "they were to come at once"
            assert {answer.headers["retry-after"] for answer in full} == {"1"}
            with closing(sqlite3.connect(path)) as db:
                stored = {one for (one,) in db.execute("SELECT id FROM predictions")}
            assert stored == {row["id"] for one in taken for row in one}
            assert (await http.post("/v1/telemetry", json=batches[0])).status_code == 202, (
                "and then there is room"
            )


async def test_bodies_under_way_have_a_room_together_and_give_it_back(
    serve: Callable[[FastAPI], Awaitable[str]],
) -> None:
    """From the first byte until the answer, in whatever way it ends; packed ones by what is in them."""
    gate, begun, refused = asyncio.Event(), asyncio.Event(), Counter[str]()

    async def sink(records: Sequence[Record], _batch: Batch | None = None) -> Counts:
        begun.set()
        await gate.wait()
        return Counts(len(records))

    app, body = FastAPI(), orjson.dumps([prediction(1)]).ljust(600)
    app.include_router(
        telemetry_router(
            Intake(sink, lambda _: asyncio.sleep(0)), lambda: {SPEC.name: SPEC.task}, refused, most=1_000
        )
    )
    async with client(base_url=await serve(app), timeout=20.0) as http:
        held = asyncio.create_task(post(http, body))
        await begun.wait()
        for other, headers in ((body, {}), (gzip.compress(body), {"content-encoding": "gzip"})):
            answer = await http.post("/v1/telemetry", content=other, headers=headers)
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        gate.set()
        assert (await held)[0] == 202
        for bad, status in (
            (b"[".ljust(900), 400),
            (b" " * 1_001, 429),
            (body, 202),
            (body.ljust(1_000), 202),
        ):
            assert (await post(http, bad))[0] == status
    assert refused == {"full": 3, "not_json": 1}


def metric(value: float) -> dict[str, Any]:
    return {"kind": "metric", "model": "m", "name": "error_rate", "value": value, "time": 1e9}


async def test_a_batch_under_one_key_is_stored_once_over_a_restart_too(
    tmp_path: Path, serve: Callable[[FastAPI], Awaitable[str]]
) -> None:
    async def nowhere(_finding: object) -> None: ...

    answers = []
    for _ in range(2):  # the daemon and the one after it
        async with await Telemetry.open(tmp_path / "t.db", {SPEC.name: SPEC}, VirtualClock()) as opened:
            app = FastAPI()
            app.include_router(telemetry_router(Intake(opened.ingest, nowhere), lambda o=opened: o.tasks))
            async with client(base_url=await serve(app)) as http:
                body = orjson.dumps([metric(0.5), prediction(1)])
                key = {"idempotency-key": "one"}
                answers.append(await post(http, body, **key))
                answers.append(await post(http, gzip.compress(body), **key, **{"content-encoding": "gzip"}))
                status, said = await post(http, orjson.dumps([metric(0.6)]), **{"idempotency-key": "one"})
                assert (status, "another batch" in said["error"]) == (422, True)
                status, said = await post(http, orjson.dumps([metric(0.6)]), **{"idempotency-key": "x" * 201})
                assert (status, said["field"]) == (422, "Idempotency-Key")
                view = opened.view(SPEC.name, champion=Version("v1"), since=None, reference=None, now=NOW)
                assert list(view.metrics["error_rate"].value) == [0.5]
                assert len(view.rows) == 1
    assert answers == [(202, {"accepted": 2, "duplicates": 0, "waiting": 0})] * 4


async def test_a_refused_batch_leaves_its_key_free(http: AsyncClient) -> None:
    key = {"idempotency-key": "two"}
    assert (await post(http, orjson.dumps([metric(0.1), prediction(1, time="x")]), **key))[0] == 422
    assert (await post(http, orjson.dumps([metric(0.1), prediction(1)]), **key))[0] == 202


async def test_as_many_keys_are_kept_as_wanted(tmp_path: Path) -> None:
    async with await Telemetry.open(
        tmp_path / "t.db", {SPEC.name: SPEC}, VirtualClock(), Limits(batches=5)
    ) as opened:
        for i in range(450):
            await opened.ingest([Metric(SPEC.name, "x", 1.0, 1e9)], Batch(f"{i}", "d"))
    with closing(sqlite3.connect(tmp_path / "t.db")) as db:
        kept = [key for (key,) in db.execute("SELECT key FROM batches ORDER BY seq")]
    assert 5 <= len(kept) <= 5 + 200
    assert kept[-1] == "449"


async def test_senders_that_fall_silent_are_away(
    serve: Callable[[FastAPI], Awaitable[str]], sink: Any
) -> None:
    one = HttpPush("push", silent=0.2, beat=0.02)
    app = FastAPI()
    app.include_router(telemetry_router(sink, lambda: {SPEC.name: SPEC.task}, heard=one.heard))
    async with client(base_url=await serve(app)) as http:
        await http.post("/v1/telemetry", json=[prediction(1)])
        task = asyncio.create_task(one.run(sink, SystemClock()))
        try:
            await sink.until(lambda: len(sink.findings) >= 3)
            assert [f.verdict for f in sink.findings] == [Verdict.OK, Verdict.NO_DATA, Verdict.BREACH]
            assert "nothing was pushed" in sink.findings[-1].detail
            await http.post("/v1/telemetry", json=[prediction(2)])
            await sink.until(lambda: Verdict.OK in [f.verdict for f in sink.findings[3:]])
        finally:
            task.cancel()
            await asyncio.wait({task})


async def test_a_disk_that_says_no_is_no_fault_of_the_sender(
    serve: Callable[[FastAPI], Awaitable[str]], sink: Any
) -> None:
    app, refused = FastAPI(), Counter[str]()
    app.include_router(telemetry_router(sink, lambda: {SPEC.name: SPEC.task}, refused))
    async with client(base_url=await serve(app)) as http:
        sink.refuse = StoreError("the disk is full")
        said = await http.post("/v1/telemetry", json=[prediction(1)])
        assert (said.status_code, said.headers["retry-after"], refused) == (503, "5", {"store": 1})
        assert "the disk is full" in said.json()["error"]
        assert (await http.post("/v1/telemetry", json=[prediction(1)])).status_code == 202
