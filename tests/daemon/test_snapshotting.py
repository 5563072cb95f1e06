"""Snapshots are taken as the log grows, and a start uses them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from autoheal.daemon.kernel import KernelStoppedError
from autoheal.daemon.snapshotting import keep_snapshots
from autoheal.store.log import open_world
from tests.daemon.house import eventually, living, news


async def test_a_snapshot_every_so_many_entries(tmp_path: Path) -> None:
    async with living(tmp_path) as (kernel, log):
        task = asyncio.create_task(keep_snapshots(kernel, log, every=10))
        for n in range(1, 26):
            await kernel.submit(news(n))
        await eventually(lambda: (s := log.load_snapshot()) and s.seq >= 20)
        await asyncio.sleep(0.05)
        world = kernel.world
        kernel.stop()
        with pytest.raises(KernelStoppedError):
            await asyncio.wait_for(task, 5)
    log, again = open_world(tmp_path)
    assert again == world
    log.close()
