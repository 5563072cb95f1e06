"""Service metrics over time: samples, then minutes, hours, days, that add up exactly and are bounded."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.domain.names import Version
from autoheal.telemetry import Telemetry
from autoheal.telemetry.ages import Ages
from autoheal.telemetry.history import Point, export
from autoheal.telemetry.metric_history import MOVED
from autoheal.telemetry.metric_sum import added, dumped, loaded
from autoheal.telemetry.newest_samples import MOST_NAMES
from autoheal.telemetry.records import Metric
from autoheal.telemetry.store import TIDY_ROWS
from autoheal.telemetry.values import from_unix

Opened = Callable[..., Awaitable[Telemetry]]
NAME = "latency_p95_ms"

samples = st.tuples(
    st.floats(0, 1e9, allow_nan=False),
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9).map(float),
)


async def test_names_without_end_are_bounded_in_memory_and_on_disk(
    opened: Opened, make: Any, tmp_path: Path
) -> None:
    """As of a service that writes an id into the name."""
    telemetry = await opened()

    def metrics(first: int) -> list[Metric]:
        return [Metric(make.bike.name, f"n{i}", 1.0, make.start + i) for i in range(first, first + TIDY_ROWS)]

    def seen(one: Telemetry) -> set[str]:
        now = from_unix(make.start + 1e6)
        return set(
            one.view(make.bike.name, champion=Version("v1"), since=None, reference=None, now=now).metrics
        )

    await telemetry.ingest([Metric(make.bike.name, name, 1.0, make.start) for name in (NAME, "ended")])
    for first in (0, TIDY_ROWS):
        await telemetry.ingest([*metrics(first), Metric(make.bike.name, NAME, 1.0, make.start)])
    kept = {NAME, *(f"n{i}" for i in range(2 * TIDY_ROWS - MOST_NAMES + 1, 2 * TIDY_ROWS))}
    assert seen(telemetry) == kept
    with closing(sqlite3.connect(tmp_path / "telemetry.db")) as db:
        assert {name for (name,) in db.execute("SELECT DISTINCT name FROM metrics")} == kept
    await telemetry.close()
    assert seen(await opened()) == kept


@given(st.lists(samples, min_size=1, max_size=30), st.data())
def test_down_sampling_in_any_order_gives_the_same_sums(rows: list[tuple[float, float]], data: Any) -> None:
    whole = added(rows)
    rest, parts = data.draw(st.permutations(rows)), []
    while rest:
        n = data.draw(st.integers(1, len(rest)))
        parts.append(added(rest[:n]))
        rest = rest[n:]
    parts = data.draw(st.permutations(parts))
    # Some are written and read between, some are added up with others first.
    again = [loaded(one.n, dumped(one)) for one in parts]
    middle = data.draw(st.integers(0, len(parts)))
    halves = [reduce(add, half) for half in (again[:middle], again[middle:]) if half]
    summed = reduce(add, halves)
    assert summed == whole
    values = [value for _, value in rows]
    assert (whole.n, whole.low, whole.high) == (len(rows), min(values), max(values))
    assert whole.total == sum(map(Fraction, values))
    assert whole.low <= whole.mean <= whole.high
    assert whole.variance >= 0.0


def test_quantiles_are_near() -> None:
    values = np.random.default_rng(1).lognormal(3.0, 1.0, 5_000)
    one = added([(float(i), v) for i, v in enumerate(values.tolist())])
    for share in (0.0, 0.5, 0.95, 0.99, 1.0):
        exact = float(np.quantile(values, share, method="lower"))
        assert one.quantile(share) == pytest.approx(exact, rel=0.021)


async def fill(telemetry: Telemetry, make: Any, seconds: range, batch: int = 97) -> dict[float, float]:
    """A sample each step, out of order within batches."""
    rng = np.random.default_rng(seconds.start)
    rows = [Metric(make.bike.name, NAME, float(rng.lognormal(3, 1)), make.start + s) for s in seconds]
    for at in range(0, len(rows), batch):
        await telemetry.ingest([rows[at + i] for i in rng.permutation(len(rows[at : at + batch])).tolist()])
    return {row.time: row.value for row in rows}


def points(telemetry: Telemetry, make: Any, seconds: float = 1e9) -> list[Point]:
    history = telemetry.history()
    start = from_unix(make.start)
    found = history.series(make.bike.name, NAME, start, start + timedelta(seconds=seconds))
    assert history.metrics(make.bike.name) == [NAME]
    history.close()
    return found


async def test_old_samples_become_minutes_hours_and_days_and_none_is_lost(
    opened: Opened, make: Any, tmp_path: Path
) -> None:
    ages = Ages(minutes=3_600 * 6, hours=86_400, days=86_400 * 30)
    telemetry = await opened(metric_samples=500, ages=ages)
    sent = await fill(telemetry, make, range(0, 86_400 * 8, 35))
    late = [Metric(make.bike.name, NAME, 7.0, make.start + 90_000.5 + i) for i in range(600)]
    await telemetry.ingest(late)
    sent |= {row.time: row.value for row in late}
    await fill_more(telemetry, make)
    found = points(telemetry, make, 86_400 * 8)
    assert set(Counter(point.seconds for point in found)) == {0, 60, 3_600, 86_400}
    assert sum(point.sum.n for point in found) == len(sent)
    assert sum((point.sum.total for point in found), Fraction()) == sum(map(Fraction, sent.values()))
    for point in found:
        inside = [v for t, v in sent.items() if 0 <= t - point.start.timestamp() < max(point.seconds, 1e-9)]
        if point.seconds:
            # Some of a bucket's stretch may still lie there as single samples.
            assert point.sum.n <= len(inside)
            assert min(inside) <= point.sum.low
            assert point.sum.high <= max(inside)
    await telemetry.close()
    again = await opened(metric_samples=500, ages=ages)
    assert points(again, make, 86_400 * 8) == found


async def fill_more(telemetry: Telemetry, make: Any) -> None:
    """Enough batches for a round of forgetting, of later times."""
    for i in range(210):
        await telemetry.ingest([Metric(make.bike.name, NAME, 1.0, make.start + 86_400 * 8 + i * 60.0)])


async def test_memory_of_the_past_is_bounded(opened: Opened, make: Any, tmp_path: Path) -> None:
    ages = Ages(minutes=3_600, hours=86_400, days=86_400 * 3)
    telemetry = await opened(metric_samples=100, ages=ages)
    await fill(telemetry, make, range(0, 86_400 * 9, 90), batch=20)
    db = sqlite3.connect(tmp_path / "telemetry.db")
    raw, (sums, oldest) = (
        db.execute("SELECT count(*) FROM metrics").fetchone()[0],
        db.execute("SELECT count(*), min(start) FROM metric_buckets").fetchone(),
    )
    db.close()
    assert raw < 100 + 200 * 20
    # At most a bucket a minute, an hour and a day of the ages, and what waits for the next round.
    assert sums < 60 + 60 + 24 * 3 + 5 + 200
    assert oldest >= make.start + 86_400 * 4


async def test_samples_of_many_metrics_are_moved_over_several_rounds(
    opened: Opened, make: Any, tmp_path: Path
) -> None:
    """All metrics are asked for at one beat, and the writer waits for a round."""
    telemetry = await opened()
    sent = [Metric(make.bike.name, f"m{i % 70}", 1.0, make.start + i) for i in range(70 * 300)]
    await telemetry.ingest(sent)
    await telemetry.close()
    telemetry = await opened(metric_samples=100)
    left = []
    for _ in range(3):
        for i in range(200):
            await telemetry.ingest([Metric(make.bike.name, "other", 1.0, make.start + i)])
        with closing(sqlite3.connect(tmp_path / "telemetry.db")) as db:
            left.append(db.execute("SELECT count(*) FROM metrics WHERE name != 'other'").fetchone()[0])
    assert left == [70 * 300 - MOVED, 70 * 100, 70 * 100]
    history = telemetry.history()
    start = from_unix(make.start)
    found = history.series(make.bike.name, None, start, start + timedelta(days=1))
    history.close()
    assert sum(point.sum.n for point in found) == len(sent) + 600


async def test_a_gap_is_a_gap(opened: Opened, make: Any) -> None:
    telemetry = await opened(metric_samples=100, ages=Ages(minutes=3_600, hours=86_400, days=86_400 * 30))
    await fill(telemetry, make, range(0, 86_400, 60), batch=10)
    await fill(telemetry, make, range(86_400 * 3, 86_400 * 5, 60), batch=10)
    found = points(telemetry, make)
    starts = [(point.start - from_unix(make.start)) / timedelta(days=1) for point in found]
    assert not [start for start in starts if 1.0 <= start < 3.0]
    assert all(point.sum.n for point in found)


async def test_metrics_are_exported_beside_the_summaries(opened: Opened, make: Any, tmp_path: Path) -> None:
    telemetry = await opened(metric_samples=100)
    await fill(telemetry, make, range(0, 86_400, 60), batch=5)
    day = from_unix(make.start), from_unix(make.start + 86_400)
    found = list(export(tmp_path / "telemetry.db", {make.bike.name: make.bike}, *day))
    assert {r["subject"] for r in found} == {f"metric/{NAME}"}
    assert sum(r["rows"] for r in found) == 1_440
    assert {r["seconds"] for r in found} >= {0, 60, 3_600}
    assert set(found[0]["counts"]) == {"last", "p50", "p95", "p99"}


async def test_a_wrong_clock_makes_nothing_old(opened: Opened, make: Any) -> None:
    """A sample and a row from 2099 lie in their own time; what is kept of the present is as fine as ever."""
    telemetry = await opened(metric_samples=100)
    await fill(telemetry, make, range(0, 7_200, 10), batch=5)
    far = 4_070_908_800.0
    rows = [make.bike_row(float(i), temp=1.0) for i in range(30)]
    wild = [replace(rows[0], id="wild", time=far), Metric(make.bike.name, NAME, 1.0, far)]
    await telemetry.ingest([*rows, *wild])
    await fill(telemetry, make, range(7_200, 9_600, 10), batch=1)
    for again in (telemetry, None):
        if again is None:
            await telemetry.close()
            telemetry = await opened(metric_samples=100)
            await fill(telemetry, make, range(9_600, 12_000, 10), batch=1)
        history = telemetry.history()
        found = history.window(make.bike.name, from_unix(make.start), from_unix(make.start + 60))
        history.close()
        assert found is not None
        assert found.summary.rows == 30, "minutes are still minutes"
        assert {point.seconds for point in points(telemetry, make, 7_200)} <= {0, 60}
