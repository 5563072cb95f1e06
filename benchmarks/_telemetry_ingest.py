"""Ingest, overload and a long day: from bytes to durable summaries, on one core."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Literal

import orjson
from _shape import Row, row
from _telemetry_rows import MONITORS, START, bodies, outcomes, reference, spec

from autoheal.clock import VirtualClock
from autoheal.domain.names import Version
from autoheal.domain.specs import ModelSpec
from autoheal.monitors.evaluate import evaluate
from autoheal.telemetry import Limits, Refusal, Telemetry, parse_body
from autoheal.telemetry.values import from_unix

ABOUT = "python benchmarks/telemetry.py"
BATCH = 2_000


@contextmanager
def one_core() -> Iterator[None]:
    """All threads on one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@asynccontextmanager
async def opened(
    model: ModelSpec, limits: Limits | None = None
) -> AsyncIterator[tuple[Telemetry, VirtualClock]]:
    """Telemetry on a file, that knows the model's reference."""
    with tempfile.TemporaryDirectory() as folder:
        clock = VirtualClock()
        clock.current = from_unix(START)
        path = Path(folder) / "telemetry.db"
        async with await Telemetry.open(path, {model.name: model}, clock, limits) as telemetry:
            known = reference(model)
            telemetry.view(
                model.name, champion=Version("v1"), since=None, reference=known, now=from_unix(START)
            )
            yield telemetry, clock


def held() -> float:
    """As ``resident``, without what was freed and glibc keeps for the next large batch."""
    gc.collect()
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return resident()


