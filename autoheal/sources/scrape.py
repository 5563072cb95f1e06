"""``scrape``: the model server's ``/metrics`` page, turned into ``latency_p95_ms``, ``error_rate``, ``requests_per_s``.

``map`` names our metric and the page's: ``latency_p95_ms: model_latency_seconds`` (a histogram, summary or gauge),
``requests_per_s: model_requests_total`` (a counter), ``error_rate: model_errors_total / model_requests_total``; any
other name takes a gauge as it is and a counter as its rate. Each may pick labels: ``requests_total{model="fraud"}``.
OpenMetrics is asked for, and the older text format taken; units are those of the page. The surprising part: the first page gives no rates, and a page that is away gives nothing at all, not zeros.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime

from autoheal.clock import Clock
from autoheal.domain.names import ModelName
from autoheal.errors import AutohealError
from autoheal.net import AsyncClient, HTTPError, TimeoutException, client
from autoheal.sources.contract import Pulse, Sink
from autoheal.sources.page import Reading, family_of, gauge, quantile, rate, read, share
from autoheal.sources.secret import Credentials, Tls
from autoheal.sources.selector import Selector
from autoheal.telemetry import Metric
from autoheal.telemetry.values import to_unix

#: What is looked for when the settings map nothing.
USUAL = {
    "latency_p95_ms": "model_latency_seconds",
    "requests_per_s": "model_requests_total",
    "error_rate": "model_errors_total / model_requests_total",
}
#: Short names that people write for ours.
SHORT = {"errors": "error_rate", "requests": "requests_per_s"}
#: A page may be this large; above ``LONG`` it is read in a thread.
LARGEST = 8 * 1024 * 1024
LONG = 64 * 1024
_QUANTILE = re.compile(r"latency_p(\d{1,2}(?:\.\d+)?)_ms")
ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


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
        credentials: Credentials | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.name = name
        self.url = url
        self.model = model
        self.every = every
        self.timeout = timeout
        self.credentials = credentials or Credentials()
        self.tls = tls
        self.metrics = {
            (name := _name(ours)): _selectors(name, theirs) for ours, theirs in (metrics or USUAL).items()
        }

    async def run(self, sink: Sink, clock: Clock) -> None:
        """Scrape until cancelled."""
        pulse = Pulse(self.name)
        while True:
            try:
                tls = await asyncio.to_thread(self.tls.context) if self.tls else None
                async with client(timeout=self.timeout, connections=1, tls=tls) as http:
                    await self._follow(http, sink, clock, pulse)
            except AutohealError as error:
                await pulse.away(sink, clock.now(), f"{self.url}: {error}"[:300])
                await clock.sleep(self.every)

    async def _follow(self, http: AsyncClient, sink: Sink, clock: Clock, pulse: Pulse) -> None:
        """Until cancelled."""
        before: Reading | None = None
        while True:
            started, now = clock.monotonic(), None
            try:
                now = await self._page(http, clock)
                if found := await asyncio.to_thread(self.compare, before, now, clock.now()):
                    await sink(found)
            except (HTTPError, ValueError, OSError, AutohealError) as error:
                before = before if now else None  # what could not be stored is part of the next interval
                await pulse.away(sink, clock.now(), f"{self.url}: {self._sentence(error)}"[:300])
            else:
                before = now
                await pulse.up(sink, clock.now())
            await clock.sleep(max(self.every - (clock.monotonic() - started), 0.01))

    def _sentence(self, error: Exception) -> str:
        if isinstance(error, TimeoutError | TimeoutException):
            return f"did not answer within {self.timeout:g}s"
        said = " ".join(str(error).split())
        return said if isinstance(error, ValueError | AutohealError) else f"{type(error).__name__}: {said}"

    async def _page(self, http: AsyncClient, clock: Clock) -> Reading:
        """The page; ``ValueError`` when it is none or a very long one."""
        headers = {"accept": ACCEPT} | await asyncio.to_thread(self.credentials.header)
        async with asyncio.timeout(self.timeout):
            body, strict = await self._body(http, headers)
        at, text = clock.monotonic(), body.decode("utf-8", "replace")
        if len(body) > LONG:
            return await asyncio.to_thread(read, text, at, strict=strict)
        return read(text, at, strict=strict)

    async def _body(self, http: AsyncClient, headers: Mapping[str, str]) -> tuple[bytes, bool]:
        """The page as it came, and whether it is OpenMetrics."""
        parts, size = [], 0
        async with http.stream("GET", self.url, headers=dict(headers)) as answer:
            if 300 <= answer.status_code < 400:
                raise ValueError(f"sends us elsewhere ({answer.status_code}): give the final address")
            if answer.status_code != 200:
                raise ValueError(f"answered {answer.status_code}")
            strict = answer.headers.get("content-type", "").startswith("application/openmetrics-text")
            async for part in answer.aiter_bytes():
                size += len(part)
                if size > LARGEST:
                    raise ValueError(f"is longer than {LARGEST >> 20} MiB")
                parts.append(part)
        body, framed = b"".join(parts), {"content-length", "transfer-encoding"} & set(answer.headers)
        if not (strict or framed or body.endswith(b"\n") or not body):
            raise ValueError("was cut off in the middle of a line")  # its last number would be a reset
        return body, strict

    def compare(self, before: Reading | None, now: Reading, at: datetime) -> list[Metric]:
        """The metrics of a page and the one before it; what cannot be computed is left out."""
        found = {ours: self._value(ours, theirs, before, now) for ours, theirs in self.metrics.items()}
        return [
            Metric(self.model, ours, value, to_unix(at)) for ours, value in found.items() if value is not None
        ]

    @staticmethod
    def _value(ours: str, theirs: tuple[Selector, ...], before: Reading | None, now: Reading) -> float | None:
        first, kind = theirs[0], now.kinds.get(family_of(theirs[0].name))
        counter = first.name.endswith("_total") or kind == "counter"
        if before is None:
            if counter or len(theirs) > 1 or kind == "histogram":
                return None
            before = now
        if len(theirs) > 1:
            return share(first, theirs[1], before, now)
        if q := _QUANTILE.fullmatch(ours):
            value = quantile(first, float(q[1]) / 100, before, now)
            return None if value is None else value * now.milliseconds(first.name)
        return rate(first, before, now) if counter else gauge(first, now)


def _name(ours: str) -> str:
    return f"{ours}_ms" if _QUANTILE.fullmatch(f"{ours}_ms") else SHORT.get(ours, ours)


def _selectors(ours: str, theirs: str) -> tuple[Selector, ...]:
    """One selector, or the two of a share; a slash inside of braces is part of a label."""
    if ours.startswith("latency_p") and not _QUANTILE.fullmatch(ours):
        raise ValueError(f"{ours!r}: a quantile is called latency_p95_ms or latency_p99.9_ms")
    parts = re.split(r"/(?![^{]*\})", theirs)
    if len(parts) > 2:
        raise ValueError(f"{theirs!r} is no metric: a share is written part / whole")
    return tuple(Selector.parse(part) for part in parts)
