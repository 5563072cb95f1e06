"""Crash safety, tried on real processes and real files: kill -9, torn tails, full disks, failing disks."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoheal.errors import StoreError
from autoheal.store import database
from autoheal.store.log import EventLog
from tests.store.build import ticks
from tests.store.hammer import batch
from tests.store.test_log import filled

HAMMER = Path(__file__).with_name("hammer.py")


def hammer_and_kill(state: Path, lanes: int, lines: int, seconds: float) -> int:
    """Let a process append, kill it so long after so many acknowledgements, and return the last number it gave."""
    process = subprocess.Popen([sys.executable, str(HAMMER), str(state), str(lanes)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        seen = [int(process.stdout.readline()) for _ in range(lines)]
        time.sleep(seconds)
    finally:
        process.send_signal(signal.SIGKILL)
    out = process.stdout.read()
    process.stdout.close()
    assert process.wait(timeout=30) == -signal.SIGKILL
    whole = out[: out.rfind(b"\n") + 1].split()
    return max([*seen, *map(int, whole)], default=0)


@pytest.mark.parametrize("lanes", [1, 16])
def test_kill_9_while_appending_loses_nothing_that_was_acknowledged(tmp_path: Path, lanes: int) -> None:
    moments = random.Random(lanes)
    acknowledged = 0
    for _ in range(6):
        last = hammer_and_kill(tmp_path, lanes, moments.randrange(60), moments.uniform(0.0, 0.05))
        acknowledged = max(acknowledged, last)
        with EventLog.open(tmp_path) as log:
            assert log.verify() is None
            assert log.head().seq >= acknowledged
            assert not _partial(log)
    assert acknowledged > 50
    connection = sqlite3.connect(tmp_path / "autoheal.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def _partial(log: EventLog) -> list[int]:
    """Batches of which only a part is there: an append is all or nothing."""
    head, first, torn = log.head().seq, 1, list[int]()
    everything = list(log.scan())
    while first <= head:
        entries = batch(first)
        if everything[first - 1 : first - 1 + len(entries)] != entries:
            torn.append(first)
        first += len(entries)
    return torn


async def _live_copies(tmp_path: Path) -> tuple[Path, int]:
    """Database and write-ahead file as a crash would leave them: 40 entries, each its own commit, no checkpoint."""
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    with await filled(tmp_path / "live", 1) as log:
        for n in range(2, 41):
            await log.append(ticks(n, n))
        for name in ("autoheal.db", "autoheal.db-wal"):
            shutil.copy(tmp_path / "live" / name, crashed / name)
    return crashed, (crashed / "autoheal.db-wal").stat().st_size


async def test_a_torn_tail_costs_the_torn_entries_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    crashed, size = await _live_copies(tmp_path)
    heads = []
    for share in (1.0, 0.97, 0.8, 0.51, 0.35):
        state = tmp_path / f"torn-{share}"
        shutil.copytree(crashed, state)
        os.truncate(state / "autoheal.db-wal", int(size * share))
        heads.append(await _still_sound(state))
    assert heads[0] == 40
    assert heads == sorted(heads, reverse=True)
    assert 0 < heads[-1] < 40


@pytest.mark.parametrize("seed", range(5))
async def test_garbage_in_the_tail_is_never_taken_for_entries(tmp_path: Path, seed: int) -> None:
    (tmp_path / "live").mkdir()
    crashed, size = await _live_copies(tmp_path)
    chance = random.Random(seed)
    where = chance.randrange(size // 2, size - 64)
    with (crashed / "autoheal.db-wal").open("r+b") as file:
        file.seek(where)
        file.write(chance.randbytes(64))
    assert await _still_sound(crashed) < 40


async def _still_sound(state: Path) -> int:
    """Open, verify, compare with what was written, go on; the number of entries that survived."""
    with EventLog.open(state) as log:
        head = log.head().seq
        assert log.verify() is None
        assert log.read() == ticks(1, head)
        await log.append(ticks(head + 1, head + 1))
        assert log.verify() is None
    return head


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(place)],
            check=False,
            capture_output=True,
        ).returncode
    )
    if not mounted:
        pytest.skip("a small file system needs root and mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


async def test_a_full_disk_refuses_in_plain_words_and_nothing_is_half_written(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 400_000)
    with EventLog.open(small_disk) as log:
        recorded, refusal = await _fill(log)
        assert "disk is full" in refusal
        assert "free some space" in refusal
        assert recorded > 0
        assert log.head().seq == recorded
        assert log.verify() is None
        ballast.unlink()
        await log.append(ticks(recorded + 1, recorded + 10))
        assert log.verify() is None
    with EventLog.open(small_disk) as log:
        assert log.read(limit=5000) == ticks(1, recorded + 10)


async def _fill(log: EventLog) -> tuple[int, str]:
    """Append until it is refused: how many entries were acknowledged, and the refusal."""
    recorded = 0
    while True:
        try:
            await log.append(ticks(recorded + 1, recorded + 50))
        except StoreError as error:
            return recorded, str(error)
        recorded += 50


def test_after_a_failing_disk_the_log_takes_nothing_more(tmp_path: Path) -> None:
    """A file-size limit stands in for the failing disk (an I/O error that is not ``full``), in a process of its own."""
    code = f"""
        import asyncio, resource
        from pathlib import Path
        from autoheal.errors import StoreError
        from autoheal.store.log import EventLog
        from tests.store.build import ticks

        async def main():
            log = EventLog.open(Path({str(tmp_path)!r}))
            await log.append(ticks(1, 10))
            size = Path({str(tmp_path / "autoheal.db-wal")!r}).stat().st_size
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 6000, hard))
            try:
                await log.append(ticks(11, 400))
            except StoreError as error:
                print("first:", error)
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            try:
                await log.append(ticks(11, 11))
            except StoreError as error:
                print("second:", error)
            log.close()

        asyncio.run(main())
    """
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert "first:" in ran.stdout
    assert "I/O error" in ran.stdout
    assert "second:" in ran.stdout
    assert "takes nothing after" in ran.stdout
    with EventLog.open(tmp_path) as log:
        assert log.verify() is None
        assert log.read() == ticks(1, 10)


async def test_a_database_held_by_another_program_is_an_error_and_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    with await filled(tmp_path, 3) as log:
        other = sqlite3.connect(tmp_path / "autoheal.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"locked .*another program"):
            await log.append(ticks(4, 4))
        other.execute("ROLLBACK")
        other.close()
        await log.append(ticks(4, 4))
        assert log.read() == ticks(1, 4)
