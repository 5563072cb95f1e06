"""``scrape``: the model server's ``/metrics`` page, turned into ``latency_p95_ms``, ``error_rate``, ``requests_per_s``.

``map`` names our metric and the page's: ``latency_p95_ms: model_latency_seconds`` (a histogram, summary or gauge),
``requests_per_s: model_requests_total`` (a counter), ``error_rate: model_errors_total / model_requests_total``; any
other name takes a gauge as it is and a counter as its rate. Each may pick labels: ``requests_total{model="fraud"}``.
The surprising part: the first page gives no rates, and a page that is away gives nothing at all, not zeros.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from autoheal.clock import Clock
from autoheal.domain.names import ModelName
from autoheal.errors import AutohealError
from autoheal.net import AsyncClient, HTTPError, client
from autoheal.sources.contract import Pulse, Sink
from autoheal.sources.page import Reading, Selector, gauge, quantile, rate, read, share
from autoheal.telemetry import Metric
from autoheal.telemetry.values import to_unix

#: What is looked for when the settings map nothing.
USUAL = {
    "latency_p95_ms": "model_latency_seconds",
    "requests_per_s": "model_requests_total",
    "error_rate": "model_errors_total / model_requests_total",
}
#: Short names that people write for ours.
SHORT = {"latency_p95": "latency_p95_ms", "errors": "error_rate", "requests": "requests_per_s"}
#: A page may be this large.
LARGEST = 8 * 1024 * 1024


class Scrape:
    """Reads one page for one model every so often; raises ``ValueError`` at once for a map that cannot be read."""

    def __init__(
        self,
        name: str,
        *,
        url: str,
        model: ModelName,
        every: float = 15.0,
        timeout: float = 5.0,
        metrics: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.url = url
        self.model = model
        self.every = every
        self.timeout = timeout
        self.metrics = {
            SHORT.get(ours, ours): tuple(Selector.parse(part) for part in theirs.split("/"))
            for ours, theirs in (metrics or USUAL).items()
        }

    async def run(self, sink: Sink, clock: Clock) -> None:
        """Scrape until cancelled."""
        pulse = Pulse(self.name)
        before: Reading | None = None
        async with client(timeout=self.timeout, connections=1) as http:
            while True:
                started = clock.monotonic()
                try:
                    async with asyncio.timeout(self.timeout):
                        page = await self._page(http)
                    now = read(page, clock.monotonic())
                    if found := self.compare(before, now, clock.now()):
                        await sink(found)
                except (HTTPError, ValueError, OSError, AutohealError) as error:
                    before = None
                    why = f"{self.url}: {type(error).__name__}: {str(error)[:200]}".rstrip(": ")
                    await pulse.away(sink, clock.now(), why)
                else:
                    before = now
                    await pulse.up(sink, clock.now())
                await clock.sleep(max(self.every - (clock.monotonic() - started), 0.01))

    async def _page(self, http: AsyncClient) -> str:
        """The text of the page; ``ValueError`` when it is no page or a very long one."""
        parts, size = [], 0
        async with http.stream("GET", self.url) as answer:
            if answer.status_code != 200:
                raise ValueError(f"answered {answer.status_code}")
            async for part in answer.aiter_bytes():
                size += len(part)
                if size > LARGEST:
                    raise ValueError(f"is longer than {LARGEST >> 20} MiB")
                parts.append(part)
        return b"".join(parts).decode("utf-8", "replace")

    def compare(self, before: Reading | None, now: Reading, at: datetime) -> list[Metric]:
        """The metrics of a page and the one before it; what cannot be computed is left out."""
        found = {ours: self._value(ours, theirs, before, now) for ours, theirs in self.metrics.items()}
        return [
            Metric(self.model, ours, value, to_unix(at)) for ours, value in found.items() if value is not None
        ]

    @staticmethod
    def _value(ours: str, theirs: tuple[Selector, ...], before: Reading | None, now: Reading) -> float | None:
        first = theirs[0]
        counter = first.name.endswith("_total") or now.kinds.get(first.name) == "counter"
        if before is None:
            known = counter or len(theirs) > 1 or now.kinds.get(first.name) == "histogram"
            return None if known else gauge(first, now)
        if len(theirs) > 1:
            return share(first, theirs[1], before, now)
        if ours.startswith("latency_p"):
            value = quantile(
                first, float(ours.removeprefix("latency_p").removesuffix("_ms")) / 100, before, now
            )
            scale = 1.0 if first.name.endswith(("_ms", "_milliseconds")) else 1000.0
            return None if value is None else value * scale
        return rate(first, before, now) if counter else gauge(first, now)
