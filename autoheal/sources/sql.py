"""``sql``: rows of a query, followed by a watermark column that grows (``updated_at``, an id).

Each round asks for what is at or above the greatest watermark less ``overlap``, so that rows of transactions that ended
late are not missed; rows that were handed on before are known by a digest. The cursor is stored after the rows; a crash
between the two repeats at most one page, which the store counts as duplicates. What surprises: a row that changed
together with its watermark comes again, which is how a corrected label arrives.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoheal.clock import Clock
from autoheal.domain.specs import ModelSpec
from autoheal.errors import AutohealError
from autoheal.sources.contract import Pulse, Sink, whole
from autoheal.sources.rows import Kind, usable
from autoheal.sources.sql_cursor import Cursor, Mark, WatermarkError, load, mark_of, save
from autoheal.sources.sql_database import Database, SqlError
from autoheal.sources.tally import Tally
from autoheal.telemetry.values import to_unix

_LOG = logging.getLogger(__name__)

#: A page may grow to this where so many rows share one watermark.
LARGEST_PAGE = 1_000_000


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for: one SELECT that has a column ``watermark``; ``page`` rows at a time."""

    text: str
    watermark: str
    overlap: float = 300.0
    page: int = 5_000


class Sql:
    """Follows one query about one model."""

    def __init__(
        self,
        name: str,
        *,
        database: Database,
        query: Query,
        spec: ModelSpec,
        holds: Kind,
        state_file: Path,
        every: float = 30.0,
        columns: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.database = database
        self.query = query
        self.spec = spec
        self.holds: Kind = holds
        self.every = every
        self.columns = dict(columns or {})
        self.tally = Tally(name)
        self._state_file = state_file
        self._cursor = Cursor()

    async def run(self, sink: Sink, clock: Clock) -> None:
        """Ask until cancelled."""
        self._cursor = await asyncio.to_thread(load, self._state_file)
        pulse = Pulse(self.name)
        while True:
            try:
                await self.poll(sink, to_unix(clock.now()))
            except (AutohealError, OSError) as error:
                await pulse.away(sink, clock.now(), f"{self._where()}: {error}"[:300])
            else:
                await pulse.up(sink, clock.now())
            await self.tally.report(sink, clock.now())
            await clock.sleep(self.every)

    async def poll(self, sink: Sink, now: float = math.inf) -> None:
        """Hand on everything new, page by page; ``now`` in unix seconds tells watermarks that are in the future."""
        query, page = self.query, self.query.page
        since = self._cursor.start(query.overlap)
        while True:
            rows = await asyncio.to_thread(self.database.rows, query.text, query.watermark, since, page)
            await self._take(rows, sink, now)
            if len(rows) < page:
                return
            last = self._marked(rows[-1])
            if last == since:
                page *= 4
                if page > LARGEST_PAGE:
                    raise SqlError(f"more than {LARGEST_PAGE} rows have the watermark {last}")
            since = last

    async def _take(self, rows: Sequence[dict[str, Any]], sink: Sink, now: float) -> None:
        fresh = [(row, self._marked(row)) for row in rows if self._cursor.fresh(row)]
        if fresh:
            await whole(self._hand_on(fresh, sink, now))

    async def _hand_on(self, fresh: Sequence[tuple[dict[str, Any], Mark]], sink: Sink, now: float) -> None:
        if records := usable([row for row, _ in fresh], self.holds, self.spec, self.columns, self.tally):
            await sink(records)
            self.tally.taken += len(records)
        ahead = [mark for row, mark in fresh if not self._cursor.take(row, mark, now)]
        if ahead:
            _LOG.warning("%s: %d rows have a watermark in the future: %s", self.name, len(ahead), ahead[0])
        self._cursor.forget(self.query.overlap)
        await asyncio.to_thread(save, self._state_file, self._cursor)

    def _marked(self, row: Mapping[str, Any]) -> Mark:
        try:
            return mark_of(row[self.query.watermark])
        except KeyError:
            raise WatermarkError(f"the query has no column {self.query.watermark}") from None

    def _where(self) -> str:
        return self.database.url.partition("?")[0]
