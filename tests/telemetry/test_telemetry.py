"""The store through its facade: joins in any order, duplicates, corrections, restart, bounds."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoheal.clock import VirtualClock
from autoheal.domain.names import ModelName, Version
from autoheal.errors import StoreError
from autoheal.monitors.rows import ABSENT, NULL, WRONG
from autoheal.monitors.view import View
from autoheal.telemetry import Counts, Limits, Metric, Refusal, Telemetry, parse_body, schema
from autoheal.telemetry.store import TIDY_BATCHES

Opened = Callable[..., Awaitable[Telemetry]]


def view(telemetry: Telemetry, model: str = "bike", now: datetime = datetime(2026, 1, 2, tzinfo=UTC)) -> View:
    return telemetry.view(ModelName(model), champion=Version("v1"), since=None, reference=None, now=now)


async def test_labels_join_before_with_and_after_their_prediction(telemetry: Telemetry, make: Any) -> None:
    assert await telemetry.ingest([make.outcome(0, 5.0)]) == Counts(accepted=1, waiting=1)
    await telemetry.ingest([make.outcome(1, 6.0), make.prediction(0), make.prediction(1), make.prediction(2)])
    await telemetry.ingest([make.outcome(2, 7.0)])
    assert view(telemetry).rows.label.tolist() == [5.0, 6.0, 7.0]
    assert telemetry.totals["joined_late"] == 1


async def test_duplicates_are_counted_and_the_first_stands(telemetry: Telemetry, make: Any) -> None:
    await telemetry.ingest([make.prediction(0), make.prediction(0, prediction=99.0), make.outcome(0)])
    counts = await telemetry.ingest([make.prediction(0, prediction=98.0), make.outcome(0)])
    assert counts == Counts(accepted=0, duplicates=2)
    assert view(telemetry).rows.prediction.tolist() == [0.0]
    assert telemetry.totals["duplicates"] == 3


async def test_a_corrected_label_replaces_and_keeps_its_time(
    telemetry: Telemetry, make: Any, clock: VirtualClock
) -> None:
    await telemetry.ingest([make.prediction(0), make.outcome(0, 1.0)])
    first = view(telemetry).rows.labelled[0]
    await clock.advance(timedelta(hours=1))
    assert await telemetry.ingest([make.outcome(0, 2.0)]) == Counts(accepted=1, corrected=1)
    rows = view(telemetry).rows
    assert rows.label[0] == 2.0
    assert rows.labelled[0] == first


async def test_a_restart_shows_the_same_rows(opened: Opened, make: Any) -> None:
    before = await opened()
    odd = make.prediction(
        3, features={"temp": "warm", "season": None}, score=0.5, latency_ms=2.0, by="fallback"
    )
    late = make.prediction(4, features={}, prediction=None, error="timeout")
    await before.ingest(
        [make.prediction(i) for i in range(3)] + [odd, late, make.outcome(1, 4.0), make.outcome(9)]
    )
    await before.ingest([Metric(ModelName("bike"), "error_rate", 0.1, make.start)])
    was = view(before)
    await before.close()
    now = view(await opened())
    for name in (
        "time",
        "arrived",
        "fallback",
        "failed",
        "prediction",
        "score",
        "latency",
        "label",
        "labelled",
    ):
        np.testing.assert_array_equal(getattr(now.rows, name), getattr(was.rows, name), err_msg=name)
    assert now.rows.features["temp"].state.tolist() == [0, 0, 0, WRONG, ABSENT]
    assert now.rows.features["season"].state.tolist() == [0, 0, 0, NULL, ABSENT]
    assert now.metrics["error_rate"].value.tolist() == [0.1]


async def test_views_do_not_change_after_they_were_taken(telemetry: Telemetry, make: Any) -> None:
    await telemetry.ingest([make.prediction(i) for i in range(300)])
    taken = view(telemetry)
    await telemetry.ingest([make.prediction(i) for i in range(300, 900)] + [make.outcome(0)])
    assert len(taken.rows) == 300
    assert np.isnan(taken.rows.label).all()
    assert taken.rows.features["temp"].values.tolist() == [float(i) for i in range(300)]


async def test_memory_and_disk_are_bounded(opened: Opened, make: Any, tmp_path: Path) -> None:
    telemetry = await opened(rows=2_000, memory_rows=1_000, waiting=10)
    for start in range(0, 50_000, 5_000):
        await telemetry.ingest([make.prediction(i) for i in range(start, start + 5_000)])
    await telemetry.ingest([make.outcome(i) for i in range(60_000, 60_100)])
    await telemetry.ingest([make.prediction(i) for i in range(50_000, 75_000)])
    rows = view(telemetry).rows
    assert 1_000 <= len(rows) <= 1_250
    assert rows.prediction[-1] == 74_999.0
    with sqlite3.connect(tmp_path / "telemetry.db") as db:
        assert db.execute("SELECT count(*), min(time) FROM predictions").fetchone() == (
            2_000,
            make.start + 73_000 * 3600,
        )
        assert db.execute("SELECT count(*) FROM waiting_outcomes").fetchone()[0] <= 10
    db.close()


async def test_models_that_have_too_many_rows_at_one_time_lose_them_over_several_rounds(
    tmp_path: Path, make: Any, clock: VirtualClock
) -> None:
    """The writer waits for a round, so that its length must not grow with the models."""
    specs = {name: replace(make.bike, name=name) for name in map(ModelName, "abcde")}
    sent = {name: [replace(make.prediction(i), model=name) for i in range(9_000)] for name in specs}
    async with await Telemetry.open(tmp_path / "telemetry.db", specs, clock) as telemetry:
        for rows in sent.values():
            await telemetry.ingest(rows)
    sizes = []
    async with await Telemetry.open(tmp_path / "telemetry.db", specs, clock, Limits(rows=1_000)) as telemetry:
        for i in range(3):
            for k in range(TIDY_BATCHES):
                await telemetry.ingest([replace(make.prediction(10_000 + 200 * i + k), model=ModelName("e"))])
            with closing(sqlite3.connect(tmp_path / "telemetry.db")) as db:
                found = db.execute("SELECT model, count(*) FROM predictions GROUP BY model").fetchall()
                runs = db.execute("SELECT count(DISTINCT model) FROM id_runs").fetchone()[0]
            sizes.append([n for _, n in found])
        again = await telemetry.ingest([sent[ModelName("a")][-1], sent[ModelName("e")][-1]])
    assert sizes[0] == [1_000, 1_000, 1_000, 9_000, 9_200]
    assert sizes[1:] == [[1_000] * 5] * 2
    assert (again.duplicates, runs) == (2, 5)


async def test_waiting_outcomes_expire(opened: Opened, make: Any, clock: VirtualClock) -> None:
    telemetry = await opened(waiting_days=1.0)
    await telemetry.ingest([make.outcome(0)])
    await clock.advance(timedelta(days=2))
    await telemetry.ingest([make.prediction(i) for i in range(1, 21_000)])
    await telemetry.ingest([make.prediction(0)])
    assert telemetry.totals["waiting_expired"] == 1
    assert np.isnan(view(telemetry).rows.label).all()


async def test_labels_mature_after_the_lag_and_are_counted(
    telemetry: Telemetry, make: Any, clock: VirtualClock
) -> None:
    clock.current = datetime(2011, 7, 1, 12, tzinfo=UTC)
    await telemetry.ingest([make.prediction(i) for i in range(12)] + [make.outcome(i) for i in range(12)])
    await telemetry.ingest([make.prediction(20, by="fallback"), make.outcome(20)])
    model, noon = ModelName("bike"), clock.now()
    assert telemetry.matured(model, now=noon) == 12
    assert telemetry.matured(model, now=noon - timedelta(hours=1)) == 0, "labels arrived at noon"
    assert telemetry.matured(model, now=noon, since=datetime(2011, 7, 1, 9, tzinfo=UTC)) == 2
    late = noon + timedelta(days=2)
    assert telemetry.matured(model, now=late) == 13
    assert telemetry.matured(model, now=late, version=Version("v1")) == 12, (
        "the stand-in's answer is not v1's"
    )
    rows = telemetry.labelled(model, now=late, limit=2)
    assert [r["id"] for r in rows] == ["r20", "r11"]
    assert rows[1]["time"] == datetime(2011, 7, 1, 11, tzinfo=UTC)
    assert rows[1]["features"] == {"temp": 11.0, "season": "b"}
    assert len(telemetry.labelled(model, now=late, since=rows[1]["time"])) == 1
    assert len(telemetry.labelled(model, now=late, until=rows[1]["time"])) == 12


async def test_counts_come_from_the_disk_where_memory_ends(opened: Opened, make: Any) -> None:
    telemetry = await opened(memory_rows=1_000)
    await telemetry.ingest(
        [make.prediction(i) for i in range(3_000)] + [make.outcome(i) for i in range(3_000)]
    )
    now = datetime(2027, 1, 1, tzinfo=UTC)
    assert telemetry.matured(ModelName("bike"), now=now) == 3_000
    newest = datetime.fromtimestamp(make.start + 2_900 * 3600, UTC)
    assert telemetry.matured(ModelName("bike"), now=now, since=newest, version=Version("v1")) == 99


async def test_classes_and_categories_are_one_whatever_their_type(telemetry: Telemetry, make: Any) -> None:
    said: list[Any] = [1, 1.0, "1", True, 0, "yes"]
    truth: list[Any] = ["1", True, 1, 1.0, False, "yes"]
    seasons: list[Any] = [1, 1.0, "1", True, "true", "spring"]
    await telemetry.ingest(
        [
            make.prediction(i, "loans", prediction=p, features={"season": s})
            for i, (p, s) in enumerate(zip(said, seasons, strict=True))
        ]
        + [make.outcome(i, t, "loans") for i, t in enumerate(truth)]
    )
    rows = view(telemetry, "loans").rows
    np.testing.assert_array_equal(rows.prediction, rows.label)
    assert [rows.features["season"].levels[c] for c in rows.features["season"].values] == [
        "1",
        "1",
        "1",
        "True",
        "True",
        "spring",
    ]


async def test_a_column_of_endless_levels_stays_bounded(telemetry: Telemetry, make: Any) -> None:
    await telemetry.ingest([make.prediction(i, features={"season": f"user-{i}"}) for i in range(3_000)])
    column = view(telemetry).rows.features["season"]
    assert len(column.levels) == 1_001
    assert column.levels[column.values[-1]] == "<other>"


async def test_too_much_under_way_is_refused(opened: Opened, make: Any) -> None:
    telemetry = await opened(in_flight=1_000)
    batch = [make.prediction(i) for i in range(900)]
    done = await asyncio.gather(telemetry.ingest(batch), telemetry.ingest(batch), return_exceptions=True)
    refused = [d for d in done if isinstance(d, Refusal)]
    assert [r.reason for r in refused] == ["full"]
    assert await telemetry.ingest(batch) == Counts(duplicates=900)


async def test_a_disk_that_says_no_keeps_nothing_of_the_batch(
    telemetry: Telemetry, make: Any, tmp_path: Path
) -> None:
    await telemetry.ingest([make.prediction(0)])
    with sqlite3.connect(tmp_path / "telemetry.db") as db:
        db.execute(
            "CREATE TRIGGER full BEFORE INSERT ON predictions WHEN NEW.id = 'r5' BEGIN SELECT RAISE(FAIL, 'disk full'); END"
        )
        db.execute(
            "CREATE TRIGGER stop BEFORE UPDATE ON predictions BEGIN SELECT RAISE(FAIL, 'disk full'); END"
        )
    db.close()
    with pytest.raises(StoreError, match="disk full"):
        await telemetry.ingest([make.prediction(1), make.outcome(0)])
    assert len(view(telemetry).rows) == 1
    assert view(telemetry).as_of == datetime(2026, 1, 2, tzinfo=UTC).timestamp(), (
        "nothing is under way any more"
    )


async def test_a_file_that_another_process_holds_is_said_to_all_who_wait_at_once(
    opened: Opened, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY", 0.5)
    telemetry = await opened()
    with closing(sqlite3.connect(tmp_path / "telemetry.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        fates = asyncio.gather(
            *(telemetry.ingest([make.prediction(i)]) for i in range(10)), return_exceptions=True
        )
        async with asyncio.timeout(4 * schema.BUSY):  # and not once for each
            assert all("locked" in str(fate) for fate in await fates)
    assert await telemetry.ingest([make.prediction(0)]) == Counts(1)


async def test_a_batch_whose_sender_went_away_is_still_under_way(
    opened: Opened, make: Any, tmp_path: Path
) -> None:
    telemetry = await opened(in_flight=10)
    with closing(sqlite3.connect(tmp_path / "telemetry.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        gone = asyncio.create_task(telemetry.ingest([make.prediction(i) for i in range(10)]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        with pytest.raises(Refusal, match="10 records are being stored"):
            await telemetry.ingest([make.prediction(10)])
    await telemetry.configure(make.models)
    assert await telemetry.ingest([make.prediction(i) for i in range(11)]) == Counts(1, duplicates=10)


async def test_rows_that_cannot_be_forgotten_do_not_fail_those_that_come(
    opened: Opened, make: Any, tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    telemetry = await opened(row_days=1.0)
    body = b"\n".join(
        b'{"kind":"prediction","model":"bike","version":"v1","id":"p%d","time":%d,"features":{"temp":1},"prediction":1}'
        % (i, make.start)
        for i in range(100)
    )
    await telemetry.ingest(parse_body(body, make.tasks, lines=True))
    with closing(sqlite3.connect(tmp_path / "telemetry.db")) as db, db:
        db.execute("UPDATE chunks SET data = x'00'")
    await clock.advance(timedelta(days=2))
    for i in range(2 * TIDY_BATCHES):
        assert await telemetry.ingest([make.prediction(i)]) == Counts(1)
    assert caplog.text.count("old telemetry stays") == 2


async def test_a_foreign_file_is_named(tmp_path: Path, clock: VirtualClock, make: Any) -> None:
    path = tmp_path / "telemetry.db"
    path.write_bytes(b"not a database, by far" * 100)
    with pytest.raises(StoreError, match=r"telemetry\.db"):
        await Telemetry.open(path, make.models, clock)


async def test_files_are_private(telemetry: Telemetry, make: Any, tmp_path: Path) -> None:
    await telemetry.ingest([make.prediction(0)])
    modes = {p.stat().st_mode & 0o777 for p in tmp_path.glob("telemetry.db*")}  # noqa: ASYNC240 - a test may wait
    assert modes == {0o600}


async def test_a_new_configuration_rebuilds_only_what_changed(telemetry: Telemetry, make: Any) -> None:
    await telemetry.ingest(
        [make.prediction(0), make.outcome(0), make.prediction(0, "loans", prediction="yes")]
    )
    assert set(telemetry.tasks) == {"bike", "loans"}
    await telemetry.configure({make.bike.name: make.bike})
    assert set(telemetry.tasks) == {"bike"}
    assert view(telemetry).rows.label.tolist() == [1.0]
    await telemetry.configure(make.models)
    assert len(view(telemetry, "loans").rows) == 1


STEP = st.tuples(st.sampled_from(["prediction", "outcome"]), st.integers(0, 5), st.integers(0, 2))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(batches=st.lists(st.lists(STEP, max_size=6), max_size=8))
async def test_any_order_of_arrival_ends_in_the_same_join(
    batches: list[list[tuple[str, int, int]]], tmp_path_factory: pytest.TempPathFactory, make: Any
) -> None:
    """First prediction and last label of each id win, whatever came first; a restart changes nothing."""
    path = tmp_path_factory.mktemp("any") / "telemetry.db"
    predictions: dict[int, int] = {}
    labels: dict[int, int] = {}
    async with await Telemetry.open(path, make.models, VirtualClock()) as telemetry:
        for batch in batches:
            records = [
                make.prediction(i, prediction=float(v)) if kind == "prediction" else make.outcome(i, float(v))
                for kind, i, v in batch
            ]
            counts = await telemetry.ingest(records)
            assert counts.accepted + counts.duplicates == len(batch)
            for kind, i, v in batch:
                if kind == "prediction":
                    predictions.setdefault(i, v)
                else:
                    labels[i] = v
        was = view(telemetry).rows
    want = {make.start + 3600.0 * i: (v, labels.get(i)) for i, v in predictions.items()}
    async with await Telemetry.open(path, make.models, VirtualClock()) as telemetry:
        for rows in (was, view(telemetry).rows):
            got = {
                t: (p, None if np.isnan(x) else x)
                for t, p, x in zip(
                    rows.time.tolist(), rows.prediction.tolist(), rows.label.tolist(), strict=True
                )
            }
            assert got == want
