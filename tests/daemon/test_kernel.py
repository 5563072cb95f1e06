"""The kernel on a real log: order, durability before anything is shown, and what happens when something is wrong."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from autoheal.clock import SystemClock, VirtualClock
from autoheal.daemon.kernel import Kernel, KernelStoppedError
from autoheal.daemon.subscription import End
from autoheal.domain import events as ev
from autoheal.domain.events import Entry
from autoheal.domain.world import World
from autoheal.engine.apply import apply
from autoheal.engine.step import Step
from autoheal.errors import StoreError
from autoheal.store.codec import UnrecordableError
from autoheal.store.log import open_world, rebuild
from tests.daemon.house import HOUR, eventually, living, news, pause, small_step
from tests.engine.build import T0, finding, start

START = VirtualClock().current


async def test_a_fact_is_on_the_disk_before_anybody_sees_it(tmp_path: Path) -> None:
    async with living(tmp_path) as (kernel, log):
        reader = kernel.subscribe()
        assert await kernel.submit(news(1)) == 1
        assert log.head().seq == 1
        assert kernel.world.seq == 1
        entry = await anext(reader)
        assert (entry.seq, entry.event) == (1, news(1))
        assert await kernel.submit(news(2)) == 2


async def test_facts_that_wait_together_share_transactions_and_keep_their_order(tmp_path: Path) -> None:
    async with living(tmp_path) as (kernel, log):
        numbers = await asyncio.gather(*(kernel.submit(news(n)) for n in range(1, 501)))
        assert numbers == list(range(1, 501))
        assert log.commits <= 50
        assert [e.event for e in log.read()] == [news(n) for n in range(1, 501)]
        assert rebuild(log) == kernel.world


async def test_the_log_alone_tells_the_world(tmp_path: Path) -> None:
    async with living(tmp_path) as (kernel, _):
        await kernel.submit(pause("fraud", START))
        await kernel.submit(news(1))
        before = kernel.world
    log, after = open_world(tmp_path)
    log.close()
    assert after == before


async def test_it_wakes_when_something_is_due(tmp_path: Path) -> None:
    clock = VirtualClock()
    async with living(tmp_path, clock) as (kernel, log):
        await kernel.submit(pause("fraud", START, START + HOUR))
        await kernel.submit(pause("churn", START, START + 2 * HOUR))
        await clock.advance(timedelta(minutes=59))
        assert kernel.world.seq == 2
        await clock.advance(timedelta(minutes=1))
        await eventually(lambda: set(kernel.world.pauses) == {"churn"})
        assert [e.event for e in log.read(after=2)] == [ev.Ticked(), ev.PauseLifted("fraud", "time")]
        assert log.read(after=2)[0].at == START + HOUR
        await clock.advance(HOUR)
        await eventually(lambda: not kernel.world.pauses)


async def test_what_became_due_while_the_daemon_was_away_happens_at_the_first_fact(tmp_path: Path) -> None:
    async with living(tmp_path, VirtualClock()) as (kernel, _):
        await kernel.submit(pause("fraud", START, START + HOUR))
    async with living(tmp_path, VirtualClock(START + 5 * HOUR)) as (kernel, _):
        await kernel.submit(ev.DaemonStarted("1"))
        await eventually(lambda: not kernel.world.pauses)


async def test_an_engine_that_asks_for_the_past_does_not_spin(tmp_path: Path) -> None:
    def impatient(world: World, event: ev.Event, now: datetime) -> Step:
        world = apply(world, Entry(world.seq + 1, now, event))
        return Step(world, (event,), now - HOUR)

    async with living(tmp_path, step=impatient) as (kernel, _):
        await kernel.submit(news(1))
        await asyncio.sleep(0.5)
        assert 2 <= kernel.world.seq <= 15
        assert await asyncio.wait_for(kernel.submit(news(2)), 1) > 1


async def test_a_fact_that_chokes_the_engine_is_refused_alone(tmp_path: Path) -> None:
    async with living(tmp_path) as (kernel, log):
        results = await asyncio.gather(
            kernel.submit(news(1)),
            kernel.submit(ev.ConfigRefused(("poison",))),
            kernel.submit(news(2)),
            return_exceptions=True,
        )
        assert results[0] == 1
        assert isinstance(results[1], ZeroDivisionError)
        assert results[2] == 2
        assert log.head().seq == 2


async def test_a_fact_that_cannot_be_recorded_is_refused_at_the_door(tmp_path: Path) -> None:
    async with living(tmp_path) as (kernel, _):
        with pytest.raises(UnrecordableError):
            await kernel.submit(ev.StepFinished("r", "s", "r/s", "done", {"x": object()}))  # type: ignore[arg-type]
        assert await kernel.submit(news(1)) == 1


async def test_the_engine_decides_on_what_a_restart_would_read(tmp_path: Path) -> None:
    seen: list[ev.Event] = []

    def watching(world: World, event: ev.Event, now: datetime) -> Step:
        seen.append(event)
        return small_step(world, event, now)

    async with living(tmp_path, step=watching) as (kernel, log):
        await kernel.submit(ev.StepStarted("r", "s", "r/s", 1, {"pair": (1, 2)}))  # type: ignore[arg-type]
        assert seen == [log.read()[0].event]
        assert seen[0].params == {"pair": [1, 2]}  # type: ignore[union-attr]


async def test_without_a_durable_record_nothing_goes_on(tmp_path: Path) -> None:
    log, world = open_world(tmp_path)
    kernel = Kernel(log, SystemClock(), world, step=small_step)
    task = asyncio.create_task(kernel.run())
    reader, late = kernel.subscribe(), kernel.subscribe(after=0)
    first = asyncio.create_task(anext(reader))
    await kernel.submit(news(1))
    assert (await first).seq == 1
    waits = asyncio.create_task(kernel.changed(1))
    log.close()
    results = await asyncio.gather(*(kernel.submit(news(n)) for n in (2, 3)), return_exceptions=True)
    assert all(isinstance(r, KernelStoppedError) for r in results), results
    with pytest.raises(StoreError, match="closed"):
        await task
    assert kernel.world.seq == 1  # what was not recorded did not happen
    with pytest.raises(KernelStoppedError, match=r"cannot write its log: .*closed"):
        await kernel.submit(news(4))
    with pytest.raises(KernelStoppedError):
        await waits
    for each in (reader, late):
        assert [e async for e in each] == []
        assert each.ended is End.FAILED


async def test_whoever_submits_too_much_waits(tmp_path: Path) -> None:
    log, world = open_world(tmp_path)
    kernel = Kernel(log, SystemClock(), world, step=small_step, queue=2)
    submits = [asyncio.create_task(kernel.submit(news(n))) for n in range(1, 6)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert kernel.waiting == 2
    task = asyncio.create_task(kernel.run())
    assert await asyncio.gather(*submits) == [1, 2, 3, 4, 5]
    kernel.stop()
    await task
    log.close()


async def test_a_stopping_kernel_records_what_waits_and_leaves(tmp_path: Path) -> None:
    log, world = open_world(tmp_path)
    kernel = Kernel(log, SystemClock(), world, step=small_step, queue=3)
    submits = [asyncio.create_task(kernel.submit(news(n))) for n in range(1, 6)]
    for _ in range(20):
        await asyncio.sleep(0)
    kernel.stop()
    with pytest.raises(KernelStoppedError, match="stopping"):
        await kernel.submit(news(9))
    await asyncio.wait_for(kernel.run(), 5)
    outcomes = await asyncio.gather(*submits, return_exceptions=True)
    recorded = [r for r in outcomes if isinstance(r, int)]
    assert recorded[:3] == [1, 2, 3]
    assert all(isinstance(r, int | KernelStoppedError) for r in outcomes)
    assert log.head().seq == len(recorded) == kernel.world.seq
    log.close()


async def test_a_cancelled_kernel_finishes_its_append_and_says_so(tmp_path: Path) -> None:
    log, world = open_world(tmp_path)
    kernel = Kernel(log, SystemClock(), world, step=small_step)
    holder = sqlite3.connect(tmp_path / "autoheal.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")  # keeps the append waiting
    task = asyncio.create_task(kernel.run())
    submit = asyncio.create_task(kernel.submit(news(1)))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()
    holder.execute("ROLLBACK")
    holder.close()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await submit == 1
    assert kernel.world.seq == log.head().seq == 1
    log.close()


async def test_a_cancelled_submit_is_still_recorded(tmp_path: Path) -> None:
    async with living(tmp_path) as (kernel, _):
        submit = asyncio.create_task(kernel.submit(news(1)))
        await asyncio.sleep(0)
        submit.cancel()
        assert await kernel.submit(news(2)) == 2


# --- time ---------------------------------------------------------------------------------------------------------


async def test_time_in_the_log_never_runs_back_and_people_hear_of_it(tmp_path: Path) -> None:
    clock = VirtualClock(START + 10 * HOUR)
    async with living(tmp_path, clock) as (kernel, log):
        await kernel.submit(news(1))
        clock.current = START
        await kernel.submit(news(2))
        await kernel.submit(news(3))
        assert kernel.world.tasks["clock"].state == "backing_off"
        assert "10:00:00 behind the log" in kernel.world.tasks["clock"].detail
        clock.current = START + 11 * HOUR
        await kernel.submit(news(4))
        assert kernel.world.tasks["clock"].state == "running"
        times = [e.at for e in log.read()]
        assert times == sorted(times)
        assert len([e for e in log.read() if getattr(e.event, "task", "") == "clock"]) == 2


async def test_what_is_due_by_the_log_happens_though_the_clock_went_back(tmp_path: Path) -> None:
    clock = VirtualClock(START + 10 * HOUR)
    async with living(tmp_path, clock) as (kernel, _):
        await kernel.submit(news(1))
        clock.current = START
        await kernel.submit(pause("fraud", START, START + HOUR))
        await eventually(lambda: not kernel.world.pauses)


# --- the watchdog -------------------------------------------------------------------------------------------------


class Ear:
    interval = 0.05

    def __init__(self) -> None:
        self.pings = 0

    def ping(self) -> None:
        self.pings += 1


async def test_the_watchdog_hears_the_loop_and_not_a_timer(tmp_path: Path) -> None:
    ear = Ear()
    async with living(tmp_path, watchdog=ear) as (kernel, _):
        await eventually(lambda: ear.pings >= 3)
        holder = sqlite3.connect(tmp_path / "autoheal.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")  # the disk hangs
        submit = asyncio.create_task(kernel.submit(news(1)))
        await asyncio.sleep(0.1)
        stuck = ear.pings
        await asyncio.sleep(0.3)
        assert ear.pings == stuck
        holder.execute("ROLLBACK")
        holder.close()
        await submit
        await eventually(lambda: ear.pings > stuck)


# --- readers ------------------------------------------------------------------------------------------------------


async def test_a_reader_gets_the_past_and_then_the_present_without_a_gap(tmp_path: Path) -> None:
    async with living(tmp_path) as (kernel, _):
        await asyncio.gather(*(kernel.submit(news(n)) for n in range(1, 1201)))
        reader = kernel.subscribe(after=100, room=10)  # catching up is not slowness
        got = [await anext(reader) for _ in range(600)]
        await kernel.submit(news(1201))
        got += [await anext(reader) for _ in range(501)]
        assert [e.seq for e in got] == list(range(101, 1202))
        following = asyncio.create_task(anext(reader))
        await kernel.submit(news(1202))
        assert (await asyncio.wait_for(following, 5)).seq == 1202


async def test_a_slow_reader_is_cut_off_with_a_word_and_harms_nobody(tmp_path: Path) -> None:
    async with living(tmp_path) as (kernel, _):
        slow, quick = kernel.subscribe(room=20), kernel.subscribe(room=2000)
        first = [asyncio.create_task(anext(r)) for r in (slow, quick)]
        await asyncio.sleep(0)
        await asyncio.gather(*(kernel.submit(news(n)) for n in range(1, 101)))
        await asyncio.gather(*first)
        assert slow.ended is End.TOO_SLOW
        rest = [e.seq async for e in slow]
        assert rest == list(range(2, 2 + len(rest)))
        assert slow.cursor < 100
        again = kernel.subscribe(slow.cursor)
        assert (await anext(again)).seq == slow.cursor + 1
        assert [(await anext(quick)).seq for _ in range(99)] == list(range(2, 101))
        assert quick.ended is None


async def test_readers_hear_that_it_is_over(tmp_path: Path) -> None:
    async with living(tmp_path) as (kernel, _):
        await kernel.submit(news(1))
        live, late = kernel.subscribe(after=0), kernel.subscribe(after=0)
        assert (await anext(live)).seq == 1
        waits = asyncio.create_task(anext(live, None))
        await asyncio.sleep(0)
        kernel.stop()
        assert await asyncio.wait_for(waits, 5) is None
        assert live.ended is End.STOPPED
        assert [e.seq async for e in late] == [1]
        assert late.ended is End.STOPPED


async def test_a_reader_that_closed_gets_nothing_more(tmp_path: Path) -> None:
    async with living(tmp_path) as (kernel, _):
        reader = kernel.subscribe()
        waits = asyncio.create_task(anext(reader, None))
        await asyncio.sleep(0)
        reader.close()
        await kernel.submit(news(1))
        assert await asyncio.wait_for(waits, 5) is None
        assert reader.ended is End.CLOSED


async def test_changed_waits_for_a_newer_world(tmp_path: Path) -> None:
    async with living(tmp_path) as (kernel, _):
        waits = asyncio.create_task(kernel.changed(0))
        await asyncio.sleep(0)
        await kernel.submit(news(1))
        assert (await asyncio.wait_for(waits, 5)).seq == 1
        assert (await kernel.changed(0)).seq == 1


# --- the real engine ----------------------------------------------------------------------------------------------


async def test_with_the_real_engine_a_restart_ends_in_the_same_world(tmp_path: Path) -> None:
    clock = VirtualClock(T0)
    async with living(tmp_path, clock, step=None) as (kernel, log):
        for _, fact in start():
            await kernel.submit(fact)
        for hours in (1, 2, 3):
            await clock.advance(HOUR)
            await kernel.submit(finding(hours))
        assert kernel.world.incidents
        await log.save_snapshot(kernel.world)
        await clock.advance(24 * HOUR)
        await kernel.submit(finding(27, "ok"))
        assert rebuild(log, snapshot=False) == rebuild(log) == kernel.world
