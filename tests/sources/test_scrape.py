"""Scraping a real Prometheus page: rates over resets, quantiles, and gaps instead of zeros."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header, Response
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import choose_encoder

from autoheal.clock import SystemClock
from autoheal.domain.names import ModelName, Verdict
from autoheal.errors import StoreError
from autoheal.sources import page
from autoheal.sources.scrape import Scrape
from autoheal.sources.secret import Credentials, Tls
from autoheal.sources.selector import Selector
from autoheal.telemetry import Metric
from tests.contracts.servers import Prometheus as RealPrometheus
from tests.contracts.servers import stopping

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = ModelName("fraud")
# bcrypt of "heal-secret" at its cheapest cost
HASH = "$2b$04$abcdefghijklmnopqrstuu62PhYEkQDqfqPrnazzFKDkcUipdpram"


def reading(text: str, at: float) -> page.Reading:
    return page.read(text, at)


def source(**metrics: str) -> Scrape:
    return Scrape("metrics", url="http://x", model=MODEL, metrics=metrics)


def values(found: list[Metric]) -> dict[str, float]:
    return {m.name: m.value for m in found}


COUNTERS = """# TYPE model_requests counter
model_requests_total{{model="fraud"}} {fraud}
model_requests_total{{model="other"}} {other}
# TYPE model_errors counter
model_errors_total{{model="fraud"}} {errors}
"""


def test_counters_become_rates_and_shares_of_the_chosen_labels() -> None:
    one = source(
        requests='model_requests_total{model="fraud"}',
        error_rate='model_errors_total{model="fraud"} / model_requests_total{model="fraud"}',
    )
    before = reading(COUNTERS.format(fraud=100, other=5, errors=1), 10.0)
    now = reading(COUNTERS.format(fraud=150, other=99, errors=6), 20.0)
    assert one.compare(None, before, NOW) == []
    assert values(one.compare(before, now, NOW)) == {"requests_per_s": 5.0, "error_rate": 0.1}


def test_a_reset_counter_counts_from_zero_and_no_requests_is_no_error_rate() -> None:
    one = source(
        requests_per_s="model_requests_total", error_rate="model_errors_total / model_requests_total"
    )
    before = reading(COUNTERS.format(fraud=100, other=50, errors=9), 0.0)
    reset = reading(COUNTERS.format(fraud=20, other=50, errors=0), 10.0)
    assert values(one.compare(before, reset, NOW)) == {"requests_per_s": 2.0, "error_rate": 0.0}
    assert values(
        one.compare(reset, page.read(COUNTERS.format(fraud=20, other=50, errors=0), 20.0), NOW)
    ) == {"requests_per_s": 0.0}


def test_a_histogram_becomes_its_quantile_of_the_interval_only() -> None:
    registry = CollectorRegistry()
    seconds = Histogram("model_latency_seconds", "-", registry=registry, buckets=(0.01, 0.1, 1.0))
    for _ in range(1000):
        seconds.observe(0.9)
    before = page.read(generate_latest(registry).decode(), 0.0)
    for _ in range(100):
        seconds.observe(0.05)
    now = page.read(generate_latest(registry).decode(), 10.0)
    one = source(latency_p95="model_latency_seconds", latency_p50_ms="model_latency_seconds")
    found = values(one.compare(before, now, NOW))
    assert found == {"latency_p95_ms": pytest.approx(95.5), "latency_p50_ms": pytest.approx(55.0)}
    assert one.compare(now, page.read(generate_latest(registry).decode(), 20.0), NOW) == [], (
        "no request, no latency"
    )


def test_gauges_are_taken_as_they_are_and_what_is_not_there_is_left_out() -> None:
    registry = CollectorRegistry()
    Gauge("queue", "-", registry=registry).set(7)
    Gauge("broken", "-", registry=registry).set(float("nan"))
    now = page.read(generate_latest(registry).decode(), 0.0)
    assert values(source(depth="queue", gone="nothing", odd="broken").compare(None, now, NOW)) == {
        "depth": 7.0
    }


OPEN = """# TYPE latency_milliseconds histogram
# UNIT latency_milliseconds milliseconds
# HELP latency_milliseconds how long
latency_milliseconds_bucket{{le="10.0"}} {low}
latency_milliseconds_bucket{{le="100.0"}} {mid} # {{trace_id="abc"}} 99.5 1.5
latency_milliseconds_bucket{{le="+Inf"}} {high}
latency_milliseconds_count {high}
latency_milliseconds_sum 1.0
latency_milliseconds_created {born}
# TYPE calls counter
calls_total {calls}
calls_created {born}
# TYPE load gauge
load NaN
load{{core="2"}} 3
load{{core="3"}} +Inf
# EOF
"""


def opened(at: float, born: float = 1.0, **values: float) -> page.Reading:
    return page.read(
        OPEN.format(**({"low": 0, "mid": 0, "high": 0, "calls": 0, "born": born} | values)), at, strict=True
    )


def test_openmetrics_with_units_exemplars_and_creation_times() -> None:
    one = source(latency_p50="latency_milliseconds", requests="calls_total", load="load")
    before = opened(0.0, low=50, mid=90, high=100, calls=10)
    grown = opened(10.0, low=60, mid=110, high=120, calls=30)
    assert values(one.compare(before, grown, NOW)) == {
        "latency_p50_ms": 10.0,
        "requests_per_s": 2.0,
        "load": 3.0,
    }
    reborn = opened(10.0, born=9.0, low=200, mid=400, high=400, calls=30)
    assert values(one.compare(before, reborn, NOW)) == {
        "latency_p50_ms": 10.0,
        "requests_per_s": 3.0,
        "load": 3.0,
    }
    smaller = opened(10.0, low=60, mid=80, high=120, calls=5)  # one bucket went down: all of it is new
    found = values(one.compare(before, smaller, NOW))
    assert (found["latency_p50_ms"], found["requests_per_s"]) == (10.0, 0.5)


def test_a_page_that_was_cut_off_is_none() -> None:
    whole = OPEN.format(low=1, mid=1, high=1, calls=1, born=1)
    for bad in (
        whole.removesuffix("# EOF\n"),
        whole[:200],
        whole + "x 1\n",
        "# TYPE a counter\na{ 1\n# EOF\n",
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - the parser has many words for it
            page.read(bad, 0.0, strict=True)


def test_a_label_that_first_happens_counts_from_zero_and_nan_counts_for_nothing() -> None:
    one = source(rate="calls_total")
    text = "# TYPE calls counter\n"
    before = page.read(text + 'calls_total{v="1"} 10\ncalls_total{v="n"} NaN\n', 0.0)
    now = page.read(text + 'calls_total{v="1"} 12\ncalls_total{v="2"} 3\ncalls_total{v="n"} 900\n', 1.0)
    assert values(one.compare(before, now, NOW)) == {"rate": 5.0}
    assert one.compare(page.read("up 1\n", 0.0), now, NOW) == [], "the family is new: nobody knows since when"


def test_histograms_with_other_edges_add_up_on_all_of_them() -> None:
    def text(a: int, b: int) -> str:
        return "\n".join(
            [f'h_bucket{{m="a",le="1"}} {a}', f'h_bucket{{m="a",le="+Inf"}} {a}',
             f'h_bucket{{m="b",le="2"}} {b}', f'h_bucket{{m="b",le="+Inf"}} {b}', ""]
        )  # fmt: skip

    one = source(latency_p75="h")
    found = values(one.compare(page.read(text(0, 0), 0.0), page.read(text(10, 10), 1.0), NOW))
    assert found == {"latency_p75_ms": 1500.0}


edges = st.lists(st.integers(0, 1000), min_size=3, max_size=3)


@given(st.lists(st.tuples(edges, st.booleans()), min_size=2, max_size=8), st.floats(0.01, 0.99))
def test_over_any_resets_a_histogram_sees_what_was_put_in(
    steps: list[tuple[list[int], bool]], q: float
) -> None:
    """A process that counts, and is sometimes born anew; each interval is judged by its own growth, if it can be seen."""
    state, before = [0, 0, 0], None
    for number, (add, reset) in enumerate(steps):
        state = [0, 0, 0] if reset else state
        state = [s + a for s, a in zip(state, add, strict=True)]
        low, mid, high = state[0], state[0] + state[1], sum(state)
        now = opened(
            float(number), born=1.0 + sum(r for _, r in steps[: number + 1]), low=low, mid=mid, high=high
        )
        if before is not None:
            value = page.quantile(Selector("latency_milliseconds"), q, before, now)
            assert (value is None) == (sum(add) == 0)
            if value is not None:
                wanted, edge = (
                    q * sum(add),
                    0 if add[0] >= q * sum(add) else 1 if add[0] + add[1] >= q * sum(add) else 2,
                )
                assert wanted > 0
                assert [0.0, 10.0, 100.0][edge] <= value <= [10.0, 100.0, 100.0][edge] * (1 + 1e-9)
        before = now


async def test_what_is_asked_for_and_what_is_taken(
    serve: Callable[[FastAPI], Awaitable[str]], sink: Any
) -> None:
    registry = CollectorRegistry()
    calls = Counter("calls", "-", registry=registry)
    app, accepted = FastAPI(), []

    @app.get("/metrics")
    async def metrics(accept: Annotated[str, Header()]) -> Response:
        calls.inc(10)
        accepted.append(accept)
        encode, kind = choose_encoder(accept)
        return Response(encode(registry), media_type=kind)

    one = Scrape(
        "m", url=await serve(app) + "/metrics", model=MODEL, every=0.01, metrics={"rate": "calls_total"}
    )
    task = asyncio.create_task(one.run(sink, SystemClock()))
    await sink.until(lambda: len(sink.records) > 1)
    task.cancel()
    await asyncio.wait({task})
    assert accepted[0].startswith("application/openmetrics-text")
    assert all(r.value > 0 for r in sink.records)


def test_a_slash_in_a_label_is_no_share_and_odd_quantiles_are_refused() -> None:
    one = source(errors='errors_total{path="/predict"} / calls_total{path="/predict"}')
    assert [s.name for s in one.metrics["error_rate"]] == ["errors_total", "calls_total"]
    for name, theirs in (("latency_pxx_ms", "a"), ("x", "a / b / c")):
        with pytest.raises(ValueError, match=r"a quantile is called|is no metric"):
            source(**{name: theirs})


@pytest.mark.parametrize(
    "text",
    ["", "a b", "1x", "{x=1}", 'a{b=~"("}', 'a{b="1" c="2"}', 'a{b=="1"}', "a{b}", 'a{="1"}', 'a{b="1}', "rate(a[5m])"],
)  # fmt: skip
def test_a_map_that_cannot_be_read_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="is no metric"):
        Selector.parse(text)


CODES = """# TYPE calls counter
calls_total{{code="200"}} {ok}
calls_total{{code="404",path="/a,b"}} {gone}
calls_total{{code="503",path="/x/y"}} {bad}
calls_total{{code="504",path="say \\"hi\\""}} {bad}
"""


@pytest.mark.parametrize(
    ("part", "want"),
    [
        ('calls_total{code=~"5.."}', 0.2),
        ("calls_total{code=~'5..',}", 0.2),
        ('calls_total{code!~"5..", code!="404"}', 0.6),
        ('calls_total{code=~"5"}', None),
        ("calls_total{code=404}", 0.2),
        ('calls_total{path="/a,b"}', 0.2),
        ('calls_total{path=~"/x/.*"}', 0.1),
        (r'calls_total{path="say \"hi\""}', 0.1),
        ('calls_total{path=""}', 0.6),
    ],
)
def test_matchers_pick_what_prometheus_would(part: str, want: float | None) -> None:
    """A matcher that was skipped made every request an error: the share must be of what was asked for."""
    one = source(errors=f"{part} / calls_total", n=part)
    before, now = (reading(CODES.format(ok=6 * n, gone=2 * n, bad=n), at=10.0 * n) for n in (10, 20))
    found = values(one.compare(before, now, NOW))
    assert found.get("n") == (None if want is None else pytest.approx(want))
    assert found["error_rate"] == pytest.approx(want or 0.0)


async def test_a_page_that_goes_away_and_comes_back(
    serve: Callable[[FastAPI], Awaitable[str]], sink: Any, clock: SystemClock
) -> None:
    registry = CollectorRegistry()
    requests = Counter("model_requests", "-", registry=registry)
    app, away = FastAPI(), False

    @app.get("/metrics")
    async def metrics() -> Response:
        requests.inc(10)
        return Response("<html>down</html>", 503) if away else Response(generate_latest(registry))

    url = await serve(app) + "/metrics"
    one = Scrape(
        "metrics", url=url, model=MODEL, every=0.01, metrics={"requests_per_s": "model_requests_total"}
    )
    task = asyncio.create_task(one.run(sink, clock))
    try:
        await sink.until(lambda: len(sink.records) >= 3)
        assert all(r.value > 0 for r in sink.records)
        away = True
        await sink.until(lambda: sink.findings[-1].verdict is Verdict.BREACH)
        held = len(sink.records)
        verdicts = [f.verdict for f in sink.findings]
        assert verdicts == [Verdict.OK, Verdict.NO_DATA, Verdict.BREACH]
        assert sink.findings[1].value is None
        assert "503" in sink.findings[-1].detail
        assert sink.findings[-1].target == "source:metrics"
        assert len(sink.records) == held
        away = False
        await sink.until(lambda: len(sink.records) > held)
        assert sink.findings[-1].verdict is Verdict.OK
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b"garbage\r\n\r\n"])
async def test_a_page_that_hangs_or_talks_nonsense_is_away_in_time(
    answer: bytes, sink: Any, clock: SystemClock
) -> None:
    hold = asyncio.Event()

    async def odd(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await hold.wait()
        writer.close()

    server = await asyncio.start_server(odd, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    one = Scrape("metrics", url=f"http://127.0.0.1:{port}/", model=MODEL, every=0.01, timeout=0.2)
    task = asyncio.create_task(one.run(sink, clock))
    try:
        await sink.until(lambda: bool(sink.findings) and sink.findings[-1].verdict is Verdict.BREACH)
        assert sink.records == []
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        hold.set()
        server.close()
        await server.wait_closed()


async def test_credentials_tls_and_what_stands_in_the_way(
    tmp_path: Path, certificate: tuple[Path, Path], sink: Any, clock: SystemClock
) -> None:
    """A real exporter behind TLS and a password: Prometheus' own page."""
    cert, key = certificate
    web = f"basic_auth_users: {{heal: '{HASH}'}}\ntls_server_config: {{cert_file: {cert}, key_file: {key}}}\n"
    secret = tmp_path / "password"
    async with stopping(RealPrometheus.at(tmp_path, web_config=web)) as server:
        url = f"https://127.0.0.1:{server.port}/metrics"
        login = Credentials(username="heal", password_file=secret)

        async def says(said: str, verdict: Verdict = Verdict.NO_DATA, at: str = url, **rest: Any) -> None:
            sink.findings.clear()
            one = Scrape(
                "s", url=at, model=MODEL, every=0.02, timeout=2.0, metrics={"n": "go_goroutines"}, **rest
            )
            task = asyncio.create_task(one.run(sink, clock))
            try:
                await sink.until(lambda: bool(sink.findings))
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            assert sink.findings[0].verdict is verdict
            assert said in sink.findings[0].detail, sink.findings[0].detail
            assert "heal-secret" not in sink.findings[0].detail

        ours = Tls(ca_file=cert)
        await says("certificate verify failed")
        await says("no.pem", tls=Tls(ca_file=tmp_path / "no.pem"))
        await says(f"{url}: answered 401", tls=ours)
        await says("password cannot be read", tls=ours, credentials=login)
        secret.write_text("heal-secret\n")
        await says("", Verdict.OK, tls=ours, credentials=login)
        await says("sends us elsewhere (302)", at=url.removesuffix("/metrics"), tls=ours, credentials=login)
    assert sink.records
    assert sink.records[-1].value > 1


async def test_what_could_not_be_stored_is_in_the_next_interval(
    serve: Callable[[FastAPI], Awaitable[str]], sink: Any, clock: SystemClock
) -> None:
    app, count = FastAPI(), 0

    @app.get("/metrics")
    async def metrics() -> Response:
        nonlocal count
        count += 1
        if count == 2:
            sink.refuse = StoreError("disk full")
        return Response(f"# TYPE a counter\na_total {min(count, 2) * 1000}\n")

    one = Scrape("s", url=await serve(app) + "/metrics", model=MODEL, every=0.02, metrics={"r": "a_total"})
    task = asyncio.create_task(one.run(sink, clock))
    try:
        await sink.until(lambda: len(sink.records) >= 2)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert sink.records[0].value > 0, "the growth that the full disk refused"
    assert any("disk full" in f.detail for f in sink.findings)
