"""What a source is: it brings telemetry in for ever, says when it cannot, and lets the supervisor restart it.

A source owns one connection to the world and nothing else. It hands checked records to the sink and reports its own
health as findings about ``source:NAME``; a page or file that is away is a gap, never a zero. Siblings never import
each other. I/O dead-lines and pauses are real time (``clock.monotonic``, ``clock.sleep``), record times are
the data's own, or ``clock.now`` where the data has none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from autoheal.clock import Clock
from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict, source_target
from autoheal.telemetry import Batch, Counts, Record

_LOG = logging.getLogger(__name__)
#: Failures in a row after which a source is down (before that it just has no data), and beats between refreshes.
DOWN_AFTER = 3
REFRESH = 60


class Sink(Protocol):
    """Where records and the source's own health go."""

    async def __call__(self, records: Sequence[Record], batch: Batch | None = None) -> Counts:
        """Store one batch of checked records, all or none; once for its key, where it has one."""
        ...

    async def report(self, finding: Finding) -> None:
        """Make a finding about the source known."""
        ...


@dataclass(frozen=True, slots=True)
class Intake:
    """The sink of the daemon: ``ingest`` is ``Telemetry.ingest``, ``submit`` hands a finding to the kernel."""

    ingest: Callable[[Sequence[Record], Batch | None], Awaitable[Counts]]
    submit: Callable[[Finding], Awaitable[object]]

    async def __call__(self, records: Sequence[Record], batch: Batch | None = None) -> Counts:
        return await self.ingest(records, batch)

    async def report(self, finding: Finding) -> None:
        await self.submit(finding)


class Source(Protocol):
    """A supervised bringer of telemetry."""

    name: str

    async def run(self, sink: Sink, clock: Clock) -> None:
        """Bring telemetry until cancelled."""
        ...


async def whole(work: Coroutine[Any, Any, None]) -> None:
    """Do this to its end, also when we are cancelled meanwhile: rows and the mark that they were read go together.

    Without it a clean stop between the two would make rows come twice, as only a crash may.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


@dataclass(slots=True)
class Pulse:
    """Whether a source works, told to the sink when that changes and now and then.

    A source may keep further ones by ``subject``, for parts of it that can be silent while the rest works.
    """

    name: str
    subject: str = "up"
    failures: int = 0
    down_since: datetime | None = None
    _beats: int = 0
    _said: tuple[Verdict, str] | None = None

    async def up(self, sink: Sink, now: datetime, detail: str = "") -> None:
        self.failures, self.down_since = 0, None
        await self._say(sink, now, Verdict.OK, detail)

    async def away(self, sink: Sink, now: datetime, why: str) -> None:
        self.failures += 1
        self.down_since = self.down_since or now
        await self._say(sink, now, Verdict.BREACH if self.failures >= DOWN_AFTER else Verdict.NO_DATA, why)

    async def quiet(self, sink: Sink, now: datetime, why: str) -> None:
        """It answers and has nothing: no data, which is neither health nor a failure however long it lasts."""
        self.failures, self.down_since = 0, None
        await self._say(sink, now, Verdict.NO_DATA, why)

    async def _say(self, sink: Sink, now: datetime, verdict: Verdict, detail: str) -> None:
        self._beats += 1
        if self._said == (verdict, detail if verdict is not Verdict.OK else "") and self._beats < REFRESH:
            return
        if self._said is None or self._said[0] is not verdict:
            level = logging.INFO if verdict is Verdict.OK else logging.WARNING
            _LOG.log(
                level,
                "source %s/%s is %s: %s",
                self.name,
                self.subject,
                verdict.value,
                detail or "it answers",
            )
        self._said, self._beats = (verdict, detail if verdict is not Verdict.OK else ""), 0
        breach = verdict is Verdict.BREACH
        await sink.report(
            Finding(
                source_target(self.name),
                "source",
                self.subject,
                now,
                verdict,
                severity=Severity.WARNING if breach else Severity.NONE,
                value=None if verdict is Verdict.NO_DATA else float(not breach),
                started_at=self.down_since if breach else None,
                detail=detail,
            )
        )
