"""``prometheus``: service metrics asked of a Prometheus server by range queries, with back-fill over outages.

``map`` names our metric and a PromQL query, for one ``model`` or for many by ``model_label``. Each round asks from
where the last one ended, in chunks that the server can bear, so an outage of either side leaves no gap younger than
``backfill``. Metrics named in ``instant`` are asked for at one time and never afterwards. The cursor is stored after the samples; a crash between the two repeats at most one chunk.

The client is our own, on ``autoheal.net``, and not prometheus-api-client, which blocks and throws warnings of partial
answers away (docs/decisions/0007). What surprises: a plain selector is
asked as ``last_over_time(selector[step])``, since Prometheus else repeats the last value for 5 minutes after its
source went; an empty answer is *no data*, never zero; NaN and infinity are dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from autoheal.clock import Clock
from autoheal.domain.names import ModelName
from autoheal.errors import AutohealError
from autoheal.net import client
from autoheal.sources.contract import Pulse, Sink, whole
from autoheal.sources.prometheus_api import Answer, Api, PrometheusError, Series
from autoheal.sources.prometheus_cursor import Cursor, load, save
from autoheal.sources.secret import Credentials, Tls
from autoheal.sources.tally import Tally
from autoheal.telemetry import Metric
from autoheal.telemetry.values import from_unix, to_unix

_LOG = logging.getLogger(__name__)
#: Points per series in one question (Prometheus refuses more than 11,000), and records per hand-over.
MOST_POINTS = 10_000
BATCH = 5_000
_SELECTOR = re.compile(r"\s*[a-zA-Z_:][\w:]*\s*(\{[^{}]*\})?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pace:
    """Real seconds between rounds and for one question; data seconds for the others.

    ``late`` is how long a sample may take to reach Prometheus, ``stale`` after how long a metric is silent.
    """

    every: float = 15.0
    step: float = 15.0
    timeout: float = 10.0
    backfill: float = 6 * 3600.0
    late: float = 60.0
    stale: float = 300.0


@dataclass(frozen=True, slots=True)
class Server:
    """Where Prometheus is, and how to be let in."""

    url: str
    credentials: Credentials = field(default_factory=Credentials)
    tls: Tls | None = None


class Prometheus:
    """Asks one server about one or many models; ``tally.refused`` counts dropped samples by reason."""

    def __init__(
        self,
        name: str,
        *,
        server: Server,
        queries: Mapping[str, str],
        models: Collection[ModelName],
        state_file: Path,
        model_label: str = "",
        pace: Pace | None = None,
        instant: Collection[str] = (),
    ) -> None:
        if not model_label and len(models) != 1:
            raise ValueError("without model_label the queries are about exactly one model")
        self.name = name
        self.server = server
        self.pace = pace or Pace()
        self.models = frozenset(models)
        self.model_label = model_label
        self._only = ModelName("") if model_label else next(iter(self.models))
        self.queries = {ours: samples_of(query, self.pace.step) for ours, query in queries.items()}
        self.plain = frozenset(ours for ours, query in queries.items() if _SELECTOR.fullmatch(query))
        self.instant = frozenset(instant)
        self.tally = Tally(name)
        self.missed = 0.0
        self._state_file = state_file
        self._cursors: dict[str, Cursor] = {}
        self._chunk = dict.fromkeys(self.queries, MOST_POINTS)

    async def run(self, sink: Sink, clock: Clock) -> None:
        """Ask until cancelled."""
        self._cursors = await asyncio.to_thread(load, self._state_file)
        pulse = Pulse(self.name)
        silent = {ours: Pulse(self.name, subject=ours) for ours in self.queries}
        while True:
            try:
                tls = await asyncio.to_thread(self.server.tls.context) if self.server.tls else None
                url = self.server.url.rstrip("/")
                async with client(base_url=url, timeout=self.pace.timeout, connections=1, tls=tls) as http:
                    api = Api(http, self.pace.timeout, self.server.credentials)
                    while True:
                        started = clock.monotonic()
                        faults = await self._round(api, sink, clock)
                        await self._tell(faults, sink, clock.now(), pulse, silent)
                        await clock.sleep(max(self.pace.every - (clock.monotonic() - started), 0.01))
            except (AutohealError, OSError) as error:
                await self._tell([str(error)], sink, clock.now(), pulse, silent)
                await clock.sleep(self.pace.every)

    async def _round(self, api: Api, sink: Sink, clock: Clock) -> list[str]:
        """A question per metric. One that is refused does not keep the others from being asked, a dead server does."""
        faults: list[str] = []
        for ours in self.queries:
            try:
                faults += [f"{ours}: {w}" for w in await self._catch_up(api, ours, sink, clock.now())]
            except PrometheusError as error:
                if not error.reached:
                    raise
                faults.append(f"{ours}: {error}")
        return faults

    async def _tell(
        self, faults: Sequence[str], sink: Sink, now: datetime, pulse: Pulse, silent: Mapping[str, Pulse]
    ) -> None:
        """The source's health (``up``), that of each metric, and what was refused."""
        heard = 0
        for ours, one in silent.items():
            newest = self._cursor(ours).newest
            if to_unix(now) - newest <= self.pace.stale:
                heard += 1
                await one.up(sink, now)
            else:
                why = f"no sample since {from_unix(newest):%Y-%m-%dT%H:%M:%SZ}" if newest else "no sample yet"
                await one.quiet(sink, now, f"{why}: {self.queries[ours]}"[:300])
        await self.tally.report(sink, now)
        if faults:
            await pulse.away(sink, now, f"{self.server.url}: {'; '.join(faults)}"[:300])
        elif not heard:
            await pulse.quiet(sink, now, f"{self.server.url}: no query has a sample of late")
        else:
            await pulse.up(sink, now)

    async def _catch_up(self, api: Api, ours: str, sink: Sink, at: datetime) -> tuple[str, ...]:
        """Everything up to now, chunk by chunk; the warnings of a partial answer, after which we ask again."""
        step = self.pace.step
        edge = math.floor(to_unix(at) / step) * step
        if ours in self.instant:
            answer = await api.query(self.queries[ours], edge)
            await whole(self._take(ours, self._sure(ours, answer), sink, edge))
            return answer.partial
        start = self._start(ours, edge)
        partial: tuple[str, ...] = ()
        while start <= edge:
            end = min(start + (self._chunk[ours] - 1) * step, edge)
            try:
                answer = await api.query_range(self.queries[ours], start, end, step)
            except PrometheusError as error:
                if not error.less or self._chunk[ours] == 1:
                    raise
                self._chunk[ours] = max(1, min(self._chunk[ours], round((end - start) / step) + 1) // 4)
                if not error.reached:
                    raise
                continue
            self._chunk[ours] = min(MOST_POINTS, self._chunk[ours] * 2)
            partial = answer.partial or partial
            await whole(self._take(ours, self._sure(ours, answer), sink, None if partial else end))
            start = end + step
        return partial

    def _sure(self, ours: str, answer: Answer) -> Answer:
        """What of an answer is true: the samples of a partial one are, what was computed from them may be anything."""
        return replace(answer, series=()) if answer.partial and ours not in self.plain else answer

    async def _take(self, ours: str, answer: Answer, sink: Sink, until: float | None) -> None:
        """Hand the samples on, then remember that."""
        cursor = self._cursor(ours)
        await self._hand_on(ours, answer, sink)
        if until is not None:
            cursor.until = max(cursor.until, until)
            cursor.forget(cursor.until - self.pace.late - self.pace.step / 2)
        await asyncio.to_thread(save, self._state_file, self._cursors)

    def _start(self, ours: str, edge: float) -> float:
        """Where to ask from, on the grid of steps; what lies further back than ``backfill`` is given up."""
        cursor, step, furthest = self._cursor(ours), self.pace.step, edge - self.pace.backfill
        if cursor.until and cursor.until < furthest:
            self.missed += furthest - cursor.until
            _LOG.warning(
                "%s: %s: %.0fs are further back than backfill", self.name, ours, furthest - cursor.until
            )
            cursor.until = furthest
        if cursor.until > edge:
            _LOG.warning("%s: %s: was read up to %.0fs from now", self.name, ours, cursor.until - edge)
            cursor.until = edge  # our clock was ahead and was put right: go on from here, not when it is then
        start = max(cursor.until - self.pace.late, furthest) if cursor.until else furthest
        return math.ceil(start / step - 1e-6) * step

    async def _hand_on(self, ours: str, answer: Answer, sink: Sink) -> None:
        cursor = self._cursor(ours)
        found: list[Metric] = []
        for model, series in self._by_model(ours, answer).items():
            for time, value in series.points:
                if not cursor.fresh(model, time):
                    continue
                if math.isfinite(value):
                    found.append(Metric(model, ours, value, time))
                else:
                    cursor.mark(model, time)
                    self.tally.refuse("nan" if math.isnan(value) else "infinite", ours)
        found.sort(key=lambda metric: metric.time)
        for i in range(0, len(found), BATCH):
            batch = found[i : i + BATCH]
            await sink(batch)
            self.tally.taken += len(batch)
            for metric in batch:
                cursor.take(metric.model, metric.time)

    def _by_model(self, ours: str, answer: Answer) -> dict[ModelName, Series]:
        """The one series of each model; two for one model are nobody's, for adding them up would be a guess."""
        found: dict[ModelName, list[Series]] = {}
        for series in answer.series:
            model = ModelName(series.labels.get(self.model_label, "")) if self.model_label else self._only
            if model in self.models:
                found.setdefault(model, []).append(series)
            else:
                self._refuse(ours, [series], "unknown_model" if model else "no_model_label", model)
        for model, several in found.items():
            if len(several) > 1:
                self._refuse(ours, several, "several_series", model)
        return {model: several[0] for model, several in found.items() if len(several) == 1}

    def _refuse(self, ours: str, several: Sequence[Series], reason: str, model: str) -> None:
        """Count the points of series that nobody can have, each once."""
        cursor, key = self._cursor(ours), f"{reason} {model}"
        for time in {time for series in several for time, _ in series.points}:
            if cursor.fresh(key, time):
                cursor.mark(key, time)
                self.tally.refuse(reason, f"{ours}: {len(several)} series of {model[:80]!r}")

    def _cursor(self, ours: str) -> Cursor:
        return self._cursors.setdefault(ours, Cursor())


def samples_of(query: str, step: float) -> str:
    """The query as it is asked: a plain selector gives its samples of each step, and nothing where there are none."""
    if _SELECTOR.fullmatch(query):
        return f"last_over_time({query.strip()}[{max(round(step * 1000), 1)}ms])"
    return query
