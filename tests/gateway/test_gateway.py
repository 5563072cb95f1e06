"""The gateway as a process between a real caller, a real model server and a telemetry sink."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter

import httpx
import pytest

from autoheal.gateway.routes import Route, place_of
from tests.gateway.house import caller, free_port, gateway, model_server, predict, sink, start_gateway, until


@pytest.fixture(scope="module")
def server():
    with model_server() as running:
        yield running


async def put(http, weights, **more):
    return await http.put("/admin/routes/m", json={"weights": weights, **more})


def test_a_request_always_goes_to_the_same_version_and_shares_are_kept():
    route = Route({"v1": 70.0, "v2": 20.0, "v3": 10.0})
    ids = [f"req-{n}" for n in range(20_000)]
    first = [route.choose(one) for one in ids]
    assert first == [Route({"v3": 10.0, "v1": 70.0, "v2": 20.0}).choose(one) for one in ids]
    shares = {version: count / len(ids) for version, count in Counter(first).items()}
    assert shares == pytest.approx({"v1": 0.7, "v2": 0.2, "v3": 0.1}, abs=0.015)


def test_raising_a_share_moves_only_as_many_requests_as_it_must():
    ids = [f"req-{n}" for n in range(5000)]
    before, after = Route({"v1": 90, "v2": 10}), Route({"v1": 70, "v2": 30})
    moved = [one for one in ids if before.choose(one) != after.choose(one)]
    assert all(after.choose(one) == "v2" for one in moved)
    assert len(moved) / len(ids) == pytest.approx(0.2, abs=0.02)


def test_a_version_without_a_share_gets_nothing_even_at_the_edges():
    route = Route({"a": 0.0, "b": 100.0, "c": 0.0})
    assert {route.choose(f"{n}") for n in range(1000)} == {"b"}
    assert 0.0 <= place_of("") < 1.0


async def test_rows_are_answered_by_id_and_every_row_reaches_the_daemon(server, tmp_path):
    async with sink() as told:
        with gateway(tmp_path, url=server.url, telemetry={"url": told.url}) as gate:
            async with caller(gate) as http:
                body = {
                    "id": "r",
                    "time": "2011-07-01T00:00:00Z",
                    "rows": [
                        {"id": "a", "features": {"x": 2}},
                        {"features": {"x": 3, "city": "Łódź", "gone": None}},
                    ],
                }
                answer = (await http.post("/v1/models/m/predict", json=body)).json()
            assert answer == {
                "id": "r",
                "version": "v1",
                "by": "champion",
                "predictions": [
                    {"id": "a", "prediction": 2.0, "score": None},
                    {"id": "r:1", "prediction": 3.0, "score": None},
                ],
            }
            await until(lambda: len(told.records) == 2)
    second = told.records[1]
    assert second["features"] == {"x": 3, "city": "Łódź", "gone": None}
    assert (second["time"], second["error"], second["by"], second["version"]) == (
        1309478400.0,
        None,
        "champion",
        "v1",
    )
    assert second["latency_ms"] > 0


async def test_telemetry_is_what_the_daemons_own_parser_takes(server, tmp_path):
    from autoheal.domain.names import ModelName, Task
    from autoheal.telemetry.records import parse_body

    async with sink() as told:
        with gateway(tmp_path, url=server.url, weights={"fail": 100}, telemetry={"url": told.url}) as gate:
            async with caller(gate) as http:
                await predict(http, "one")
                await put(http, {"refuse": 100})
                assert (await predict(http, "two")).status_code == 422
            await until(lambda: len(told.records) == 2)
    taken = parse_body(json.dumps({"records": told.records}).encode(), {ModelName("m"): Task.REGRESSION})
    assert [(r.version, r.by, r.error) for r in taken] == [
        ("base", "fallback", "status_500"),
        ("refuse", "champion", "rejected"),
    ]


@pytest.mark.parametrize(
    ("version", "word"),
    [
        ("hang", "timeout"),
        ("fail", "status_500"),
        ("garbage", "bad_answer"),
        ("short", "bad_answer"),
        ("null", "bad_answer"),
        ("missing", "unknown_version"),
    ],
)
async def test_the_stand_in_answers_when_the_version_does_not(server, tmp_path, version, word):
    async with sink() as told:
        with gateway(tmp_path, url=server.url, weights={version: 100}, telemetry={"url": told.url}) as gate:
            async with caller(gate) as http:
                answers = await asyncio.gather(*(predict(http, f"r{n}", n) for n in range(30)))
            assert {a.status_code for a in answers} == {200}
            assert {(a.json()["version"], a.json()["by"]) for a in answers} == {("base", "fallback")}
            assert [a.json()["predictions"][0]["prediction"] for a in answers] == [
                float(n) for n in range(30)
            ]
            await until(lambda: len(told.records) == 30)
    assert {(r["version"], r["by"], r["error"]) for r in told.records} == {("base", "fallback", word)}


async def test_a_dead_server_is_stood_in_for_by_another(server, tmp_path):
    dead = f"http://127.0.0.1:{free_port()}"
    with gateway(tmp_path, url=dead, fallback_url=server.url) as gate:
        async with caller(gate) as http:
            answers = [await predict(http, f"r{n}") for n in range(10)]
    assert {a.json()["by"] for a in answers} == {"fallback"}


async def test_a_server_that_dies_and_comes_back_is_used_again(tmp_path):
    port = free_port()
    with model_server(), model_server(port) as running, gateway(tmp_path, url=running.url) as gate:
        async with caller(gate) as http:
            assert (await predict(http, "a")).json()["by"] == "champion"
            running.kill()
            dead = [await predict(http, f"b{n}") for n in range(8)]
            assert {a.status_code for a in dead} == {503}  # the stand-in lives in the same dead server
            with model_server(port):
                answered = Counter()

                async def again() -> bool:
                    answered[(await predict(http, f"c{sum(answered.values())}")).json().get("by")] += 1
                    return answered["champion"] > 0

                for _ in range(400):
                    if await again():
                        break
                    await asyncio.sleep(0.02)
                assert answered["champion"]


async def test_a_connection_that_was_closed_under_our_hands_is_no_failure_of_the_version(tmp_path):
    asked = 0

    async def once_a_connection(reader, writer):
        nonlocal asked
        try:
            for turn in range(2):
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                await reader.readexactly(int(head.split("content-length: ")[1].split("\r")[0]))
                asked += 1
                if turn == 0:
                    writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n{"predictions":[7]}')
                    await writer.drain()
        except asyncio.IncompleteReadError:  # the gateway ended between two requests
            pass
        finally:
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(once_a_connection, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with gateway(tmp_path, url=url) as gate:
        async with caller(gate) as http:
            answers = [(await predict(http, f"r{n}")).json() for n in range(5)]
            await put(http, {"v1": 100})
    assert {a["by"] for a in answers} == {"champion"}
    assert asked == 9
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.05)


async def test_a_hanging_version_does_not_cost_every_request_its_time_out(server, tmp_path):
    with gateway(tmp_path, url=server.url, weights={"hang": 100}, timeout="1s") as gate:
        async with caller(gate) as http:
            for n in range(5):
                await predict(http, f"w{n}")
            slow = [
                r.elapsed.total_seconds() > 0.9 for r in [await predict(http, f"r{n}") for n in range(40)]
            ]
    assert sum(slow) <= 3  # only the requests that try again


async def test_no_stand_in_means_an_honest_5xx(server, tmp_path):
    with gateway(tmp_path, url=server.url, weights={"hang": 100}, fallback="", timeout="0.2s") as gate:
        async with caller(gate) as http:
            assert (await predict(http, "r")).status_code == 504
            await put(http, {"fail": 100})
            assert (await predict(http, "r")).status_code == 503


async def test_no_request_is_lost_while_weights_change_fifty_times(server, tmp_path):
    with gateway(tmp_path, url=server.url) as gate:
        async with caller(gate, 20) as http:
            answers: list[httpx.Response] = []
            changing = True

            async def load(who: int) -> None:
                n = 0
                while changing:
                    answers.append(await predict(http, f"{who}-{n}"))
                    n += 1

            loaders = [asyncio.create_task(load(who)) for who in range(10)]
            for change in range(50):
                weights = {"v1": 100 - 2 * change, "v2": 2 * change}
                assert (await put(http, weights, key=f"k{change}")).status_code == 200
            revision = (await http.get("/admin/routes")).json()["m"]["revision"]
            changing = False
            await asyncio.gather(*loaders)
    assert revision == 51
    assert len(answers) > 50
    assert {a.status_code for a in answers} == {200}
    assert {a.json()["by"] for a in answers} == {"champion"}
    assert {a.json()["version"] for a in answers} == {"v1", "v2"}


@pytest.mark.parametrize("behave", ["slow", "full", "down"])
async def test_telemetry_trouble_never_holds_answers_up(server, tmp_path, behave):
    async with sink("ok" if behave == "down" else behave) as told:
        url = f"http://127.0.0.1:{free_port()}/v1/telemetry" if behave == "down" else told.url
        with gateway(tmp_path, url=server.url, timeout="20s", telemetry={"url": url}) as gate:
            async with caller(gate) as http:
                answers = await asyncio.gather(*(predict(http, f"r{n}") for n in range(300)))
                page = (await http.get("/metrics")).text
    assert Counter(a.status_code for a in answers) == {200: 300}
    # The sink holds each post up for ever, and none was sent when all had been answered.
    assert 'autoheal_gateway_telemetry{state="sent"} 0.0' in page
    assert 'autoheal_gateway_requests_total{by="champion",model="m",version="v1"} 300.0' in page


async def test_one_refused_record_does_not_cost_its_neighbours(server, tmp_path):
    async with sink("picky") as told:
        with gateway(tmp_path, url=server.url, telemetry={"url": told.url}) as gate:
            async with caller(gate) as http:
                rows = [{"id": f"r{n}", "features": {"x": n}} for n in range(40)]
                rows[17]["id"] = "poison"
                await http.post("/v1/models/m/predict", json={"rows": rows})
                await until(lambda: len(told.records) == 39)
                page = (await http.get("/metrics")).text
    assert 'state="refused"} 1.0' in page


async def test_stopping_finishes_what_was_begun_and_sends_what_is_left(tmp_path):
    begun, go_on = 0, asyncio.Event()

    async def slow(reader, writer):
        nonlocal begun
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.split("content-length: ")[1].split("\r")[0]))
        begun += 1
        await go_on.wait()
        writer.write(b'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 19\r\n\r\n{"predictions":[7]}')
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with sink() as told:
        with gateway(tmp_path, url=url, timeout="20s", telemetry={"url": told.url}) as gate:
            async with caller(gate) as http:
                asked = [asyncio.create_task(predict(http, f"r{n}")) for n in range(20)]
                await until(lambda: begun == 20)
                stopping = asyncio.create_task(asyncio.to_thread(gate.stop))
                await until(lambda: not listening(gate.port))
                go_on.set()
                answers = await asyncio.gather(*asked)
                assert await stopping == 0
    assert {a.status_code for a in answers} == {200}
    assert {a.json()["by"] for a in answers} == {"champion"}
    assert sorted(r["id"] for r in told.records) == sorted(f"r{n}" for n in range(20))
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.05)


def listening(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


async def test_weights_and_keys_survive_kill_9(server, tmp_path):
    gate = start_gateway(tmp_path, url=server.url)
    async with caller(gate) as http:
        answer = await put(http, {"v1": 40, "v2": 60}, key="R1/shift")
        assert answer.status_code == 200
    gate.kill()
    again = start_gateway(tmp_path, url=server.url)
    try:
        async with caller(again) as http:
            route = (await http.get("/admin/routes")).json()["m"]
            assert route["weights"] == {"v1": 40.0, "v2": 60.0}
            assert route["moves"] == [{"key": "R1/shift", "revision": 2, "previous": {"v1": 100.0}}]
            await put(http, {"v1": 0, "v2": 100}, key="R1/other")
            repeated = await put(http, {"v1": 40, "v2": 60}, key="R1/shift")
            assert repeated.status_code == 200
            assert repeated.json()["weights"] == {"v1": 0.0, "v2": 100.0}  # the key has had its effect
            assert repeated.json()["revision"] == 3
    finally:
        again.kill()


async def test_an_unreadable_state_file_is_set_aside_and_said(server, tmp_path):
    (tmp_path / "state.json").write_bytes(b'{"models": {"m": {"wei')
    with gateway(tmp_path, url=server.url) as gate:
        async with caller(gate) as http:
            assert (await predict(http, "r")).status_code == 200
            assert (await http.get("/healthz")).json() == {"status": "ok", "state_set_aside": True}
    assert (tmp_path / "state.json.unreadable").exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"weights": {"v1": 50}}, 422),
        ({"weights": {}}, 422),
        ({"weights": {"v1": -1, "v2": 101}}, 422),
        ({"weights": {"../v1": 100}}, 422),
        ({"weights": {"v1": 100}, "surprise": 1}, 422),
        ({"weights": {"v1": 100}, "if_revision": 7}, 409),
        ({"weights": {"v1": 100}, "if_revision": 1}, 200),
    ],
)
async def test_route_wishes_are_checked(server, tmp_path, body, status):
    with gateway(tmp_path, url=server.url) as gate:
        async with caller(gate) as http:
            assert (await http.put("/admin/routes/m", json=body)).status_code == status
            assert (await http.put("/admin/routes/nobody", json=body)).status_code == 404
            assert sum((await http.get("/admin/routes")).json()["m"]["weights"].values()) == 100


async def test_bad_requests_are_refused_and_disturb_nothing(server, tmp_path):
    with gateway(tmp_path, url=server.url) as gate:
        async with caller(gate) as http:
            path = "/v1/models/m/predict"
            bad = {
                400: [b"not json", b""],
                422: [
                    b"{}",
                    b'{"rows": []}',
                    b'{"rows": [{"features": {"x": {}}}]}',
                    b'{"features": {"x": 1}, "time": "yesterday"}',
                    b'{"rows": [{"id": "a", "features": {}}, {"id": "a", "features": {}}]}',
                    json.dumps({"id": "i" * 201, "features": {}}).encode(),
                    json.dumps({"rows": [{"features": {}}] * 1001}).encode(),
                ],
                413: [b"x" * (9 << 20)],
            }
            for status, bodies in bad.items():
                for body in bodies:
                    assert (await http.post(path, content=body)).status_code == status
            assert (await http.post("/v1/models/other/predict", json={})).status_code == 404
            assert (await http.get(path)).status_code == 405
            assert (await http.get("/nothing")).status_code == 404
            nan = await http.post(path, content=b'{"features": {"x": 1, "y": NaN}}')
            assert nan.status_code == 200
            assert (await predict(http, "r")).status_code == 200


async def test_settings_with_mistakes_are_refused_with_their_place(tmp_path, capsys):
    from autoheal.cli import invoke

    path = tmp_path / "gateway.yaml"
    path.write_text(
        "version: 1\nkind: gateway\nmodels:\n  m:\n    url: http://127.0.0.1:1\n    weigths: {v1: 100}\n    timeout: 5\n"
    )
    assert invoke(["gateway", "--config", str(path), "--check"]) == 2
    said = capsys.readouterr().err
    assert "gateway.yaml:6:5" in said
    assert "weights" in said
    assert "has no unit" in said
    path.write_text(
        "version: 1\nkind: gateway\nmodels:\n  m: {url: 'http://127.0.0.1:1', weights: {v1: 90, v2: 5}}\n"
    )
    assert invoke(["gateway", "--config", str(path), "--check"]) == 2
    assert "add up to 100, not 95" in capsys.readouterr().err
