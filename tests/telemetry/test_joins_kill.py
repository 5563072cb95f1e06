"""``kill -9`` in the middle of the label join: no count without its row, no row without its count."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from autoheal.clock import SystemClock
from autoheal.telemetry import Joins, Telemetry
from tests.telemetry import join_worker
from tests.telemetry.join_worker import SPEC

#: Batches that are heard of before each kill.
KILLED_AFTER = (1, 4, 9, 13, 20)


async def opened(path: Path) -> Telemetry:
    return await Telemetry.open(path, {SPEC.name: SPEC}, SystemClock())


async def counts(path: Path) -> Joins:
    async with await opened(path) as telemetry:
        return telemetry.joins().get(SPEC.name, Joins())


def killed(path: Path, first: int, after: int) -> int:
    """The last batch that a worker acknowledged, which was killed while it had a few more to store."""
    argv = [sys.executable, "-m", "tests.telemetry.join_worker", f"{path}", f"{first}"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write("\n" * (after + 3))
        worker.stdin.flush()
        heard = [int(worker.stdout.readline()) for _ in range(after)]
        worker.kill()
        heard += map(int, worker.stdout)
    return heard[-1]


async def test_counts_are_those_of_the_batches_that_were_stored(tmp_path: Path) -> None:
    """After each death the counts are those of a store that was given the same batches in peace, and the sender's next
    batch, which is the one that was not acknowledged, may have been stored already."""
    path, acknowledged = tmp_path / "killed.db", -1
    peaceful: list[Joins] = []
    async with await opened(tmp_path / "peace.db") as telemetry:
        for number in range(70):
            await telemetry.ingest(join_worker.records(number))
            peaceful.append(telemetry.joins()[SPEC.name])
    for after in KILLED_AFTER:
        acknowledged = killed(path, acknowledged + 1, after)
        got = await counts(path)
        assert got in peaceful[acknowledged : acknowledged + 2], f"batch {acknowledged}"
        acknowledged = peaceful.index(got)
    final = await counts(path)
    assert min(final.joined, final.early, final.doubled, final.corrected, final.waiting) > 0
    assert final.outcomes == sum(len(join_worker.batch(n)) for n in range(0, acknowledged + 1, 3))
