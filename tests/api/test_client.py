"""The client: back-off, reconnect and resume against a real daemon that is stopped, restarted and replaced."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.client.connection import Connection
from autoheal.client.state import (
    BACKOFF,
    STALE_AFTER,
    ClientState,
    Link,
    delay,
    heard,
    is_stale,
    lost,
    restarted,
)
from autoheal.client.watch import watch
from autoheal.domain.events import Entry, Ticked
from autoheal.errors import DoorError
from tests.api.house import House, house

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _forget(folder: Path) -> None:
    for left in folder.glob("autoheal.*"):
        left.unlink()


def entry(seq: int) -> Entry:
    return Entry(seq, NOW, Ticked())


@given(st.lists(st.lists(st.integers(1, 40), max_size=6), max_size=8), st.integers(1, 30))
def test_the_tail_never_has_doubles_and_stays_in_order(batches: list[list[int]], keep: int) -> None:
    state = ClientState()
    for batch in batches:
        state = heard(state, 1.0, entries=[entry(s) for s in sorted(set(batch))], keep=keep)
    seqs = [e.seq for e in state.tail]
    assert seqs == sorted(set(seqs))
    assert len(seqs) <= keep


def test_tries_come_slower_and_a_sign_of_life_forgets_them() -> None:
    state = heard(ClientState(), 10.0)
    delays = []
    for _ in range(7):
        state = lost(state, 20.0, "gone")
        delays.append(state.link.retry_at - 20.0)
    assert delays == pytest.approx([*BACKOFF, BACKOFF[-1], BACKOFF[-1]])
    assert state.link.heard_at == 10.0
    assert heard(state, 30.0).link == Link("live", heard_at=30.0)
    assert delay(1) == BACKOFF[0]


def test_stale_is_a_matter_of_silence() -> None:
    live = heard(ClientState(), 10.0).link
    assert not is_stale(live, 10.0 + STALE_AFTER)
    assert is_stale(live, 10.1 + STALE_AFTER)
    assert is_stale(lost(ClientState(), 0.0, "x").link, 0.0)
    assert not is_stale(ClientState().link, 1e9)


def test_beginning_anew_keeps_the_last_picture() -> None:
    state = heard(ClientState(), 1.0, entries=[entry(5)])
    assert restarted(state) == replace(state, tail=(), restarts=1)


async def test_nobody_there_is_said_in_one_sentence(folder: Path) -> None:
    (folder / "file").touch()
    for name in ("nothing.sock", "file"):
        async with Connection(folder / name) as daemon:
            with pytest.raises(DoorError, match="no answer from the daemon on") as caught:
                await daemon.snapshot()
            assert caught.value.status == 0


async def test_watch_follows_what_happens(home: House) -> None:
    async with Connection(home.view) as daemon, aclosing(watch(daemon, refetch=0.05)) as states:
        assert (await anext(states)).link.state == "connecting"
        assert (await anext(states)).snapshot is not None
        await home.breach()
        async for state in states:
            assert state.snapshot is not None
            if state.snapshot.world.incidents and state.seq == home.kernel.world.seq:
                break
    assert [e.seq for e in state.tail] == list(range(1, home.kernel.world.seq + 1))


async def test_a_restarted_daemon_is_found_again_without_gap_or_double(folder: Path) -> None:
    async with (
        Connection(folder / "run" / "view.sock") as daemon,
        aclosing(watch(daemon, refetch=0.05)) as states,
    ):
        assert (await anext(states)).snapshot is None
        assert (await anext(states)).link.state == "retrying"
        async with house(folder, listen="") as home:
            await home.noise(3)
            async for state in states:
                if state.seq == home.kernel.world.seq:
                    break
        async for state in states:
            if state.link.state == "retrying":
                break
        assert "stopping" in state.link.detail or "broke" in state.link.detail
        assert state.snapshot is not None, "the last picture stays"
        async with house(folder, listen="") as home:
            await home.noise(3, start=10)
            async for state in states:
                if state.seq == home.kernel.world.seq:
                    break
            assert [e.seq for e in state.tail] == list(range(1, home.kernel.world.seq + 1))
            assert state.restarts == 0


async def test_another_log_behind_the_same_socket_is_noticed(folder: Path) -> None:
    run = folder / "run"
    async with Connection(run / "view.sock") as daemon, aclosing(watch(daemon, refetch=0.05)) as states:
        async with house(folder, listen="") as home:
            await home.noise(30)
            async for state in states:
                if state.seq == home.kernel.world.seq:
                    break
        _forget(folder)
        async with house(folder, listen="") as home:
            async for state in states:
                if state.restarts and state.link.state == "live":
                    break
            await home.noise(1, start=50)
            async for state in states:
                if state.seq == home.kernel.world.seq:
                    break
    assert state.restarts == 1
