"""Scraping a real Prometheus page: rates over resets, quantiles, and gaps instead of zeros."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from autoheal.clock import SystemClock
from autoheal.domain.names import ModelName, Verdict
from autoheal.sources import page
from autoheal.sources.page import Selector
from autoheal.sources.scrape import Scrape
from autoheal.telemetry import Metric

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = ModelName("fraud")


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


@pytest.mark.parametrize("text", ["", "a b", "1x", "{x=1}"])
def test_a_map_that_cannot_be_read_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="is no metric"):
        Selector.parse(text)


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
