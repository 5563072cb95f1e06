"""The sources in force, each behind a meter. Called by ``app``, which supervises them and hands their health to the doors.

Meters live as long as the daemon: a reload makes new sources and goes on counting. What surprises: pushed rows have one
door whatever the sources of kind ``http_push`` are called, so they count for the first of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter

from autoheal.clock import Clock
from autoheal.domain.finding import Finding
from autoheal.domain.names import ModelName, Task
from autoheal.domain.source_health import SourceHealth
from autoheal.errors import AutohealError
from autoheal.sources.alertmanager import Alertmanager, alertmanager_router
from autoheal.sources.contract import Intake, Sink, Source
from autoheal.sources.http_push import HttpPush, telemetry_router
from autoheal.sources.meter import Meter
from autoheal.telemetry import Batch, Counts, Record


@dataclass(frozen=True, slots=True)
class Metered:
    """A sink that measures who uses it."""

    sink: Sink
    meter: Meter
    clock: Clock

    async def __call__(self, records: Sequence[Record], batch: Batch | None = None) -> Counts:
        try:
            counts = await self.sink(records, batch)
        except AutohealError as error:
            self.meter.failed(f"not stored: {error}"[:300], self.clock.now())
            raise
        self.meter.took(records, counts, self.clock.now(), self.clock.monotonic())
        return counts

    async def report(self, finding: Finding) -> None:
        self.meter.said(finding)
        await self.sink.report(finding)


@dataclass(slots=True)
class Feeds:
    """``intake`` is the daemon's own sink; ``refused`` counts what the push door refused."""

    intake: Intake
    clock: Clock
    refused: Counter[str] = field(default_factory=Counter)
    sources: tuple[Source, ...] = ()
    _meters: dict[str, Meter] = field(default_factory=dict)

    def put(self, sources: Sequence[Source]) -> None:
        """These are in force from now on."""
        self.sources = tuple(sources)

    def runs(self) -> Mapping[str, Callable[[], Coroutine[Any, Any, None]]]:
        """What is to be supervised, by the name of the task."""
        return {f"source:{s.name}": lambda s=s: s.run(self.sink(s), self.clock) for s in self.sources}  # type: ignore[misc]

    def sink(self, source: Source) -> Metered:
        kind = type(source).__module__.rpartition(".")[2]
        meter = self._meters.setdefault(source.name, Meter(source.name, kind, self.clock.monotonic()))
        return Metered(self.intake, meter, self.clock)

    def health(self) -> tuple[SourceHealth, ...]:
        """How each source does, in the order of the settings."""
        now, at = self.clock.now(), self.clock.monotonic()
        return tuple(self.sink(s).meter.health(now, at, self._refused(s)) for s in self.sources)

    def doors(self, tasks: Callable[[], Mapping[ModelName, Task]]) -> APIRouter:
        """The routes that others push to."""
        router = APIRouter()
        router.include_router(telemetry_router(self._pushed(), tasks, self.refused, self._heard))
        router.include_router(alertmanager_router(self._alertmanager, self.intake, self.clock))
        return router

    def _pushed(self) -> Sink:
        first = next((s for s in self.sources if isinstance(s, HttpPush)), None)
        return self.intake if first is None else self.sink(first)

    def _heard(self) -> None:
        for source in self.sources:
            if isinstance(source, HttpPush):
                source.heard()

    def _alertmanager(self) -> Alertmanager | None:
        return next((s for s in self.sources if isinstance(s, Alertmanager)), None)

    def _refused(self, source: Source) -> Mapping[str, int]:
        if isinstance(source, HttpPush):
            return self.refused
        tally: Any = getattr(source, "tally", None)
        return {} if tally is None else tally.refused
