"""Asking a real Prometheus 2.42: recording rules, gaps of either side, half an answer, locks on the door."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from fastapi import FastAPI, Request, Response
from prometheus_api_client import PrometheusConnect

from autoheal.clock import SystemClock
from autoheal.domain.names import ModelName, Verdict
from autoheal.errors import StoreError
from autoheal.net import HTTPError, client
from autoheal.sources import prometheus_api
from autoheal.sources.prometheus import Pace, Prometheus, Server, samples_of
from autoheal.sources.prometheus_api import Api, PrometheusError, read
from autoheal.sources.secret import Credentials, SecretError, Tls
from autoheal.telemetry.values import from_unix, to_unix
from tests.contracts.servers import Prometheus as RealPrometheus
from tests.contracts.servers import Sample, eventually, program, stopping
from tests.contracts.standing import Standing

MODEL = ModelName("fraud")
PACE = Pace(every=0.05, step=0.1, timeout=2.0, backfill=30.0, late=2.0, stale=0.8)
RULES = """groups:
- name: models
  rules:
  - {record: "model:latency_p95", expr: 'model_latency_p95_ms{model="fraud"} * 1'}
"""
SHOWN: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {
    ("pages", ()): 3,
    ("model_latency_p95_ms", (("model", "fraud"),)): 12,
    ("model_latency_p95_ms", (("model", "bike"),)): 7,
    ("model_latency_p95_ms", (("model", "stranger"),)): 99,
    ("odd", (("model", "fraud"),)): math.nan,
    ("odd", (("model", "bike"),)): math.inf,
    ("twins", (("instance", "a"), ("model", "fraud"))): 1,
    ("twins", (("instance", "b"), ("model", "fraud"))): 2,
}


@dataclass
class Service:
    """Model services whose metrics reach Prometheus every 50 ms, while it is there."""

    server: RealPrometheus
    shown: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=lambda: dict(SHOWN))
    rounds: int = 0
    pushed: list[float] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            now = to_unix(SystemClock().now())
            samples = [Sample(name, value, now, dict(labels)) for (name, labels), value in self.shown.items()]
            with contextlib.suppress(HTTPError):
                await self.server.push(samples)
                self.pushed.append(now)
            self.rounds += 1
            await asyncio.sleep(0.05)

    def missing(self, times: Sequence[float]) -> list[float]:
        """Samples that Prometheus took and that are in none of the steps which were handed on."""
        held, step = {round(t * 1000) for t in times}, round(PACE.step * 1000)
        return [
            at
            for at in self.pushed
            if times[0] < at < times[-1] and -(-round(at * 1000) // step) * step not in held
        ]


@asynccontextmanager
async def serving(server: RealPrometheus) -> AsyncIterator[Service]:
    service = Service(server)
    async with stopping(server):
        task = asyncio.create_task(service.run())
        try:
            yield service
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(RealPrometheus.at(tmp_path, RULES)) as one:
        await eventually(lambda: one.rounds > 3)
        yield one


def source(at: Service | str, folder: Path, **rest: Any) -> Prometheus:
    url = at if isinstance(at, str) else at.server.url
    given: dict[str, Any] = {
        "queries": {"pages": "pages"},
        "models": [MODEL],
        "pace": PACE,
        "state_file": folder / "source-prom.json",
        "server": Server(url),
    }
    return Prometheus("prom", **(given | rest))


@asynccontextmanager
async def running(one: Prometheus, sink: Any, clock: Any = None) -> AsyncIterator[Prometheus]:
    task = asyncio.create_task(one.run(sink, clock or SystemClock()))
    try:
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def verdicts(sink: Any, subject: str = "up") -> list[Verdict]:
    return [f.verdict for f in sink.findings if f.subject == subject]


def pairs(sink: Any) -> list[tuple[str, str, float]]:
    return [(r.model, r.name, r.time) for r in sink.records]


def last(sink: Any, subject: str = "up") -> Any:
    """The newest finding about a subject."""
    found = [f for f in sink.findings if f.subject == subject]
    return found[-1] if found else None


async def until(sink: Any, verdict: Verdict, said: str = "", subject: str = "up") -> None:
    await sink.until(
        lambda: (f := last(sink, subject)) is not None and f.verdict is verdict and said in f.detail
    )


async def test_recording_rules_many_models_and_what_cannot_be_used(
    tmp_path: Path, service: Service, sink: Any
) -> None:
    queries = {
        "latency_p95_ms": "model_latency_p95_ms",
        "odd": "odd",
        "twins": "twins",
        "none": "no_such_thing",
    }
    one = source(service, tmp_path, queries=queries, models=[MODEL, ModelName("bike")], model_label="model")
    rule = source(service, tmp_path, queries={"rule": "model:latency_p95"}, state_file=tmp_path / "rule.json")
    async with running(one, sink), running(rule, sink):
        await sink.until(lambda: len(sink.records) > 20 and any(r.name == "rule" for r in sink.records))
        await until(sink, Verdict.NO_DATA, "no sample yet", "odd")
        await sink.until(lambda: last(sink, "records") is not None)
    found = {(r.model, r.name, r.value) for r in sink.records}
    assert found == {(MODEL, "latency_p95_ms", 12.0), ("bike", "latency_p95_ms", 7.0), (MODEL, "rule", 12.0)}
    assert set(one.tally.refused) == {"nan", "infinite", "unknown_model", "several_series"}
    assert last(sink).verdict is Verdict.OK
    assert set(verdicts(sink, "none")) == {Verdict.NO_DATA}, "nothing is no data, never zero"
    assert last(sink, "none").value is None
    assert len(pairs(sink)) == len(set(pairs(sink)))


async def test_instant_queries_give_vectors_and_scalars_and_no_past(
    tmp_path: Path, service: Service, sink: Any
) -> None:
    queries = {"pages": "pages", "two": "1 + 1", "nothing": "no_such_metric"}
    one = source(service, tmp_path, queries=queries, instant=("pages", "two", "nothing"))
    async with running(one, sink):
        await sink.until(lambda: {m for _, m, _ in pairs(sink)} == {"pages", "two"})
        await sink.until(lambda: sum(r.name == "pages" for r in sink.records) > 3)
        await until(sink, Verdict.NO_DATA, subject="nothing")
    assert {(r.name, r.value) for r in sink.records} == {("pages", 3.0), ("two", 2.0)}
    times = [r.time for r in sink.records if r.name == "pages"]
    assert len(set(times)) == len(times)
    assert min(times) > to_unix(SystemClock().now()) - PACE.backfill / 2, "the past is not asked for"


async def test_another_client_reads_the_same(service: Service, tmp_path: Path, sink: Any) -> None:
    """prometheus-api-client, which docs/decisions/0007 is about."""
    async with running(source(service, tmp_path), sink):
        await sink.until(lambda: len(sink.records) >= 12)
    first, last_ = (
        math.floor(sink.records[0].time),
        math.floor(sink.records[-1].time),
    )  # it knows whole seconds only
    query = samples_of("pages", PACE.step)
    async with client(base_url=service.server.url) as http:
        (ours,) = (await Api(http, 5.0).query_range(query, first, last_, PACE.step)).series

    def theirs() -> Any:
        with contextlib.closing(requests.Session()) as session:
            asked = PrometheusConnect(service.server.url, session=session, timeout=5)
            begin, end = from_unix(first), from_unix(last_)
            return asked.custom_query_range(query, begin, end, f"{PACE.step:g}")

    (other,) = await asyncio.to_thread(theirs)
    assert [(float(t), float(v)) for t, v in other["values"]] == list(ours.points)
    assert set(ours.points) >= {(r.time, r.value) for r in sink.records if r.time <= last_}


async def test_an_outage_of_ours_is_filled_in_and_nothing_comes_twice(
    tmp_path: Path, service: Service, sink: Any
) -> None:
    async with running(source(service, tmp_path), sink):
        await sink.until(lambda: len(sink.records) >= 5)
    before = service.rounds
    await sink.until(lambda: service.rounds > before + 20)
    held = len(sink.records)
    async with running(source(service, tmp_path), sink):
        await sink.until(lambda: len(sink.records) >= held + 8)
    times = [r.time for r in sink.records]
    assert times == sorted(set(times))
    assert not service.missing(times), "the outage was asked for afterwards"
    assert (tmp_path / "source-prom.json").stat().st_mode & 0o777 == 0o600


async def test_prometheus_dies_and_returns(tmp_path: Path, service: Service, sink: Any) -> None:
    async with running(source(service, tmp_path), sink):
        await sink.until(lambda: len(sink.records) >= 5)
        await service.server.kill()
        await until(sink, Verdict.BREACH, "ConnectError")
        await until(sink, Verdict.NO_DATA, "no sample since 20", "pages")
        held = len(sink.records)
        await service.server.start()
        await sink.until(lambda: len(sink.records) >= held + 5)
        assert last(sink).verdict is Verdict.OK
    times = [r.time for r in sink.records]
    assert times == sorted(set(times))
    assert max(b - a for a, b in itertools.pairwise(times)) > 0.6, "no old value is repeated over the gap"
    assert not service.missing(times)


async def test_prometheus_that_hangs_is_away_in_time_and_is_caught_up_with(
    tmp_path: Path, service: Service, sink: Any
) -> None:
    async with running(source(service, tmp_path, pace=replace(PACE, timeout=0.3)), sink):
        await sink.until(lambda: len(sink.records) >= 3)
        service.server.tell(signal.SIGSTOP)
        await until(sink, Verdict.NO_DATA, "did not answer within 0.3s")
        service.server.tell(signal.SIGCONT)
        held = len(sink.records)
        await sink.until(lambda: len(sink.records) >= held + 5)


async def test_a_model_that_goes_silent_is_no_data_and_not_its_last_value(
    tmp_path: Path, service: Service, sink: Any
) -> None:
    one = source(service, tmp_path, queries={"latency": 'model_latency_p95_ms{model="fraud"}'})
    async with running(one, sink):
        await sink.until(lambda: len(sink.records) >= 3)
        service.shown = {("pages", ()): 1}
        await until(sink, Verdict.NO_DATA, "no query has a sample of late")
        assert "no sample since 20" in last(sink, "latency").detail
        held, told, rounds = len(sink.records), len(sink.findings), service.rounds
        await sink.until(lambda: service.rounds > rounds + 15)
        assert len(sink.records) == held
        assert len(sink.findings) == told, "a silence is told once"


async def test_late_samples_and_samples_out_of_order_are_taken_once(
    tmp_path: Path, service: Service, sink: Any
) -> None:
    """Within ``late`` a hole that is filled afterwards is seen."""
    start = math.floor(to_unix(SystemClock().now())) - 10.0
    clock = Standing(start + 4)
    one = source(service, tmp_path, queries={"m": "m"}, pace=replace(PACE, step=1.0, late=5.0, stale=9.0))
    async with running(one, sink, clock):
        await service.server.push([Sample("m", t, start + t - 0.5) for t in (1, 2, 4)])
        await sink.until(lambda: len(sink.records) == 3)
        await service.server.push([Sample("m", 3, start + 2.5)])
        await sink.until(lambda: len(sink.records) == 4)
    async with running(source(service, tmp_path, queries=one.queries, pace=one.pace), sink, clock):
        await service.server.push([Sample("m", 5, start + 4.5)])
        clock.at = start + 5
        await sink.until(lambda: len(sink.records) == 5)
    assert [(r.time - start, r.value) for r in sink.records] == [(1, 1), (2, 2), (4, 4), (3, 3), (5, 5)]


@pytest.fixture
def history(tmp_path: Path) -> float:
    """Four hours of samples every ten seconds, made before the server starts; their end."""
    promtool, end = program("promtool", "prometheus"), 1_800_000_000
    lines = [f"model_errors {i % 7} {end - 14_400 + i}.5" for i in range(0, 14_400, 10)]
    (tmp_path / "h.om").write_text("# TYPE model_errors gauge\n" + "\n".join(lines) + "\n# EOF\n")
    argv = [promtool, "tsdb", "create-blocks-from", "openmetrics", "h.om", "data", "-q"]
    subprocess.run(argv, cwd=tmp_path, check=True, timeout=60)
    return float(end)


async def test_a_long_history_comes_in_chunks_below_the_servers_limit(
    tmp_path: Path, history: float, sink: Any
) -> None:
    """Four hours at one second are 14,401 points; Prometheus refuses more than 11,000."""
    pace = replace(PACE, step=1.0, backfill=14_400.0, stale=60.0)
    async with stopping(RealPrometheus.at(tmp_path, retention="20y")) as server:
        assert isinstance(server, RealPrometheus)
        one = source(server.url, tmp_path, queries={"error_rate": "model_errors"}, pace=pace)
        async with running(one, sink, Standing(history)):
            await sink.until(lambda: last(sink) is not None and last(sink).verdict is Verdict.OK)
        async with client(base_url=server.url) as http:
            with pytest.raises(PrometheusError, match="exceeded maximum resolution") as refused:
                await Api(http, 2.0).query_range("model_errors", history - 14_400, history, 1.0)
        assert refused.value.less
    assert [r.value for r in sink.records[:8]] == [0, 3, 6, 2, 5, 1, 4, 0]
    assert len(sink.records) == 1440


async def test_a_gap_longer_than_backfill_is_given_up_and_counted(
    tmp_path: Path, service: Service, sink: Any
) -> None:
    then = to_unix(SystemClock().now()) - 100
    kept = {"pages": {"until": then, "newest": then, "seen": {}}}
    (tmp_path / "source-prom.json").write_bytes(orjson.dumps(kept))
    async with running(source(service, tmp_path), sink) as one:
        await sink.until(lambda: len(sink.records) >= 3)
    assert one.missed == pytest.approx(70, abs=5)


async def test_a_clock_that_was_ahead_and_was_put_right_stops_nothing(
    tmp_path: Path, service: Service, sink: Any
) -> None:
    ahead = to_unix(SystemClock().now()) + 9e6
    kept = {"pages": {"until": ahead, "newest": 0, "seen": {}}}
    (tmp_path / "source-prom.json").write_bytes(orjson.dumps(kept))
    async with running(source(service, tmp_path), sink):
        await sink.until(lambda: len(sink.records) >= 3)


async def test_a_query_that_is_wrong_says_so_and_the_others_go_on(
    tmp_path: Path, service: Service, sink: Any
) -> None:
    async with running(source(service, tmp_path, queries={"bad": "sum(((", "pages": "pages"}), sink):
        await sink.until(lambda: len(sink.records) >= 3)
        await until(sink, Verdict.BREACH, "bad: refuses the query (400)")


# bcrypt of "heal-secret" at its cheapest cost
HASH = "$2b$04$abcdefghijklmnopqrstuu62PhYEkQDqfqPrnazzFKDkcUipdpram"


async def test_basic_authentication_and_tls(
    tmp_path: Path, certificate: tuple[Path, Path], sink: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = certificate
    web = f"basic_auth_users: {{heal: '{HASH}'}}\ntls_server_config: {{cert_file: {cert}, key_file: {key}}}\n"
    secret = tmp_path / "password"
    server = RealPrometheus.at(tmp_path, RULES, web_config=web)
    async with stopping(server):
        url = server.url.replace("http:", "https:")
        login = Credentials(username="heal", password_file=secret)
        for to, said in (
            (Server(url, login), "cannot be read"),
            (Server(url), "certificate"),
            (Server(url, tls=Tls(ca_file=tmp_path / "no.pem")), "no.pem"),
            (Server(url, tls=Tls(ca_file=cert)), "does not accept our credentials (401)"),
        ):
            sink.findings.clear()
            async with running(source(url, tmp_path, server=to), sink):
                await until(sink, Verdict.NO_DATA, said)
        secret.write_text("heal-secret\n")
        both = Server(url, login, Tls(ca_file=cert))
        async with running(source(url, tmp_path, server=both, queries={"one": "vector(1)"}), sink):
            await sink.until(lambda: len(sink.records) >= 3)
    assert "heal-secret" not in caplog.text + "".join(f.detail for f in sink.findings)


def matrix(*points: tuple[float, str], **rest: Any) -> dict[str, Any]:
    series = [{"metric": {}, "values": [list(p) for p in points]}] if points else []
    return {"status": "success", "data": {"resultType": "matrix", "result": series}} | rest


@pytest.mark.parametrize(
    ("status", "body", "said", "less"),
    [
        (
            400,
            {"status": "error", "errorType": "bad_data", "error": "parse error"},
            "refuses the query",
            False,
        ),
        (401, None, "credentials", False),
        (302, None, "elsewhere", False),
        (404, None, "no Prometheus API", False),
        (
            422,
            {"status": "error", "errorType": "execution", "error": "too many samples"},
            "too many samples",
            True,
        ),
        (429, None, "slow down", False),
        (500, None, "answered 500", False),
        (503, {"status": "error", "errorType": "timeout", "error": "query timed out"}, "timed out", True),
        (200, None, "no Prometheus result", False),
        (200, {"status": "success", "data": {"resultType": "vector", "result": []}}, "answered 200", False),
        (
            200,
            {"status": "success", "data": {"resultType": "matrix", "result": [{}]}},
            "no Prometheus",
            False,
        ),
        (200, matrix(("x", "1")), "no Prometheus", False),  # type: ignore[arg-type]
        (200, [], "no Prometheus", False),
    ],
)
def test_every_bad_answer_has_a_sentence(status: int, body: Any, said: str, less: bool) -> None:
    with pytest.raises(PrometheusError, match=said) as refused:
        read(status, b"<html>" if body is None else orjson.dumps(body))
    assert refused.value.less is less


def test_native_histograms_are_no_numbers() -> None:
    data = {"resultType": "matrix", "result": [{"metric": {}, "histograms": [[1, {"count": "1"}]]}]}
    with pytest.raises(PrometheusError, match="histogram_quantile"):
        read(200, orjson.dumps({"status": "success", "data": data, "infos": ["PromQL info: x"]}))


def test_warnings_that_mean_less_data_and_others_are_told_apart() -> None:
    answer = read(
        200, orjson.dumps(matrix(warnings=["PromQL info: a name", "store x is away"], isPartial=True))
    )
    assert answer.partial == ("store x is away", "the answer is partial")
    assert answer.notes == ("PromQL info: a name",)
    assert answer.series == []


@pytest.mark.parametrize("query", ["pages", "sum(pages)"])
async def test_half_an_answer_is_asked_for_again_until_it_is_whole(
    tmp_path: Path, serve: Callable[[FastAPI], Awaitable[str]], sink: Any, query: str
) -> None:
    """A store behind the server is away: what came is taken, the rest is asked for again, nothing comes twice. A sum
    of what came is not the sum, and not taken."""
    app, whole, asked = FastAPI(), False, []
    start = 1_000_000_000.0

    @app.post("/api/v1/query_range")
    async def query_range(request: Request) -> Response:
        form = dict(p.split("=") for p in (await request.body()).decode().split("&"))
        asked.append(float(form["start"]))
        points = [(start + t, "1") for t in range(0, 30, 1) if whole or t % 2]
        body = matrix(*points, **({} if whole else {"warnings": ["store x is away"]}))
        return Response(orjson.dumps(body), media_type="application/json")

    one = source(await serve(app), tmp_path, queries={"pages": query}, pace=replace(PACE, step=1.0))
    clock = Standing(start + 29)
    async with running(one, sink, clock):
        await until(sink, Verdict.BREACH, "store x is away")
        assert len(sink.records) == (15 if query == "pages" else 0)
        assert len(set(asked)) == 1, "the cursor waits"
        whole = True
        await sink.until(lambda: len(sink.records) == 30)
        await until(sink, Verdict.OK)
        await sink.until(lambda: asked[-1] > asked[0])
    assert len(set(pairs(sink))) == 30


async def test_a_long_answer_and_a_slow_query_are_asked_for_in_smaller_parts(
    tmp_path: Path, serve: Callable[[FastAPI], Awaitable[str]], sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus_api, "LARGEST", 4_000)
    app, sizes, start = FastAPI(), [], 1_000_000_000.0

    @app.post("/api/v1/query_range")
    async def query_range(request: Request) -> Response:
        form = dict(p.split("=") for p in (await request.body()).decode().split("&"))
        first, last = float(form["start"]), float(form["end"])
        sizes.append(round(last - first) + 1)
        if sizes[-1] > 300:
            said = {"status": "error", "errorType": "timeout", "error": "query timed out"}
            return Response(orjson.dumps(said), 503, media_type="application/json")
        points = [(t, "1") for t in range(int(first), int(last) + 1)]
        return Response(orjson.dumps(matrix(*points)), media_type="application/json")

    one = source(await serve(app), tmp_path, pace=replace(PACE, step=1.0, backfill=600.0, stale=9.0))
    async with running(one, sink, Standing(start)):
        await sink.until(lambda: verdicts(sink)[-1:] == [Verdict.OK])
    assert [r.time for r in sink.records] == [start - 600 + i for i in range(601)]
    assert sizes[0] == 601
    assert min(sizes) < 150


async def test_a_store_that_is_full_loses_nothing(tmp_path: Path, service: Service, sink: Any) -> None:
    sink.refuse = StoreError("disk full")
    async with running(source(service, tmp_path), sink):
        await sink.until(lambda: len(sink.records) >= 3)
    assert any("disk full" in f.detail for f in sink.findings)
    assert not service.missing([r.time for r in sink.records])


async def test_a_bearer_token_is_read_each_time_and_told_to_nobody(
    tmp_path: Path, serve: Callable[[FastAPI], Awaitable[str]]
) -> None:
    app, seen, elsewhere = FastAPI(), [], []

    @app.post("/prom/api/v1/query_range")
    async def query_range(request: Request) -> Response:
        seen.append(request.headers["authorization"])
        if len(seen) == 3:
            return Response(status_code=307, headers={"location": f"{url}/other"})
        return Response(orjson.dumps(matrix()), media_type="application/json")

    @app.post("/other")
    async def other(request: Request) -> None:
        elsewhere.append(request.headers.get("authorization"))

    url, token = await serve(app), tmp_path / "token"
    async with client(base_url=f"{url}/prom") as http:
        api = Api(http, 2.0, Credentials(bearer_file=token))
        for text in ("one\n", "two"):
            token.write_text(text)
            assert (await api.query_range("x", 0, 1, 1)).series == []
        with pytest.raises(PrometheusError, match="elsewhere"):
            await api.query_range("x", 0, 1, 1)
        for text in ("", "se\ncret", "sécret", "s" * 20_000):
            token.write_text(text)
            with pytest.raises(SecretError) as refused:
                await api.query_range("x", 0, 1, 1)
            assert str(refused.value) == f"{token} must hold one line of printable ASCII"
    assert seen == ["Bearer one", "Bearer two", "Bearer two"]
    assert elsewhere == []


def test_a_plain_selector_is_asked_for_the_samples_of_each_step() -> None:
    assert samples_of("up", 15) == "last_over_time(up[15000ms])"
    assert samples_of(' a:b{x="y", z=~"q|r"} ', 0.2) == 'last_over_time(a:b{x="y", z=~"q|r"}[200ms])'
    for query in ("rate(x[5m])", "a / b", "up[5m]", "sum by (model) (x)", "x offset 5m"):
        assert samples_of(query, 15) == query


def test_an_unusable_state_file_is_begun_anew(tmp_path: Path) -> None:
    from autoheal.sources.prometheus_cursor import load

    for text in ("", "[1]", '{"a": 1}', '{"a": {"until": "x"}}'):
        (tmp_path / "s.json").write_text(text)
        assert load(tmp_path / "s.json") == {}
