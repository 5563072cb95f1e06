"""The ASGI middleware around a real service: it records, and the service's answers are the same bytes as without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from hypothesis import given
from hypothesis import strategies as st

from autoheal.net import client
from autoheal.recorder import Exchange, Recorder, RecorderMiddleware
from autoheal.recorder.exchange import records
from tests.recorder.conftest import Door
from tests.sources.conftest import serving


def service() -> FastAPI:
    app = FastAPI()

    @app.post("/predict")
    async def predict(asked: dict[str, Any]) -> dict[str, Any]:
        if "rows" in asked:
            return {"predictions": ["yes"] * len(asked["rows"]), "scores": [0.5] * len(asked["rows"])}
        if asked["features"].get("bad"):
            raise HTTPException(503, "no model")
        return {"prediction": "yes", "score": 0.25, "version": "v7"}

    @app.post("/stream")
    async def stream(request: Request) -> StreamingResponse:
        size = len(await request.body())

        async def parts() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"x" * 50_000
                await asyncio.sleep(0)

        return StreamingResponse(parts(), headers={"x-size": f"{size}"})

    return app


@pytest.fixture
def one(door: Door) -> Recorder:
    return Recorder("fraud", version="v1", to=door.start().to, every=0.02)


async def test_single_rows_batches_and_errors_are_recorded(door: Door, one: Recorder) -> None:
    async with serving(RecorderMiddleware(service(), one)) as url, client(base_url=url) as http:  # type: ignore[arg-type]
        answer = await http.post("/predict", json={"id": "a", "time": 1e9, "features": {"x": 1.5}})
        assert answer.json() == {"prediction": "yes", "score": 0.25, "version": "v7"}
        await http.post("/predict", json={"features": {}}, headers={"X-Request-Id": "b"})
        await http.post("/predict", json={"rows": [{"x": 1.0}, {"x": 2.0}]}, headers={"x-request-id": "c"})
        await http.post("/predict", json={"rows": [{"id": "d", "features": {"x": 3.0}}]})
        assert (await http.post("/predict", json={"id": "e", "features": {"bad": True}})).status_code == 503
        assert (await http.post("/predict", content=b"{")).status_code == 422
        assert await asyncio.to_thread(one.flush), one.stats()
    assert one.stats()[:5] == (6, 6, 0, 0, 0), "one for each row, none for what the service refused"
    found = door.rows("SELECT id, version, prediction, score, error, features FROM predictions ORDER BY id")
    assert found == [
        ("a", "v7", "yes", 0.25, None, '{"x":1.5}'),
        ("b", "v7", "yes", 0.25, None, "{}"),
        ("c-0", "v1", "yes", 0.5, None, '{"x":1.0}'),
        ("c-1", "v1", "yes", 0.5, None, '{"x":2.0}'),
        ("d", "v1", "yes", 0.5, None, '{"x":3.0}'),
        ("e", "v1", None, None, "http_503", '{"bad":true}'),
    ]
    await asyncio.to_thread(one.close)


async def test_long_bodies_and_odd_readers_pass_and_are_counted(one: Recorder) -> None:
    def odd(_exchange: Exchange) -> list[Mapping[str, Any]]:
        raise KeyError("no such thing")

    app = RecorderMiddleware(service(), one, paths=["/str*"])
    other = RecorderMiddleware(service(), one, read=odd)
    async with serving(app) as url, client(base_url=url) as http:  # type: ignore[arg-type]
        answer = await http.post("/stream", content=b"y" * 10)
        assert (len(answer.content), answer.headers["x-size"]) == (150_000, "10")
        assert (await http.post("/predict", json={"features": {}})).status_code == 200
    assert one.stats()[:4] == (1, 0, 0, 1)
    async with serving(other) as url, client(base_url=url) as http:  # type: ignore[arg-type]
        assert (await http.post("/predict", json={"features": {}})).status_code == 200
        assert await asyncio.to_thread(one.flush)
    assert one.stats().unusable == 1
    await asyncio.to_thread(one.close)


def test_an_exchange_of_many_rows_is_waited_for_whole(one: Recorder) -> None:
    """It goes in several batches; what has not gone yet waits."""

    def read(found: Exchange) -> list[Mapping[str, Any]]:
        return [{"id": f"{found.path}-{i}", "time": 1e9, "version": "v1", "features": {"x": "y" * 900}, "prediction": 1}
                for i in range(4000)]  # fmt: skip

    for path in "ab":
        assert one.exchange(read, Exchange(path, {}, b"", 200, b"", 1e9, 1.0, "v1"), 1000)
    assert one.flush(30.0)
    assert one.stats()[:3] == (8000, 8000, 0)
    one.close()
    assert not one.exchange(read, Exchange("c", {}, b"", 200, b"", 1e9, 1.0, "v1"), 1000)
    assert one.stats()[:5] == (8001, 8000, 0, 1, 0)


async def test_a_request_that_nobody_waits_for_is_no_failure_of_the_model(one: Recorder) -> None:
    begun = asyncio.Event()

    async def app(_scope: object, receive: Any, _send: object) -> None:
        await receive()
        begun.set()
        await asyncio.Event().wait()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"id": "a", "features": {}}'}

    async def send(_message: object) -> None: ...

    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
    task = asyncio.create_task(RecorderMiddleware(app, one)(scope, receive, send))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert one.stats().recorded == 0
    await asyncio.to_thread(one.close)


async def test_the_end_of_the_service_sends_what_it_holds(door: Door) -> None:
    one = Recorder("fraud", version="v1", to=door.start().to, every=60.0)
    one.prediction("a", {}, "yes")
    heard: list[str] = []

    async def app(_scope: object, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.shutdown"}

    async def send(message: Any) -> None:
        heard.append(message["type"])
        assert door.ids() == ["a"]

    await RecorderMiddleware(app, one)({"type": "lifespan"}, receive, send)
    assert heard == ["lifespan.shutdown.complete"]


value = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["rows", "features", "id", "prediction", "predictions", "scores", "x"]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@given(asked=value, said=value, status=st.sampled_from([200, 404, 500]))
def test_whatever_a_service_says_gives_records_or_one_error(asked: Any, said: Any, status: int) -> None:
    exchange = Exchange("/p", {}, orjson.dumps(asked), status, orjson.dumps(said), 1e9, 1.0, "v1")
    try:
        found = list(records(exchange))
    except (TypeError, KeyError, IndexError, ValueError, AttributeError):
        return
    assert all(isinstance(one, dict) and one["version"] and one["time"] is not None for one in found)
