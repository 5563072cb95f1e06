"""Pages from which a number cannot be known: a gap, never a wrong number."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from autoheal.clock import SystemClock
from autoheal.domain.names import ModelName, Verdict
from autoheal.sources import page
from autoheal.sources.scrape import Scrape

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = ModelName("fraud")


def compared(before: str, now: str, **metrics: str) -> dict[str, float]:
    one = Scrape("m", url="http://x", model=MODEL, metrics=metrics)
    return {m.name: m.value for m in one.compare(page.read(before, 0.0), page.read(now, 10.0), NOW)}


def test_another_quantile_of_a_summary_is_no_stand_in() -> None:
    text = '# TYPE lat_seconds summary\nlat_seconds{quantile="0.5"} 0.01\nlat_seconds{quantile="0.99"} 9\n'
    assert compared(text, text, latency_p95_ms="lat_seconds") == {}
    assert compared(text, text, latency_p99_ms="lat_seconds") == {"latency_p99_ms": 9000.0}
    assert compared(text, text, latency_p95_ms='lat_seconds{quantile="0.5"}') == {"latency_p95_ms": 10.0}


def test_a_histogram_with_only_an_edge_at_infinity_has_no_quantile() -> None:
    """As a native histogram looks on a text page: the count is known, where the values lie is not."""
    text = '# TYPE lat_seconds histogram\nlat_seconds_bucket{{le="+Inf"}} {0}\nlat_seconds_count {0}\n'
    assert compared(text.format(1), text.format(50), latency_p95_ms="lat_seconds") == {}


@pytest.mark.parametrize(("was", "is_"), [("5", "NaN"), ("NaN", "5")])
def test_a_share_of_what_is_not_a_number_is_unknown(was: str, is_: str) -> None:
    text = "# TYPE err counter\nerr_total {}\n# TYPE req counter\nreq_total {}\n"
    assert compared(text.format(was, 10), text.format(is_, 20), error_rate="err_total / req_total") == {}


async def test_a_page_without_a_length_that_ends_in_a_number_is_half_an_answer(sink: Any) -> None:
    """HTTP/1.0 ends a body by closing; a server that dies in the middle looks the same, but for the missing newline."""
    whole = b"# TYPE req counter\nreq_total 12345\n"
    answers = [whole, whole[:-4], whole]
    asked = 0

    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\n" + answers[min(asked, 2)])
        asked += 1
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(old, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/metrics"
    one = Scrape("m", url=url, model=MODEL, every=0.01, metrics={"requests": "req_total"})
    task = asyncio.create_task(one.run(sink, SystemClock()))
    try:
        await sink.until(lambda: len(sink.records) >= 2)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()
    assert {r.value for r in sink.records} == {0.0}
    assert any(f.verdict is Verdict.NO_DATA and "cut off" in f.detail for f in sink.findings)
