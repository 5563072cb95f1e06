"""A sample of raw rows that outlives them: the same as of all rows, bounded, and without what nobody may see."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoheal.clock import VirtualClock
from autoheal.telemetry import Limits, Telemetry
from autoheal.telemetry.ages import Ages
from autoheal.telemetry.history import History
from autoheal.telemetry.records import parse_body
from autoheal.telemetry.reservoir import ranks
from autoheal.telemetry.samples_table import Hour, Sampled, add, between, edge
from autoheal.telemetry.schema import open_database
from autoheal.telemetry.values import from_unix

HOURS = 30
SIZE = 12


def lines(make: Any, hour: int, n: int, version: str) -> bytes:
    """An hour's predictions as NDJSON."""
    rows = [
        {
            "kind": "prediction", "model": "bike", "version": version, "id": f"{hour}-{i}",
            "time": make.start + 3600.0 * hour + i * 3599.0 / n, "prediction": float(i),
            "features": {"temp": float(i), "season": "ab"[i % 2], "undeclared": 5},
        }
        for i in range(n)
    ]  # fmt: skip
    return b"\n".join(orjson.dumps(row) for row in rows)


async def fill(path: Path, make: Any, limits: Limits) -> None:
    rng = np.random.default_rng(4)
    async with await Telemetry.open(path, make.models, VirtualClock(), limits) as telemetry:
        for hour in range(HOURS):
            # Large batches go to disk in one piece, small ones row by row.
            n = 900 if hour % 3 else 90
            version = "v1" if hour < 20 or hour % 2 else "v2"
            batch = parse_body(lines(make, hour, n, version), make.tasks, lines=True)
            labels = [
                orjson.dumps({"kind": "outcome", "model": "bike", "id": f"{hour}-{i}", "time": make.start + 1e6, "label": i})
                for i in rng.choice(n, n // 2, replace=False).tolist()
            ]  # fmt: skip
            if hour % 3:
                await telemetry.ingest(batch)
            else:
                for at in range(0, n, 10):
                    await telemetry.ingest(list(batch[at : at + 10]))
            await telemetry.ingest(parse_body(b"\n".join(labels), make.tasks, lines=True))


@pytest.fixture
async def both(tmp_path: Path, make: Any) -> Any:
    """History of the same rows: all on disk, and nearly all gone."""
    await fill(tmp_path / "all.db", make, Limits())
    await fill(tmp_path / "few.db", make, Limits(rows=1_000, samples=SIZE))
    found = [History(tmp_path / name) for name in ("all.db", "few.db")]
    yield found
    for history in found:
        history.close()


async def test_what_was_kept_of_rows_that_left_is_the_sample_of_all_rows(
    both: list[History], make: Any, tmp_path: Path
) -> None:
    db = sqlite3.connect(tmp_path / "few.db")
    left = db.execute("SELECT (SELECT count(*) FROM predictions) + (SELECT sum(rows) FROM chunks)").fetchone()
    kept, most = db.execute(
        "SELECT count(*), max(n) FROM (SELECT count(*) n FROM samples GROUP BY start, version)"
    ).fetchone()
    db.close()
    assert left[0] < 7_000
    assert kept > most == SIZE
    whole, thin = both
    for first, last in ((0, 1), (1, 2), (3, 9), (0, HOURS), (19, 25), (HOURS - 2, HOURS)):
        # An hour begins at its first row, and the rows of a stretch are those after its beginning.
        since, until = (from_unix(make.start + 3600.0 * at - 0.5) for at in (first, last))
        for version in (None, "v1", "v2"):
            wanted = whole.sample(make.bike, since, until, SIZE, version=version)
            assert thin.sample(make.bike, since, until, SIZE, version=version) == wanted
            assert len(wanted) == SIZE or (version == "v2" and len(wanted) == 0)
    assert {row["label"] is None for row in whole.sample(make.bike, since, until, SIZE)} == {True, False}
    # Of any stretch it is the beginning, by rank, of the sample of all rows.
    rng = np.random.default_rng(1)
    for _ in range(40):
        first, last = sorted(rng.uniform(0, HOURS * 3600.0, 2).tolist())
        since, until = from_unix(make.start + first), from_unix(make.start + last)
        size = int(rng.integers(1, 60))
        by_rank = sorted(
            whole.sample(make.bike, since, until, size), key=lambda row: int(ranks([row["id"]])[0])
        )
        got = thin.sample(make.bike, since, until, size)
        assert {row["id"] for row in got} == {row["id"] for row in by_rank[: len(got)]}
        assert {row["id"]: row for row in got}.items() <= {row["id"]: row for row in by_rank}.items()
    day = from_unix(make.start), from_unix(make.start + 86_400)
    assert all(set(row["features"]) == {"temp", "season"} for row in thin.sample(make.bike, *day, 5))
    became = thin.sample(make.hidden(make.bike), *day, 5)
    assert all(row["features"] == {} for row in became), "sensitive since"


async def test_only_declared_features_that_are_not_sensitive_are_kept(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    models = {make.bike.name: make.hidden(make.bike)}
    async with await Telemetry.open(path, models, VirtualClock(), Limits(rows=1_000)) as telemetry:
        for hour in range(25):
            await telemetry.ingest(parse_body(lines(make, hour, 900, "v1"), make.tasks, lines=True))
    db = sqlite3.connect(path)
    assert db.execute("SELECT DISTINCT features FROM samples").fetchall() == [("{}",)]
    db.close()


async def test_samples_go_with_the_hours_of_history_and_can_be_turned_off(make: Any, tmp_path: Path) -> None:
    ages = Ages(minutes=3_600, hours=12 * 3_600, days=86_400 * 5)
    await fill(tmp_path / "t.db", make, Limits(rows=1_000, samples=SIZE, ages=ages))
    await fill(tmp_path / "off.db", make, Limits(rows=1_000, samples=0))
    start = int(make.start)
    db = sqlite3.connect(tmp_path / "t.db")
    first = db.execute("SELECT min(start), (SELECT min(start) FROM sample_edges) FROM samples").fetchone()
    db.close()
    assert all(start + 6 * 3_600 < at < start + 24 * 3_600 for at in first)
    off = History(tmp_path / "off.db")
    assert off.sample(make.bike, from_unix(start - 1), from_unix(start + 3_600)) == []
    off.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 60), unique=True, max_size=40), st.data())
def test_parts_add_up_in_any_order(keys: list[int], data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.integers(1, 7), max_size=12))
    shuffled = data.draw(st.permutations(keys))
    hour = Hour("bike", 0, "v1")
    with tempfile.TemporaryDirectory() as folder:
        db = open_database(Path(folder) / "t.db")
        rest = shuffled
        for n in [*parts, len(keys) + 1]:
            batch, rest = sorted(rest[:n]), rest[n:]
            known = edge(db, hour)
            offered = [k for k in batch if known is None or k < known]
            rows = [Sampled(k, f"r{k}", "v1", 1.0 + k, {}, k, None, None) for k in offered[:5]]
            if rows:
                add(db, hour, rows, 5, offered[5] if len(offered) > 5 else None)
        assert [row.rank for row in between(db, "bike", 0.0, 100.0, None)] == sorted(keys)[:5]
        assert edge(db, hour) == (sorted(keys)[5] if len(keys) > 5 else None)
        db.close()
