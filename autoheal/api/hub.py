"""What the doors need from the daemon: the hub. Written down as protocols, so that the API never imports the daemon.

The daemon fills one ``Hub`` in (``daemon.app``); tests do the same with a real kernel and log. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from fastapi import APIRouter

from autoheal.api.wire import Series
from autoheal.clock import Clock
from autoheal.domain.events import Entry, Event
from autoheal.domain.label_state import ModelLabels
from autoheal.domain.past import Facts, Samples, Skew
from autoheal.domain.source_health import SourceHealth
from autoheal.domain.world import World


class Feed(Protocol):
    """Entries in order and without gaps, from the past into the present; ``ended`` says why there are no more."""

    @property
    def ended(self) -> str | None: ...

    async def __anext__(self) -> Entry: ...

    def __aiter__(self) -> AsyncIterator[Entry]: ...

    def close(self) -> None: ...


class KernelDoor(Protocol):
    """The one writer, as seen from outside."""

    @property
    def world(self) -> World:
        """The world after the last durable entry."""
        ...

    async def submit(self, event: Event) -> int:
        """Append ``event`` and all that follows from it; returns its seq once durable."""
        ...

    def subscribe(self, after: int) -> Feed:
        """Entries after number ``after``; it ends when the reader is too slow or the kernel stops."""
        ...


class PastDoor(Protocol):
    """What is kept of a model's past. Blocking; KeyError for an unknown model, ValueError with a sentence for what cannot be asked."""

    def samples(
        self, model: str, since: datetime | None, until: datetime | None, version: str | None, size: int
    ) -> Samples: ...

    def facts(
        self, model: str, since: datetime | None, until: datetime | None, step: timedelta, path: str
    ) -> Facts: ...

    def skew(self, model: str, since: datetime | None, until: datetime | None, ids: int) -> Skew: ...


class LogDoor(Protocol):
    """History, read side only."""

    def read(self, after: int, limit: int) -> Sequence[Entry]:
        """Up to ``limit`` entries with seq > ``after`` in order; called off the event loop."""
        ...


async def _no_reload(actor: str) -> tuple[str, ...]:  # noqa: ARG001  the signature of every reload
    return ("this daemon has nothing to reload",)


def _nothing() -> Mapping[str, int]:
    return {}


def _no_sources() -> Sequence[SourceHealth]:
    return ()


async def _no_labels() -> Sequence[ModelLabels]:
    return ()


def _no_series() -> Series:
    return {}


def _no_text() -> str:
    return ""


def _ready() -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Hub:
    """One daemon behind its doors.

    ``reload(actor)`` returns the problems, empty when the new configuration is in force. ``series`` gives the history
    that sparklines draw, ``sources`` how each telemetry source does, ``labels`` what became of each model's outcomes,
    ``refused`` counts refused telemetry by reason, ``metrics`` is appended to ``/metrics``, ``not_ready`` says what is still missing (empty: ready), ``past`` has sampled rows and
    facts. ``telemetry`` makes the push router, one per app.
    """

    name: str
    clock: Clock
    kernel: KernelDoor
    log: LogDoor
    reload: Callable[[str], Awaitable[Sequence[str]]] = _no_reload
    telemetry: Callable[[], APIRouter] | None = None
    series: Callable[[], Series] = _no_series
    refused: Callable[[], Mapping[str, int]] = _nothing
    sources: Callable[[], Sequence[SourceHealth]] = _no_sources
    labels: Callable[[], Awaitable[Sequence[ModelLabels]]] = _no_labels
    metrics: Callable[[], str] = _no_text
    not_ready: Callable[[], Sequence[str]] = field(default=_ready)
    past: PastDoor | None = None
