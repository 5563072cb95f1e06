"""The log through its public door: order, durability by number, refusals, and what it says about damage."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from autoheal.domain import events as ev
from autoheal.errors import StoreError
from autoheal.store import database
from autoheal.store.log import EventLog
from autoheal.store.reader import LogReader
from tests.store.build import START, ticks


def tamper(path: Path, sql: str, *values: object) -> None:
    connection = sqlite3.connect(path / "autoheal.db")
    with connection:
        connection.execute(sql, values)
    connection.close()


async def filled(path: Path, last: int = 10) -> EventLog:
    log = EventLog.open(path)
    await log.append(ticks(1, last))
    return log


async def test_append_and_read_in_order(tmp_path: Path) -> None:
    with EventLog.open(tmp_path) as log:
        assert log.head() == (0, "0" * 64)
        head = await log.append(ticks(1, 3))
        await log.append(ticks(4, 5))
        assert head.seq == 3
        assert log.head().seq == 5
        assert log.read() == ticks(1, 5)
        assert log.read(after=2, limit=2) == ticks(3, 4)
        assert log.read(after=5) == []
        assert list(log.scan(after=1)) == ticks(2, 5)
        assert log.verify() is None


async def test_the_next_life_goes_on_where_the_last_ended(tmp_path: Path) -> None:
    with await filled(tmp_path, 3) as log:
        before = log.head()
    with EventLog.open(tmp_path / "autoheal.db") as log:
        assert log.head() == before
        await log.append(ticks(4, 4))
        assert log.verify() is None


@pytest.mark.parametrize("first", [3, 5], ids=["overlap", "gap"])
async def test_a_number_out_of_order_is_refused_and_leaves_nothing(tmp_path: Path, first: int) -> None:
    with await filled(tmp_path, 3) as log:
        with pytest.raises(StoreError, match=f"continues with entry 4, not {first}"):
            await log.append(ticks(first, first + 1))
        with pytest.raises(StoreError, match="entry 5, not 6"):
            await log.append([*ticks(4, 4), *ticks(6, 6)])
        assert log.head().seq == 3
        await log.append(ticks(4, 4))


async def test_appends_in_flight_share_commits(tmp_path: Path) -> None:
    with EventLog.open(tmp_path) as log:
        await asyncio.gather(*(log.append(ticks(n, n)) for n in range(1, 401)))
        assert log.commits < 100
        assert log.read(limit=1000) == ticks(1, 400)
        assert log.verify() is None


async def test_a_refused_append_does_not_disturb_those_that_share_its_commit(tmp_path: Path) -> None:
    odd = [ev.Entry(2, START, ev.Ticked(kind=object()))]  # type: ignore[arg-type]
    with EventLog.open(tmp_path) as log:
        results = await asyncio.gather(
            log.append(ticks(1, 1)),
            log.append(odd),
            log.append(ticks(9, 9)),
            log.append(ticks(2, 2)),
            return_exceptions=True,
        )
        assert [isinstance(r, StoreError) for r in results] == [False, True, True, False]
        assert log.read() == ticks(1, 2)


async def test_an_append_whose_caller_went_away_is_still_recorded(tmp_path: Path) -> None:
    with EventLog.open(tmp_path) as log:
        task = asyncio.create_task(log.append(ticks(1, 1)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await log.append(ticks(2, 2))
        assert log.read() == ticks(1, 2)


async def test_a_closed_log_refuses(tmp_path: Path) -> None:
    log = EventLog.open(tmp_path)
    log.close()
    log.close()
    with pytest.raises(StoreError, match="closed"):
        await log.append(ticks(1, 1))


async def test_all_files_are_private(tmp_path: Path) -> None:
    os.umask(0)
    try:
        with await filled(tmp_path / "deep" / "state" / "autoheal.db", 1):
            found = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "deep" / "state").iterdir()}
    finally:
        os.umask(0o022)
    assert set(found) == {"autoheal.db", "autoheal.db-wal", "autoheal.db-shm", "autoheal.lock"}
    assert set(found.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "deep" / "state").stat().st_mode) == 0o700


async def test_the_writer_is_as_durable_as_sqlite_can_be(tmp_path: Path) -> None:
    connection = database.connect(tmp_path / "x.db", writer=True)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_second_writer_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "autoheal.lock").write_text("4194304000\n")  # of a process with a longer number
    with EventLog.open(tmp_path):
        with pytest.raises(StoreError, match=f"another autoheal \\(process {os.getpid()}\\)"):
            EventLog.open(tmp_path)
        code = f"from pathlib import Path; from autoheal.store.log import EventLog; EventLog.open(Path({str(tmp_path)!r}))"
        other = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
        )
        assert other.returncode == 1
        assert "another autoheal" in other.stderr
    EventLog.open(tmp_path).close()


async def test_readers_see_the_log_beside_the_writer_and_after_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no event log here"):
        LogReader.open(tmp_path)
    with await filled(tmp_path, 2) as log:
        reader = LogReader.open(tmp_path)
        await log.append(ticks(3, 3))
        assert reader.read() == ticks(1, 3)
        reader.close()
    reader = LogReader.open(tmp_path)
    assert (reader.head().seq, reader.verify()) == (3, None)
    reader.close()


async def test_a_log_has_a_name_of_its_own_for_life(tmp_path: Path) -> None:
    with await filled(tmp_path / "a.db", 1) as log:
        name = log.identity()
        await log.append(ticks(2, 3))
        assert log.identity() == name
        assert len(name) == 12
    with EventLog.open(tmp_path / "b.db") as other:
        assert other.identity() == ""
        await other.append([ev.Entry(1, START, ev.DaemonStarted("1"))])
        assert other.identity() not in {"", name}


async def test_what_was_written_ahead_of_a_step_is_found(tmp_path: Path) -> None:
    def started(n: int, key: str, attempt: int) -> ev.Entry:
        return ev.Entry(n, START, ev.StepStarted("r", "s", key, attempt, {"n": n}))  # type: ignore[arg-type]

    with EventLog.open(tmp_path) as log:
        await log.append([started(1, "r/a", 1), started(2, "r/b", 1), started(3, "r/a", 2), *ticks(4, 4)])
        assert log.started("r/a") == started(3, "r/a", 2)
        assert log.started("r/none") is None


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("UPDATE entries SET body = replace(body, 'entry 4', 'entry 5') WHERE seq = ?", (4,)),
        ("DELETE FROM entries WHERE seq = ?", (4,)),
        ("UPDATE entries SET hash = 'x' WHERE seq = ?", (4,)),
        ("UPDATE entries SET body = '{}' WHERE seq = ?", (4,)),
    ],
    ids=["altered", "removed", "rehashed", "garbage"],
)
async def test_damage_is_found_and_named(tmp_path: Path, sql: str, values: tuple[object, ...]) -> None:
    (await filled(tmp_path)).close()
    tamper(tmp_path, sql, *values)
    with EventLog.open(tmp_path) as log:
        assert log.verify() == 4
        assert log.read(limit=3) == ticks(1, 3)
        with pytest.raises(StoreError, match="entry 4"):
            log.read()


async def test_a_whole_new_chain_behind_an_altered_entry_is_not_enough(tmp_path: Path) -> None:
    """Altering entry 4 and its own hash breaks entry 5."""
    (await filled(tmp_path)).close()
    from autoheal.store.codec import chain

    reader = LogReader.open(tmp_path)
    connection = sqlite3.connect(tmp_path / "autoheal.db")
    (before,) = connection.execute("SELECT hash FROM entries WHERE seq = 3").fetchone()
    (body,) = connection.execute("SELECT replace(body, '✓', '✗') FROM entries WHERE seq = 4").fetchone()
    with connection:
        connection.execute("UPDATE entries SET body = ?, hash = ? WHERE seq = 4", (body, chain(before, body)))
    connection.close()
    assert reader.verify() == 5
    reader.close()


def test_a_file_of_a_newer_autoheal_is_refused(tmp_path: Path) -> None:
    EventLog.open(tmp_path).close()
    tamper(
        tmp_path,
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)",
        "autoheal.log",
        "0099_future",
        "2099",
    )
    with pytest.raises(StoreError, match=r"newer autoheal .*0099_future"):
        EventLog.open(tmp_path)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "autoheal.db").write_bytes(b"my notes, not a database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        EventLog.open(tmp_path)
    assert (tmp_path / "autoheal.db").read_bytes().startswith(b"my notes")
    with pytest.raises(StoreError, match="not a database"):
        EventLog.open(tmp_path)  # and the lock was let go
