"""The event stream: history and present without gap or double, heartbeats, cursors that cannot be."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from autoheal import net
from autoheal.api import events
from autoheal.api.wire import Ended, Heartbeat
from autoheal.client.connection import Connection
from autoheal.domain.events import Entry
from autoheal.errors import DoorError
from tests.api.house import House, house


async def test_the_past_is_the_log_itself(home: House) -> None:
    await home.breach()
    async with Connection(home.view) as daemon:
        past = [line async for line in daemon.lines(0, follow=False)]
        later = [line async for line in daemon.lines(3, follow=False)]
    assert past == home.log.read(0)
    assert later == past[3:]


async def test_history_joins_the_present_without_gap_or_double(home: House) -> None:
    """Read from the beginning while facts pour in."""
    await home.noise(700)
    pouring = asyncio.create_task(home.noise(300, start=700))
    seqs: list[int] = []
    async with Connection(home.view) as daemon, aclosing(daemon.lines(0)) as lines:
        async for line in lines:
            if isinstance(line, Entry):
                seqs.append(line.seq)
            if pouring.done() and seqs[-1] == home.kernel.world.seq:
                break
    await pouring
    assert seqs == list(range(1, home.kernel.world.seq + 1))


async def test_two_readers_see_the_same(home: House) -> None:
    async def read(count: int) -> list[object]:
        async with Connection(home.view) as daemon:
            return [line async for line in daemon.lines(0, follow=False)][:count]

    await home.breach()
    first, second = await asyncio.gather(read(6), read(6))
    assert first == second


async def test_a_quiet_stream_has_a_heartbeat(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.05)
    head = home.kernel.world.seq
    async with Connection(home.view) as daemon, aclosing(daemon.lines(head)) as lines:
        first, second = await anext(lines), await anext(lines)
        await home.noise(1)
        while not isinstance(third := await anext(lines), Entry):
            pass
    assert isinstance(first, Heartbeat)
    assert isinstance(second, Heartbeat)
    assert first.seq == head
    assert third.seq == head + 1


async def test_a_limit_ends_the_stream_and_says_so(home: House) -> None:
    await home.noise(5)
    async with net.client(socket=str(home.view)) as client:
        for query in ("limit=3", "limit=3&follow=1"):
            text = (await client.get(f"/v1/events?after=1&{query}")).text.splitlines()
            assert len(text) == 4
            assert "limit" in text[-1]


async def test_cursors_that_cannot_be(home: House) -> None:
    async with Connection(home.view) as daemon:
        for after in (home.kernel.world.seq + 1, 10**15):
            with pytest.raises(DoorError, match="the log ends at") as caught:
                _ = [line async for line in daemon.lines(after)]
            assert caught.value.status == 410
    async with net.client(socket=str(home.view)) as client:
        for query in ("after=-1", "after=x", "follow=perhaps", "limit=0", "after=" + "9" * 40):
            assert (await client.get(f"/v1/events?{query}")).status_code in {410, 422}, query


async def test_the_kernels_end_ends_the_stream(folder: Path) -> None:
    async with house(folder) as home, Connection(home.view) as daemon:
        lines = daemon.lines(home.kernel.world.seq)
        coming = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0.1)
        home.kernel.stop()
        assert isinstance(line := await coming, Ended), line
        assert "stopping" in line.end
        await lines.aclose()


async def test_readers_that_leave_leave_nothing_behind(home: House) -> None:
    async with Connection(home.view) as daemon:
        for _ in range(5):
            async with aclosing(daemon.lines(0)) as lines:
                await anext(lines)
    await home.noise(3)
    for _ in range(100):
        if not home.kernel._readers:
            break
        await asyncio.sleep(0.02)
    assert not home.kernel._readers
