"""A process that appends as fast as it can and says what was acknowledged, to be killed by ``test_crash``.

usage: python hammer.py STATE LANES: prints ``ready``, then the last number of every acknowledged append.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from autoheal.domain.events import Entry, StepStarted, TaskStateChanged
from autoheal.domain.world import World
from autoheal.store.log import EventLog

AT = datetime(2026, 1, 1, tzinfo=UTC)


def batch(first: int) -> list[Entry]:
    """One to four entries, some of them long, all told by their number."""
    size = 1 + first % 4
    return [
        Entry(n, AT, TaskStateChanged("hammer", "running", f"{n} " + "x" * (n * 7919 % 3000)))
        if n % 3
        else Entry(n, AT, StepStarted("run", "step", f"run/{n}", 1, {"n": n}))  # type: ignore[arg-type]
        for n in range(first, first + size)
    ]


async def main(path: Path, lanes: int) -> None:
    log = EventLog.open(path)
    following = log.head().seq + 1
    os.write(1, b"ready\n")

    async def lane() -> None:
        nonlocal following
        while True:
            entries = batch(following)
            following += len(entries)
            head = await log.append(entries)
            os.write(1, b"%d\n" % head.seq)
            if head.seq % 50 == 0:
                await log.save_snapshot(World(seq=head.seq))

    await asyncio.gather(*(lane() for _ in range(lanes)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
