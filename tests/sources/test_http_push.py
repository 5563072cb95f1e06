"""The push door over real HTTP: what is taken, and each way of being refused."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi import FastAPI

from autoheal.clock import VirtualClock
from autoheal.domain.names import ModelName, Task
from autoheal.domain.specs import ModelSpec
from autoheal.net import AsyncClient, client
from autoheal.sources.contract import Intake
from autoheal.sources.http_push import LARGEST, telemetry_router
from autoheal.telemetry import Refusal, Telemetry

SPEC = ModelSpec(ModelName("m"), Task.REGRESSION)
REFUSED = Counter[str]()


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


async def test_a_full_store_asks_to_come_back(serve: Callable[[FastAPI], Awaitable[str]], sink: Any) -> None:
    app = FastAPI()
    app.include_router(telemetry_router(sink, lambda: {SPEC.name: SPEC.task}))
    sink.refuse = Refusal("full", "9 records are being stored already")
    async with client(base_url=await serve(app)) as http:
        answer = await http.post("/v1/telemetry", json=[prediction(1)])
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert (await http.post("/v1/telemetry", json=[prediction(1)])).status_code == 202
