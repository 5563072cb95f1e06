"""Summaries in telemetry.db: every row in one bucket, late labels in their own, over restarts and down-sampling."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoheal.clock import VirtualClock
from autoheal.domain.names import Task, Version
from autoheal.errors import StoreError
from autoheal.monitors.reference import Reference
from autoheal.telemetry import Telemetry, build_performance, build_reference, load_reference
from autoheal.telemetry.ages import Ages
from autoheal.telemetry.folding import LEAST
from autoheal.telemetry.history import Window, export
from autoheal.telemetry.layouts import HELD
from autoheal.telemetry.values import from_unix

Opened = Callable[..., Awaitable[Telemetry]]


@pytest.fixture
def reference(make: Any) -> Reference:
    rng = np.random.default_rng(1)
    temp = rng.normal(50.0, 20.0, 3_000)
    columns = {"temp": temp.tolist(), "season": ["ab"[i % 2] for i in range(3_000)]}
    performance = build_performance(Task.REGRESSION, temp.tolist(), (temp + rng.normal(0, 5, 3_000)).tolist())
    return load_reference(build_reference(make.bike.features, columns, performance))


def told(telemetry: Telemetry, make: Any, reference: Reference) -> None:
    """As a round does it."""
    telemetry.view(
        make.bike.name, champion=Version("v1"), since=None, reference=reference, now=from_unix(make.start)
    )


def window(telemetry: Telemetry, make: Any, hours: float = 10_000.0) -> Window:
    history = telemetry.history()
    start = from_unix(make.start)
    found = history.window(make.bike.name, start, start + timedelta(hours=hours))
    history.close()
    assert found is not None
    return found


def widths(path: Path) -> dict[int, int]:
    db = sqlite3.connect(path)
    found = dict(db.execute("SELECT width, sum(rows) FROM summaries GROUP BY width"))
    db.close()
    return found


async def test_a_window_is_the_sum_of_its_buckets_whatever_came_late(
    opened: Opened, make: Any, reference: Reference, tmp_path: Path
) -> None:
    telemetry = await opened()
    told(telemetry, make, reference)
    rows = [make.bike_row(i * 20.0, temp=float(i % 97)) for i in range(600)]
    late, early = rows[:50], rows[50:]
    await telemetry.ingest(early[:300])
    await telemetry.ingest(early[300:])
    await telemetry.ingest(late)
    await telemetry.ingest([make.truth(r, 4.0) for r in rows[:200]])
    await telemetry.ingest([make.truth(rows[7], 9.0), make.truth(rows[7], 9.0)])
    whole = window(telemetry, make).summary
    assert whole.rows == 600
    assert whole.feature("temp").present == 600
    assert whole.feature("temp").mean == pytest.approx(np.mean([i % 97 for i in range(600)]), abs=0.01)
    said = [float(i % 97) for i in range(200)]
    error = [v - (9.0 if i == 7 else 4.0) for i, v in enumerate(said)]
    n, _, absolute, _ = whole.answers.errors
    assert n == 200
    assert absolute * whole.layout.error_unit == pytest.approx(np.abs(error).sum(), rel=1e-3)
    half = window(telemetry, make, hours=1.0).summary
    assert half.rows == 180
    assert widths(tmp_path / "telemetry.db") == {60: 600}
    await telemetry.close()
    again = window(await opened(), make).summary
    np.testing.assert_array_equal(again.counts, whole.counts)
    assert again.answers.errors == whole.answers.errors


async def test_old_buckets_are_added_up_and_nothing_is_lost(
    opened: Opened, make: Any, reference: Reference, tmp_path: Path
) -> None:
    telemetry = await opened()
    told(telemetry, make, reference)
    rows = [make.bike_row(i * 600.0, temp=float(i % 97)) for i in range(6_000)]
    for start in range(0, 6_000, 500):
        await telemetry.ingest(rows[start : start + 500])
    before = window(telemetry, make).summary
    await telemetry.ingest([make.bike_row(6_000 * 600.0 + i, temp=1.0) for i in range(20_000)])
    assert set(widths(tmp_path / "telemetry.db")) == {60, 3_600, 86_400}
    await telemetry.ingest([make.truth(rows[10], 3.0)])
    after = window(telemetry, make, hours=1_000.0).summary
    assert after.rows == before.rows == 6_000
    np.testing.assert_array_equal(after.counts, before.counts)
    assert after.answers.errors[0] == 1, "a late label goes to the day of its answer"


async def test_a_batch_that_was_not_stored_is_not_summed(
    opened: Opened, make: Any, reference: Reference, tmp_path: Path
) -> None:
    telemetry = await opened()
    told(telemetry, make, reference)
    await telemetry.ingest([make.bike_row(1.0, temp=1.0)])
    db = sqlite3.connect(tmp_path / "telemetry.db")
    db.execute("CREATE TRIGGER full BEFORE UPDATE ON joins BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    db.commit()
    with pytest.raises(StoreError, match="disk full"):
        await telemetry.ingest([make.bike_row(2.0, temp=1.0)])
    db.execute("DROP TRIGGER full")
    db.commit()
    db.close()
    await telemetry.ingest([make.bike_row(3.0, temp=1.0)])
    assert window(telemetry, make).summary.rows == 2


async def test_a_grid_is_written_again_after_a_batch_that_was_not_stored(
    opened: Opened, make: Any, reference: Reference, tmp_path: Path
) -> None:
    telemetry = await opened()
    told(telemetry, make, reference)
    db = sqlite3.connect(tmp_path / "telemetry.db")
    db.execute("CREATE TRIGGER full BEFORE INSERT ON summaries BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    db.commit()
    with pytest.raises(StoreError, match="disk full"):
        await telemetry.ingest([make.bike_row(2.0, temp=1.0)])
    db.execute("DROP TRIGGER full")
    db.commit()
    await telemetry.ingest([make.bike_row(2.0, temp=1.0)])
    assert window(telemetry, make).summary.rows == 1
    # What an earlier release has lost in this way does not hide the rest.
    db.execute("UPDATE summaries SET grid = 'lost'")
    db.commit()
    db.close()
    await telemetry.ingest([make.bike_row(200.0, temp=1.0)])
    assert window(telemetry, make).summary.rows == 1


async def test_what_gets_old_at_once_is_added_up_over_several_rounds(
    opened: Opened, make: Any, reference: Reference, tmp_path: Path
) -> None:
    """The writer waits for a round, so that its length must not grow with models and slices."""
    telemetry = await opened(ages=Ages(minutes=180_000))
    told(telemetry, make, reference)
    await telemetry.ingest([make.bike_row(i * 60.0, temp=1.0) for i in range(2_900)])

    async def much(first: float) -> None:
        """Enough for a round of forgetting."""
        await telemetry.ingest([make.bike_row(first + i / 1e3, temp=1.0) for i in range(20_000)])

    await much(174_000.0)
    await much(174_020.0)
    path = tmp_path / "telemetry.db"
    assert widths(path) == {60: 42_900}
    left = []
    for i in range(4):
        await much(400_000.0 + 20 * i)
        left.append(widths(path)[60] - 20_000 * (i + 1) if i < 2 else widths(path)[60])
    assert left[:2] == [42_900 - LEAST, 42_900 - 2 * LEAST]
    assert left[2:] == [60_000, 80_000], "all that is old"
    assert sum(widths(path).values()) == 122_900


async def test_a_clock_that_is_a_year_ahead_makes_days_and_not_minutes_that_stay(
    opened: Opened, make: Any, clock: VirtualClock, tmp_path: Path
) -> None:
    telemetry = await opened()
    year = clock.now().timestamp() // 86_400 * 86_400 - make.start + 365 * 86_400.0
    sound = [make.bike_row(60.0 * i, temp=1.0) for i in range(30)]
    wild = [make.bike_row(year + 60.0 * i, temp=1.0) for i in range(1_000)]
    await telemetry.ingest([*sound, *wild])
    await telemetry.ingest([make.truth(row, 1.0) for row in wild])
    assert widths(tmp_path / "telemetry.db") == {60: 30, 86_400: 1_000}
    with closing(sqlite3.connect(tmp_path / "telemetry.db")) as db:
        assert db.execute("SELECT count(*) FROM summaries WHERE width = 86400").fetchone() == (1,)


async def test_a_reference_may_come_while_rows_are_counted(
    opened: Opened, make: Any, reference: Reference
) -> None:
    """Monitors look in another thread, and a batch on two grids at once was refused."""
    columns = {"temp": [1.0, 2.0] * 300, "season": ["a", "b"] * 300}
    other = load_reference(build_reference(make.bike.features, columns))
    telemetry, over, usual = await opened(), threading.Event(), sys.getswitchinterval()

    def look() -> None:
        while not over.is_set():
            told(telemetry, make, other)
            told(telemetry, make, reference)

    sys.setswitchinterval(1e-6)
    looking = threading.Thread(target=look)
    looking.start()
    try:
        for i in range(20):
            await telemetry.ingest([make.bike_row(3_600.0 * i + 60.0 * k, temp=1.0) for k in range(30)])
    finally:
        over.set()
        looking.join()
        sys.setswitchinterval(usual)
    found = window(telemetry, make)
    assert found.summary.rows + found.left_out == 600


async def test_grids_of_versions_that_have_left_are_neither_read_nor_kept(
    opened: Opened, make: Any, reference: Reference, tmp_path: Path
) -> None:
    ages = Ages(3_600, 86_400, 86_400)
    telemetry = await opened(ages=ages)
    for i in range(12):
        columns = {"temp": [float(i), float(i + 1)] * 300, "season": ["a", "b"] * 300}
        mine = load_reference(build_reference(make.bike.features, columns))
        version = Version(f"v{i}")
        telemetry.view(
            make.bike.name, champion=version, since=None, reference=mine, now=from_unix(make.start)
        )
        row = replace(make.bike_row(86_400.0 * i, temp=1.0), version=version)
        await telemetry.ingest([row, make.truth(row, 0.0)])
    assert (grids(tmp_path), len(telemetry._store.writing.summaries.layouts._held[make.bike.name])) == (
        12,
        HELD,
    )
    # A label of long ago is on the grid of its row.
    old = replace(make.bike_row(0.0, temp=1.0), version="v0")
    await telemetry.ingest([make.truth(old, 9.0)])
    whole = window(telemetry, make)
    assert (whole.summary.rows, whole.left_out) == (1, 11)
    for i in range(201):
        await telemetry.ingest([make.bike_row(86_400.0 * 12 + i, temp=1.0)])
    await telemetry.close()
    telemetry = await opened(ages=ages)
    assert grids(tmp_path) < 5
    # A version that nobody knows is counted as the newest was, whatever their names.
    await telemetry.ingest([replace(make.bike_row(86_400.0 * 12 + 900, temp=1.0), version="v77")])
    start = from_unix(make.start + 86_400.0 * 12)
    history = telemetry.history()
    found = history.window(make.bike.name, start, start + timedelta(hours=1))
    history.close()
    assert found is not None
    assert (found.summary.rows, found.left_out) == (202, 0)


def grids(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "telemetry.db")) as db:
        return int(db.execute("SELECT count(*) FROM grids").fetchone()[0])


async def test_rows_before_the_reference_are_on_a_grid_of_their_own(
    opened: Opened, make: Any, reference: Reference
) -> None:
    telemetry = await opened()
    await telemetry.ingest([make.bike_row(1.0, temp=1.0)])
    told(telemetry, make, reference)
    await telemetry.ingest([make.bike_row(2.0 + i, temp=1.0) for i in range(3)])
    found = window(telemetry, make)
    assert (found.summary.rows, found.left_out) == (3, 1)


async def test_exports_hold_nothing_raw_of_sensitive_features(
    opened: Opened, make: Any, reference: Reference, tmp_path: Path
) -> None:
    telemetry = await opened()
    told(telemetry, make, reference)
    await telemetry.ingest([make.bike_row(float(i), temp=31.4159) for i in range(5)])
    day = (from_unix(make.start), from_unix(make.start + 86_400))
    open_ = list(export(tmp_path / "telemetry.db", {make.bike.name: make.bike}, *day))
    assert [r["subject"] for r in open_] == ["answers", "temp", "season"]
    assert open_[1]["low"] == 31.4159
    assert open_[2]["counts"] == {"a": 5}
    hidden = make.hidden(make.bike)
    shut = list(export(tmp_path / "telemetry.db", {make.bike.name: hidden}, *day))
    assert "31.4" not in str(shut)
    assert [shut[1][name] for name in ("present", "mean", "low", "high")] == [5, None, None, None]
    assert isinstance(shut[2]["counts"], list)
