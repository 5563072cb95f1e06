"""Following a table in a real database file: late rows, corrections, ties, each kind of watermark, and what is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.domain.names import ModelName, Task
from autoheal.domain.specs import ModelSpec
from autoheal.errors import AutohealError, StoreError
from autoheal.sources.sql import Query, Sql
from autoheal.sources.sql_cursor import Cursor, WatermarkError, load, mark_of, place, save
from autoheal.sources.sql_database import Database

SPEC = ModelSpec(ModelName("m"), Task.CLASSIFICATION)


class Table:
    """labels(at, id, label) in a file."""

    def __init__(self, folder: Path, kind: str = "INTEGER") -> None:
        self.folder = folder
        self.path = folder / "labels.db"
        self.run(f"CREATE TABLE labels (at {kind}, id TEXT, label TEXT)")

    def run(self, statement: str, *rows: Sequence[Any]) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            if rows:
                db.executemany(statement, rows)
            else:
                db.execute(statement)

    def add(self, *rows: tuple[Any, ...]) -> None:
        self.run("INSERT INTO labels VALUES (?, ?, ?)", *rows)

    def source(self, query: str = "SELECT at, id, label, 5 AS time FROM labels", **rest: Any) -> Sql:
        query_ = Query(query, **({"watermark": "at", "overlap": 10, "page": 4} | rest))
        return Sql(
            "s",
            database=Database(f"sqlite:///{self.path}", timeout=2.0),
            query=query_,
            spec=SPEC,
            holds="outcomes",
            state_file=self.folder / "s.json",
        )

    async def polled(self, sink: Any, **rest: Any) -> Sql:
        """A new source on the state of the one before it."""
        one = self.source(**rest)
        one._cursor = load(self.folder / "s.json")
        await one.poll(sink)
        return one


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path)


def got(sink: Any) -> list[tuple[str, Any]]:
    return [(r.id, r.label) for r in sink.records]


async def test_late_rows_and_corrections_within_the_overlap_come_once(table: Table, sink: Any) -> None:
    table.add(*[(i, f"{i}", "no") for i in range(20, 30)])
    await table.polled(sink)
    assert len(got(sink)) == 10
    table.add((21, "late", "no"), (5, "too late", "no"))
    table.run("UPDATE labels SET label = 'yes', at = 31 WHERE id = '22'")
    await table.polled(sink)
    assert got(sink)[10:] == [("late", "no"), ("22", "yes")]
    await table.polled(sink)
    assert len(got(sink)) == 12
    assert (table.folder / "s.json").stat().st_mode & 0o777 == 0o600


async def test_more_rows_of_one_watermark_than_a_page_holds(table: Table, sink: Any) -> None:
    table.add(*[(7, f"{i}", "no") for i in range(50)], (8, "next", "no"), (None, "never", "no"))
    await table.polled(sink)
    assert len(got(sink)) == 51
    assert got(sink)[-1] == ("next", "no")


@pytest.mark.parametrize(
    ("kind", "marks"),
    [
        ("REAL", [1.5, 2.25]),
        ("TEXT", ["2026-01-01 10:00:00", "2026-01-01 10:00:03.5"]),
        ("TEXT", ["2026-01-01T10:00:00+00:00", "2026-01-01T10:00:03+00:00"]),
        ("TEXT", ["2026-01-01", "2026-01-02"]),
    ],
)
async def test_each_kind_of_watermark(tmp_path: Path, sink: Any, kind: str, marks: list[Any]) -> None:
    table = Table(tmp_path, kind)
    table.add((marks[0], "a", "no"))
    await table.polled(sink)
    table.add((marks[1], "b", "no"))
    await table.polled(sink)
    table.add((marks[0], "late", "no"))
    await table.polled(sink)
    assert [i for i, _ in got(sink)] == ["a", "b", "late"]


@pytest.mark.parametrize("aware", [True, False])
async def test_a_watermark_of_the_future_hides_nothing(tmp_path: Path, sink: Any, aware: bool) -> None:
    """One row of a sender whose clock is years ahead, and every row after it would be below the greatest watermark."""
    table = Table(tmp_path, "TEXT")
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)

    def at(**ahead: float) -> str:
        when = now + timedelta(**ahead)
        return (when if aware else when.replace(tzinfo=None)).isoformat(sep=" ")

    async def poll() -> None:
        one = table.source(overlap=60)
        one._cursor = load(tmp_path / "s.json")
        await one.poll(sink, now.timestamp())

    table.add((at(minutes=-9), "a", "x"), (at(days=9000), "b", "x"), (at(days=9000), "c", "x"))
    await poll()
    table.add((at(minutes=-8), "d", "x"), (at(days=8000), "e", "x"))
    await poll()
    table.add((at(minutes=-7), "f", "x"))
    await poll()
    await poll()
    assert [one for one, _ in got(sink)] == ["a", "b", "c", "d", "e", "f"]
    assert place(load(tmp_path / "s.json").newest or 0) == (now - timedelta(minutes=7)).timestamp()


async def test_a_store_that_is_full_loses_nothing_and_bad_rows_are_counted(table: Table, sink: Any) -> None:
    table.add((1, "a", "no"), (2, "", "no"), (3, "c", None))
    sink.refuse = StoreError("disk full")
    with pytest.raises(StoreError):
        await table.polled(sink)
    one = await table.polled(sink)
    assert got(sink) == [("a", "no")]
    assert one.tally.refused == {"id": 1, "label": 1}


@pytest.mark.parametrize(
    ("query", "watermark", "said"),
    [
        ("SELECT missing FROM labels", "at", "no such column"),
        ("SELECT id, label FROM labels", "at", "no such column"),
        ("SELECT 'x' AS at, id FROM labels", "at", "no ISO time"),
        ("SELECT x'00' AS at, id FROM labels", "at", "must be a number or a time"),
        ("this is no SQL", "at", "syntax error"),
        ("SELECT 1 AS at) ; DROP TABLE labels; --", "at", "Error"),
    ],
)
async def test_a_query_that_cannot_work_says_so(
    table: Table, sink: Any, query: str, watermark: str, said: str
) -> None:
    table.add((1, "a", "no"))
    with pytest.raises(AutohealError, match=said):
        await table.source(query, watermark=watermark).poll(sink)
    table.add((2, "still there", "no"))


async def test_duckdb(tmp_path: Path, sink: Any) -> None:
    """Read only: a file that is not there is not made, and one that is read can be written a moment later."""
    path = tmp_path / "labels.duckdb"

    def source() -> Sql:
        query = Query('SELECT "at", id, label, "at" AS time FROM labels', "at", overlap=5, page=2)
        database = Database(f"duckdb:///{path}")
        return Sql(
            "s", database=database, query=query, spec=SPEC, holds="outcomes", state_file=tmp_path / "s"
        )

    one = source()
    with pytest.raises(AutohealError, match="does not exist"):
        await one.poll(sink)
    assert not path.exists()
    with closing(duckdb.connect(path)) as db:
        db.execute('CREATE TABLE labels ("at" TIMESTAMP, id TEXT, label TEXT)')
        db.execute("INSERT INTO labels VALUES ('2026-01-01 00:00:03', 'a', 'x'), (NULL, 'b', 'x')")
    await one.poll(sink)
    with closing(duckdb.connect(path)) as db:
        db.execute("INSERT INTO labels SELECT '2026-01-01'::TIMESTAMP, i::TEXT, 'x' FROM range(7) t(i)")
        held = source()
        with pytest.raises(AutohealError, match=r"lock|different configuration"):
            await held.poll(sink)
    await one.poll(sink)
    assert [one for one, _ in got(sink)] == ["a", *map(str, range(7))]


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_query_that_never_ends_is_ended(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "rows.db"
    (sqlite3 if kind == "sqlite" else duckdb).connect(path).close()
    path.touch()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS at FROM n"
    database = Database(f"{kind}:///{path}", timeout=0.3)
    for _ in range(2):
        with pytest.raises(AutohealError, match=r"no answer within 0\.3 s"):
            database.rows(endless, "at", None, 5)
    assert database.rows("SELECT 1 AS at", "at", None, 5) == [{"at": 1}], "it can be asked again"


async def test_a_database_that_is_not_there_is_not_made(table: Table, sink: Any) -> None:
    table.path.unlink()
    with pytest.raises(AutohealError, match="unable to open"):
        await table.polled(sink)
    assert not table.path.exists()


marks = st.one_of(
    st.integers(-(10**12), 10**12),
    st.floats(-1e9, 1e9),
    st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants it
    st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)).map(lambda t: t.isoformat(sep=" ")),  # noqa: DTZ001 - as above
)


@given(marks, st.integers(0, 10**6))
def test_a_cursor_is_the_same_after_a_restart_and_starts_earlier(mark: Any, overlap: int) -> None:
    import tempfile

    cursor = Cursor()
    cursor.take({"a": 1}, mark_of(mark))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "s.json"
        save(path, cursor)
        assert load(path) == cursor
    start = cursor.start(overlap)
    assert start is not None
    assert type(start) is type(mark)
    assert place(start) == pytest.approx(place(mark) - overlap, abs=1e-3)
    cursor.take({"a": 2}, mark_of(start))
    assert cursor.newest == mark or place(cursor.newest) == place(mark)  # type: ignore[arg-type]
    cursor.forget(overlap)
    assert not cursor.fresh({"a": 1})


def test_an_unusable_state_file_begins_anew(tmp_path: Path) -> None:
    for text in ("", "[1]", '{"newest": 1}', '{"newest": "x", "time": true, "seen": {}}'):
        (tmp_path / "s").write_text(text)
        assert load(tmp_path / "s") == Cursor()


@pytest.mark.parametrize(
    "value", [float("nan"), Decimal("NaN"), Decimal("Infinity"), float("-inf"), True, b"1", "soon"]
)
def test_what_has_no_order_is_no_watermark(value: Any) -> None:
    with pytest.raises(WatermarkError, match="the watermark is"):
        mark_of(value)


def test_times_of_databases_have_one_place() -> None:
    aware = datetime(2026, 1, 1, tzinfo=UTC)
    assert (
        place(aware)
        == place(aware.replace(tzinfo=None))
        == place("2026-01-01 00:00:00")
        == place("2026-01-01")
    )
    assert place(aware + timedelta(seconds=1)) == place(aware) + 1


def test_a_driver_that_is_not_installed_is_named() -> None:
    database = Database("oracle://h/d")
    with pytest.raises(AutohealError, match=r"driver of oracle.* is not installed: .*oracle"):
        database.rows("SELECT 1 AS w", "w", None, 1)
