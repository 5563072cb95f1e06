"""Snapshots shorten the start and change nothing: with them, without them, or with broken ones."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from autoheal.domain.world import World
from autoheal.engine.apply import apply
from autoheal.errors import StoreError
from autoheal.store.log import EventLog, open_world, rebuild
from tests.store.build import ticks
from tests.store.test_log import filled, tamper


async def grown(path: Path) -> World:
    """A log of 30 entries with snapshots after 10, 15 and 20; the world it tells."""
    log = await filled(path, 30)
    world = World()
    for entry in log.read():
        world = apply(world, entry)
        if world.seq in {10, 15, 20}:
            await log.save_snapshot(world)
    log.close()
    return world


async def test_with_and_without_snapshots_the_world_is_the_same(tmp_path: Path) -> None:
    world = await grown(tmp_path)
    log, with_snapshot = open_world(tmp_path)
    assert rebuild(log, snapshot=False) == with_snapshot == world
    log.close()
    tamper(tmp_path, "DELETE FROM snapshots")
    log, without = open_world(tmp_path)
    assert without == world
    log.close()


async def test_only_what_came_after_the_snapshot_is_read(tmp_path: Path) -> None:
    await grown(tmp_path)
    seen: list[int] = []
    log, _ = open_world(tmp_path, lambda w, e: (seen.append(e.seq), apply(w, e))[1])
    log.close()
    assert seen == list(range(21, 31))


async def test_only_the_newest_two_are_kept(tmp_path: Path) -> None:
    await grown(tmp_path)
    connection = sqlite3.connect(tmp_path / "autoheal.db")
    assert connection.execute("SELECT seq FROM snapshots ORDER BY seq").fetchall() == [(15,), (20,)]
    connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE snapshots SET digest = 'of another version' WHERE seq = 20",
        "UPDATE snapshots SET body = body || ' ' WHERE seq = 20",
        "UPDATE snapshots SET hash = 'of another history' WHERE seq = 20",
    ],
)
async def test_an_unusable_snapshot_is_passed_over_for_the_one_before(tmp_path: Path, sql: str) -> None:
    world = await grown(tmp_path)
    tamper(tmp_path, sql)
    log = EventLog.open(tmp_path)
    snapshot = log.load_snapshot()
    assert snapshot is not None
    assert snapshot.seq == 15
    assert rebuild(log) == world
    log.close()


async def test_a_log_that_lost_its_tail_is_found_out_by_its_snapshot(tmp_path: Path) -> None:
    await grown(tmp_path)
    tamper(tmp_path, "DELETE FROM entries WHERE seq > 17")
    with EventLog.open(tmp_path) as log:
        assert log.verify() == 18
        snapshot = log.load_snapshot()
        assert snapshot is not None
        assert snapshot.seq == 15


async def test_a_snapshot_of_the_future_is_refused(tmp_path: Path) -> None:
    with await filled(tmp_path, 3) as log:
        with pytest.raises(StoreError, match="the log ends before it"):
            await log.save_snapshot(World(seq=9))
        assert log.load_snapshot() is None


async def test_a_damaged_log_is_not_opened_as_a_world(tmp_path: Path) -> None:
    (await filled(tmp_path)).close()
    tamper(tmp_path, "DELETE FROM entries WHERE seq = 5")
    with pytest.raises(StoreError, match="log entry 5 is missing"):
        open_world(tmp_path)
    with EventLog.open(tmp_path) as log:  # and the lock was let go
        assert log.read(limit=4) == ticks(1, 4)