def resident() -> float:
    """Memory of the process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def ingest(quick: bool) -> Sequence[Row]:
    """NDJSON, 20 features a row, to durable summaries, against orjson alone: CPU time of all threads on one core.

    One sender that waits for each answer; and several that do not wait for each other, whose batches then share commits.
    The first peer keeps each batch's rows in a list, the second throws each away at once.
    """
    model = spec("m", 20)
    found = []
    with one_core():
        for size, senders in ((100, 1), (100, 8), (1_000, 1), (BATCH, 1), (5_000, 1)):
            made = bodies(model, (20_000 if quick else 60_000) // size, size)
            taken = [
                (asyncio.run(_stored(model, made, senders)), _listed(made), _dropped(made))
                for _ in range(3 if quick else 5)
            ]
            rows = len(made) * size
            mine, listed, dropped = (
                statistics.median(times) / rows * 1e6 for times in zip(*taken, strict=True)
            )
            what = f"ingest, batches of {size}, {senders} at a time (us CPU a row)"
            found.append(row(f"{what}, against lists of orjson", mine, listed, 2.0, ABOUT))
            found.append(row(f"{what}, against orjson that drops", mine, dropped, 2.0, ABOUT))
    return found


async def _stored(model: ModelSpec, made: Sequence[bytes], senders: int) -> float:
    async with opened(model) as (telemetry, _):
        left = iter(made)

        async def send() -> None:
            for body in left:
                await telemetry.ingest(parse_body(body, telemetry.tasks, lines=True))

        gc.collect()
        began = time.process_time()
        await asyncio.gather(*(send() for _ in range(senders)))
        took = time.process_time() - began
        assert telemetry.joins()[model.name].predictions == sum(body.count(b"\n") + 1 for body in made)
        return took


def _listed(made: Sequence[bytes]) -> float:
    began = time.process_time()
    for body in made:
        _ = [orjson.loads(line) for line in body.splitlines()]
    return time.process_time() - began


def _dropped(made: Sequence[bytes]) -> float:
    began = time.process_time()
    for body in made:
        for line in body.splitlines():
            orjson.loads(line)
    return time.process_time() - began


def overload(quick: bool) -> Sequence[Row]:
    """Ten times what can be stored is offered by senders that do not wait for each other, under either policy."""
    seconds = 5.0 if quick else 60.0
    refuse, sample = (asyncio.run(_overload(seconds, policy)) for policy in ("refuse", "sample"))
    return [*refuse, *sample]


async def _overload(seconds: float, policy: Literal["refuse", "sample"]) -> Sequence[Row]:
    model = spec("m", 20)
    made = bodies(model, 40, BATCH)
    limits = Limits(in_flight=40_000, rows=50_000, overload=policy)
    late: list[float] = []
    offered = refused = 0
    async with opened(model, limits) as (telemetry, _):
        began = time.perf_counter()
        for body in made[:10]:
            await telemetry.ingest(parse_body(body, telemetry.tasks, lines=True))
        # Ten times the rate that one sender reaches, in batches a second.
        rate = 10.0 * 10 / (time.perf_counter() - began)
        parsed = [await asyncio.to_thread(parse_body, b, telemetry.tasks, lines=True) for b in made]
        before, ends = resident(), time.perf_counter() + seconds
        most = before

        async def watch() -> None:
            while True:
                asked = time.perf_counter()
                await asyncio.sleep(0.005)
                late.append(time.perf_counter() - asked - 0.005)

        async def send(records: Sequence[object]) -> None:
            nonlocal refused
            try:
                await telemetry.ingest(records)  # type: ignore[arg-type]
            except Refusal:
                refused += len(records)

        watching = asyncio.create_task(watch())
        under_way: set[asyncio.Task[None]] = set()
        started = time.perf_counter()
        while (now := time.perf_counter()) < ends:
            for _ in range(max(int((now - started) * rate) - offered // BATCH, 0)):
                task = asyncio.create_task(send(parsed[offered // BATCH % len(parsed)]))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                offered += BATCH
            most = max(most, resident())
            await asyncio.sleep(0.002)
        await asyncio.gather(*under_way)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        counts = telemetry.joins()[model.name]
        taken, sampled = counts.predictions + counts.repeated - 10 * BATCH, counts.sampled_out
        kept = telemetry.kept(model.name, since=from_unix(START - 1.0))
    p99 = sorted(late)[int(len(late) * 0.99)] * 1e3
    print(
        f"overload, {policy}: {offered} rows offered in {seconds:.0f} s, {taken} stored,"
        f" {sampled} sampled out, {refused} refused; of the batches remembered {kept:.0%} was kept"
    )
    return [
        row(f"{policy}: rows of no account, +1", abs(offered - taken - sampled - refused) + 1, 1, 1.0, ABOUT),
        row(f"{policy}: lag of the event loop p99 (ms), limit", p99, 100.0, 1.0, ABOUT),
        row(f"{policy}: memory, against before (MB)", most, before, 1.5, ABOUT),
    ]


def day(quick: bool) -> Sequence[Row]:
    """A model of 50 features, fed and looked at every minute: memory after 24 hours of its time against that after 2."""
    return [asyncio.run(_day(200 if quick else 400))]


async def _day(per_minute: int) -> Row:
    model, looks = spec("m", 50, monitors=MONITORS), list[float]()
    known, states = reference(model), dict[str, object]()
    async with opened(model) as (telemetry, clock):
        for minute in range(24 * 60):
            (body,) = _shifted(model, minute * per_minute, per_minute, per_minute / 60)
            await telemetry.ingest(parse_body(body, telemetry.tasks, lines=True))
            if minute >= 60:
                numbers = range((minute - 60) * per_minute, (minute - 59) * per_minute)
                truth = outcomes(model, numbers, per_minute / 60)
                await telemetry.ingest(parse_body(truth, telemetry.tasks, lines=True))
            await clock.advance(timedelta(minutes=1))
            now = clock.now()
            view = telemetry.view(model.name, champion=Version("v1"), since=None, reference=known, now=now)
            states, _ = evaluate(model, states, view, now)
            if minute % 60 == 59:
                looks.append(held())
    return row("memory after 24 h, against after 2 h (MB)", looks[-1], looks[1], 1.1, ABOUT)


def _shifted(model: ModelSpec, first: int, rows: int, per_second: float) -> list[bytes]:
    """A batch of the middle of the day."""
    (body,) = bodies(model, 1, rows, per_second)
    lines = []
    for i, line in enumerate(body.split(b"\n")):
        record = orjson.loads(line)
        record["id"], record["time"] = f"request-{first + i:010d}", START + (first + i) / per_second
        lines.append(orjson.dumps(record))
    return [b"\n".join(lines)]
