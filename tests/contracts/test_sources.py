"""What every source holds to: nothing lost over a restart, nothing twice, no zero for a gap, and never fatal.

Run against a real telemetry.db and, where a source has a server, the real server behind a proxy that misbehaves. Two
lists say who can be asked what: a scraped page shows only the present, so there is nothing to resume or to be late
with; pushed records have no server that could be away, there the sender is the one who misbehaves. Not here:
``alertmanager`` brings findings and no rows (``tests/sources/test_real_alertmanager.py`` asks it the same); the clock
of a sender is Prometheus' own affair, and a watermark in the future is asked about in ``tests/sources/test_sql.py``.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from autoheal.clock import SystemClock
from autoheal.domain.finding import Finding
from autoheal.domain.names import Verdict
from autoheal.sources.contract import Intake
from autoheal.telemetry import Telemetry
from tests.contracts.proxy import Mood
from tests.contracts.rigs import BASE, SPEC, Rig, rig
from tests.contracts.servers import eventually

REMEMBERS = ["files", "jsonl", "parquet", "sql", "http_push", "prometheus", "mqtt"]
ASKS = ["files", "jsonl", "parquet", "sql", "scrape", "prometheus", "mqtt"]
TALKS_TO_A_SERVER = ["sql", "scrape", "prometheus", "mqtt"]
EVERY = ["files", "jsonl", "parquet", "sql", "http_push", "scrape", "prometheus", "mqtt"]


@dataclass
class Bench:
    """One source on its rig, with what it stored and said."""

    rig: Rig
    telemetry: Telemetry
    path: Path
    findings: list[Finding] = field(default_factory=list)

    async def report(self, finding: Finding) -> None:
        self.findings.append(finding)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """A new source on the state that the last one left."""
        intake = Intake(self.telemetry.ingest, self.report)
        task = asyncio.create_task(self.rig.source().run(intake, self.rig.clock))
        try:
            yield task
            assert not task.done(), "a source goes on for ever"
        finally:
            task.cancel()
            await asyncio.wait({task}, timeout=5)
            assert task.cancelled()

    async def ready(self) -> None:
        """Wait until rows that are fed now will reach it: a broker keeps none for a session that it does not know."""
        if self.rig.first is not None:
            await self.says(self.rig.first)

    def stored(self) -> list[int]:
        """The rows in telemetry.db, in their order."""
        with closing(sqlite3.connect(self.path)) as db:
            query = "SELECT id FROM predictions UNION ALL SELECT value FROM metrics WHERE name = 'row'"
            return [int(float(one)) for (one,) in db.execute(query)]

    async def has(self, *numbers: int, seconds: float = 8.0) -> None:
        await eventually(
            lambda: set(self.stored()) == set(numbers),
            seconds,
            f"want {numbers}: {self.stored()} {self.findings[-2:]}",
        )

    async def says(self, verdict: Verdict, seconds: float = 8.0) -> Finding:
        def last() -> Finding | None:
            found = [f for f in self.findings if f.subject == "up"]
            return found[-1] if found else None

        await eventually(
            lambda: (f := last()) is not None and f.verdict is verdict, seconds, f"{self.findings[-3:]}"
        )
        found = last()
        assert found is not None
        return found


@pytest.fixture
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    path = tmp_path / "telemetry.db"
    async with (
        await Telemetry.open(path, {SPEC.name: SPEC}, SystemClock()) as telemetry,
        rig(request.param, tmp_path, telemetry) as opened,
    ):
        yield Bench(opened, telemetry, path)


def of(kinds: list[str]) -> Callable[[Any], Any]:
    return pytest.mark.parametrize("bench", kinds, indirect=True)


@of(REMEMBERS)
async def test_a_restart_goes_on_where_it_was_and_nothing_comes_twice(bench: Bench) -> None:
    async with bench.running():
        await bench.ready()
        await bench.rig.feed(1, 2, 3)
        await bench.has(1, 2, 3)
    await bench.rig.feed(4, 5, 6)
    async with bench.running():
        await bench.has(1, 2, 3, 4, 5, 6)
        await bench.rig.feed(7)
        await bench.has(1, 2, 3, 4, 5, 6, 7)
    assert len(bench.stored()) == 7


@of(REMEMBERS)
async def test_doubled_late_and_disordered_rows_are_stored_once(bench: Bench) -> None:
    async with bench.running():
        await bench.ready()
        await bench.rig.feed(5, 3, 4)
        await bench.has(3, 4, 5)
        await bench.rig.feed(4, 5)
        await bench.rig.feed(9, 8)
        await bench.rig.feed(1, 3)
        await bench.has(1, 3, 4, 5, 8, 9)
    assert len(bench.stored()) == 6


@of(["files", "jsonl", "parquet", "sql", "http_push", "mqtt"])
async def test_a_senders_clock_may_be_wrong(bench: Bench) -> None:
    """A row is of the time that it says, years ahead or behind; nothing that comes after it is lost by that."""
    async with bench.running():
        await bench.ready()
        await bench.rig.feed(2)
        await bench.rig.feed(40_000_000)
        await bench.rig.feed(3, 1)
        await bench.has(1, 2, 3, 40_000_000)
    with closing(sqlite3.connect(bench.path)) as db:
        times = dict(db.execute("SELECT id, time FROM predictions"))
    assert times == {f"{n}": BASE + n for n in (1, 2, 3, 40_000_000)}
    assert not [f for f in bench.findings if f.verdict is Verdict.BREACH]


@of(ASKS)
async def test_its_server_dies_and_returns(bench: Bench) -> None:
    async with bench.running():
        await bench.ready()
        await bench.rig.feed(1)
        await eventually(lambda: 1 in bench.stored())
        await bench.says(Verdict.OK)
        before = len(bench.findings)
        await bench.rig.turn("away")
        await bench.says(Verdict.BREACH)
        told = [f for f in bench.findings[before:] if f.subject == "up"]
        assert [f.verdict for f in told][:1] == [Verdict.NO_DATA]
        assert told[0].value is None, "a gap, not a zero"
        assert told[-1].detail
        assert told[-1].started_at is not None
        held = len(bench.stored())
        await bench.rig.feed(2)
        await asyncio.sleep(0.1)
        assert len(bench.stored()) == held
        await bench.rig.turn("honest")
        await eventually(lambda: 2 in bench.stored(), why=f"{bench.findings[-2:]}")
        await bench.says(Verdict.OK)


@of(TALKS_TO_A_SERVER)
@pytest.mark.parametrize("mood", ["slow", "half", "garbage"])
async def test_its_server_talks_nonsense_or_not_at_all(bench: Bench, mood: Mood) -> None:
    async with bench.running():
        await bench.ready()
        await bench.rig.feed(1)
        await eventually(lambda: 1 in bench.stored())
        await bench.rig.turn(mood)
        told = await bench.says(Verdict.BREACH)
        assert len(told.detail) > 10
        assert set(bench.stored()) <= {0, 1}
        await bench.rig.feed(2)
        await bench.rig.turn("honest")
        await eventually(lambda: 2 in bench.stored(), why=f"{bench.findings[-2:]}")
        await bench.says(Verdict.OK)


@of(["files", "jsonl", "parquet", "http_push"])
@pytest.mark.parametrize("mood", ["slow", "half", "garbage"])
async def test_its_sender_talks_nonsense_or_stops_in_the_middle(bench: Bench, mood: Mood) -> None:
    async with bench.running():
        await bench.rig.feed(1)
        await bench.has(1)
        await bench.rig.turn(mood)
        await asyncio.sleep(0.1)
        assert bench.stored() == [1]
        if mood != "garbage":
            await bench.rig.turn("honest")
        await bench.rig.feed(2)
        await bench.has(1, 2)


@of(EVERY)
async def test_it_ends_when_it_is_told_to_whatever_its_server_does(bench: Bench) -> None:
    await bench.rig.turn("slow")
    async with bench.running():
        await asyncio.sleep(0.05)
