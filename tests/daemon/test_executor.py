"""The executor with the real engine, a real log and actions that leave traces: each effect once, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from autoheal.actions.contract import ActionContext
from autoheal.clock import SystemClock
from autoheal.daemon.executor import Executor
from autoheal.daemon.kernel import Kernel
from autoheal.domain import events as ev
from autoheal.domain.names import RunId, RunState, StepKey, StepState
from autoheal.domain.records import Run
from autoheal.domain.specs import Retry, RunbookSpec, StepSpec
from autoheal.domain.world import World
from autoheal.errors import StoreError
from autoheal.store.log import EventLog, rebuild
from tests.daemon.actions import Act, Ledger, Once
from tests.daemon.house import eventually, living
from tests.engine.build import config, model


def step(
    id_: str, how: str = "well", action: str = "act", timeout: float = 5.0, attempts: int = 1
) -> StepSpec:
    return StepSpec(
        id_,
        action,
        {"model": "${{ model }}", "how": how},
        timeout=timedelta(seconds=timeout),
        retry=Retry(attempts, timedelta(milliseconds=10)),
    )


@dataclass
class House:
    kernel: Kernel
    log: EventLog
    ledger: Ledger
    act: Act
    executor: Executor
    task: asyncio.Task[None]

    async def ask(self, *steps: StepSpec, model_: str = "fraud") -> RunId:
        """Start a runbook of these steps by hand; its run's id."""
        book = RunbookSpec("book", steps, {"model": "model"})
        configuration = config(models=tuple(model(m) for m in ("fraud", "churn", "a", "b", "c", "d", "e")))
        await self.kernel.submit(
            ev.ConfigApplied(replace(configuration, runbooks={"book": book}, policies=()))
        )
        known = set(self.kernel.world.runs)
        await self.kernel.submit(ev.RunRequested("book", model_, {}, "ann"))  # type: ignore[arg-type]
        (started,) = set(self.kernel.world.runs) - known
        return started

    async def ended(self, run: RunId) -> Run:
        await eventually(lambda: self.kernel.world.runs[run].state is not RunState.RUNNING)
        return self.kernel.world.runs[run]

    def kinds(self, run: RunId) -> list[str]:
        return [e.event.kind for e in self.log.read() if getattr(e.event, "run", "") == run]


def bare_context(path: Path) -> ActionContext:
    """The actions of these tests reach for nothing but their ledger."""
    parts: dict[str, Any] = dict.fromkeys(("registry", "telemetry", "outbox", "servers"))
    return ActionContext(clock=SystemClock(), models={}, state_dir=path, **parts)


@asynccontextmanager
async def house(tmp_path: Path, *, patience: float = 0.2) -> AsyncIterator[House]:
    ledger = Ledger(tmp_path / "ledger")
    act = Act(ledger)
    async with living(tmp_path / "state.db", step=None) as (kernel, log):
        context = bare_context(tmp_path)
        executor = Executor(
            kernel, SystemClock(), {"act": act, "once": Once(ledger)}, context, written=log.started, grace=0.2
        )
        task = asyncio.create_task(executor.run())
        try:
            yield House(kernel, log, ledger, act, executor, task)
        finally:
            await executor.stop(patience)
            task.cancel()
            with suppress(asyncio.CancelledError, StoreError):
                await task


async def test_steps_run_in_order_each_written_ahead(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        run = await here.ended(await here.ask(step("a"), step("b", action="once")))
        assert run.state is RunState.SUCCEEDED
        assert run.step("a").outputs == {"key": f"{run.id}/a"}
        assert here.kinds(run.id)[:4] == ["step_started", "step_finished", "step_started", "step_finished"]
        assert here.ledger.lines() == [
            ["apply", f"{run.id}/a"],
            ["effect", f"{run.id}/a"],
            ["apply", f"{run.id}/b"],
            ["effect", f"{run.id}/b"],
        ]
        assert rebuild(here.log) == here.kernel.world


@pytest.mark.parametrize(
    ("how", "action", "error", "state"),
    [
        ("refuse", "act", "not better than the champion", StepState.FAILED),
        ("break", "act", "target said 500", StepState.FAILED),
        ("surprise", "act", "ZeroDivisionError: a bug", StepState.FAILED),
        ("socket timeout", "act", "TimeoutError: from inside", StepState.FAILED),
        ("nothing", "act", "AttributeError", StepState.FAILED),
        ("odd outputs", "act", "outputs that cannot be recorded", StepState.FAILED),
        ("hang", "act", "no answer within 0.2 s", StepState.FAILED),
        ("hang", "once", "no answer within 0.2 s", StepState.FAILED),
        ("deaf", "act", "still busy", StepState.NEEDS_YOU),
        ("well", "nowhere", "there is no action nowhere", StepState.FAILED),
    ],
)
async def test_every_way_to_fail_is_recorded_in_words_and_the_executor_lives_on(
    tmp_path: Path, how: str, action: str, error: str, state: StepState
) -> None:
    async with house(tmp_path) as here:
        run = await here.ended(await here.ask(step("a", how, action, timeout=0.2)))
        assert run.state is RunState.FAILED
        assert run.step("a").state is state
        assert error in run.step("a").error
        here.act.gate.set()
        after = await here.ended(await here.ask(step("a"), model_="churn"))
        assert after.state is RunState.SUCCEEDED
        assert not here.task.done()


async def test_wrong_parameters_touch_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        bad = replace(step("a"), params={"model": "x", "speed": 3})
        run = await here.ended(await here.ask(bad))
        assert "speed: Extra inputs are not permitted" in run.step("a").error
        assert here.ledger.lines() == []


async def test_a_retryable_failure_is_tried_again_with_the_same_key(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        run = await here.ended(await here.ask(step("a", "break once", attempts=3)))
        assert run.state is RunState.SUCCEEDED
        assert run.step("a").attempt == 2
        key = f"{run.id}/a"
        assert here.ledger.lines() == [["apply", key], ["apply", key], ["effect", key]]


async def test_a_timeout_is_retried_only_where_repeating_is_harmless(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        harmless = await here.ended(await here.ask(step("a", "hang", timeout=0.1, attempts=2)))
        assert harmless.step("a").attempt == 2
        not_so = await here.ended(await here.ask(step("a", "hang", "once", timeout=0.1, attempts=2)))
        assert not_so.step("a").attempt == 1


async def test_after_a_timeout_the_truth_counts(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        run = await here.ended(await here.ask(step("a", "hang after the effect", "once", timeout=0.1)))
        assert run.state is RunState.SUCCEEDED
        assert run.step("a").outputs["found"] is True


async def test_at_most_four_at_once_and_one_a_run(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        runs = [await here.ask(step("a", "gate"), step("b"), model_=m) for m in ("a", "b", "c", "d", "e")]
        await eventually(lambda: here.act.now == 4)
        await asyncio.sleep(0.1)
        assert len(here.executor.busy) == 4
        here.act.gate.set()
        for run in runs:
            assert (await here.ended(run)).state is RunState.SUCCEEDED
        assert here.act.most == 4
        assert len(here.ledger.effects()) == 10


async def test_a_run_that_ended_before_its_step_began_is_left_alone(tmp_path: Path) -> None:
    """The start and a person's cancellation cross: the cancellation was first, so nothing is touched."""
    async with house(tmp_path) as here:
        run = await here.ask(step("a", "gate"), step("b"))
        await eventually(lambda: here.act.now == 1)
        cancel = asyncio.create_task(here.kernel.submit(ev.RunCancelled(run, "ann")))
        here.act.gate.set()
        await cancel
        ended = await here.ended(run)
        assert ended.state is RunState.CANCELLED
        assert here.ledger.effects(f"{run}/b") == []


# --- the life after -----------------------------------------------------------------------------------------------


async def interrupted(tmp_path: Path, spec: StepSpec, *, effect: bool) -> RunId:
    """A daemon dies in the middle of a step: the start is on the disk, the end is not."""
    async with living(tmp_path / "state.db", step=None) as (kernel, log):
        here = House(kernel, log, Ledger(tmp_path / "ledger"), None, None, None)  # type: ignore[arg-type]
        run = await here.ask(spec)
        params = {"model": "fraud", "how": spec.params["how"]}
        await kernel.submit(ev.StepStarted(run, spec.id, StepKey(f"{run}/{spec.id}"), 1, params))
        if effect:
            here.ledger.add("effect", f"{run}/{spec.id}")
    return run


@pytest.mark.parametrize("action", ["act", "once"])
async def test_an_effect_that_happened_is_found_and_not_repeated(tmp_path: Path, action: str) -> None:
    run = await interrupted(tmp_path, step("a", action=action), effect=True)
    async with house(tmp_path) as here:
        ended = await here.ended(run)
        assert ended.state is RunState.SUCCEEDED
        assert ended.step("a").outputs == {"key": f"{run}/a", "found": True}
        assert len(here.ledger.effects()) == 1


async def test_an_effect_that_did_not_happen_is_made_when_that_is_harmless(tmp_path: Path) -> None:
    run = await interrupted(tmp_path, step("a"), effect=False)
    async with house(tmp_path) as here:
        assert (await here.ended(run)).state is RunState.SUCCEEDED
        assert [line[0] for line in here.ledger.lines()] == ["probe", "apply", "effect"]
        assert here.kinds(run).count("step_started") == 1  # it is the same start, continued


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("well", "may not be harmless"),
        ("unsure", "it left no trace"),
        ("probe breaks", "OSError: the target is away"),
    ],
)
async def test_what_nobody_can_tell_is_a_question_to_a_person(tmp_path: Path, how: str, why: str) -> None:
    run = await interrupted(tmp_path, step("a", how, "once"), effect=False)
    async with house(tmp_path) as here:
        ended = await here.ended(run)
        assert ended.step("a").state is StepState.NEEDS_YOU
        assert why in ended.step("a").error
        assert here.ledger.effects() == []


@pytest.mark.parametrize(("how", "action"), [("running", "once"), ("unsure", "act"), ("probe breaks", "act")])
async def test_what_still_runs_is_attached_to_and_what_is_harmless_is_repeated(
    tmp_path: Path, how: str, action: str
) -> None:
    run = await interrupted(tmp_path, step("a", how, action), effect=False)
    async with house(tmp_path) as here:
        assert (await here.ended(run)).state is RunState.SUCCEEDED
        assert len(here.ledger.effects()) == 1


async def test_the_parameters_that_were_written_ahead_count(tmp_path: Path) -> None:
    """A newer engine may resolve templates otherwise; the effect that is looked for is the one that was begun."""
    async with living(tmp_path / "state.db", step=None) as (kernel, log):
        here = House(kernel, log, Ledger(tmp_path / "ledger"), None, None, None)  # type: ignore[arg-type]
        run = await here.ask(step("a", "well"))
        await kernel.submit(
            ev.StepStarted(run, "a", StepKey(f"{run}/a"), 1, {"model": "fraud", "how": "unsure"})
        )
    async with house(tmp_path) as again:
        await again.ended(run)
        assert again.ledger.lines()[0] == ["probe", f"{run}/a", "unsure"]


async def test_a_stopped_executor_leaves_the_step_to_the_next_life(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        run = await here.ask(step("a", "gate"))
        await eventually(lambda: here.act.now == 1)
    async with house(tmp_path) as here:
        await eventually(lambda: here.act.now == 1)
        here.act.gate.set()
        assert (await here.ended(run)).state is RunState.SUCCEEDED
        assert len(here.ledger.effects()) == 1


async def test_stop_lets_an_effect_in_flight_end_well(tmp_path: Path) -> None:
    async with house(tmp_path, patience=5) as here:
        run = await here.ask(step("a", "gate"), step("b"))
        await eventually(lambda: here.act.now == 1)
        asyncio.get_running_loop().call_later(0.1, here.act.gate.set)
    world: World = here.kernel.world
    assert world.runs[run].step("a").state is StepState.DONE
    assert here.ledger.effects(f"{run}/b") == []


async def test_an_executor_that_is_started_again_looks_at_what_it_left(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        run = await here.ask(step("a", "gate"))
        await eventually(lambda: here.act.now == 1)
        here.task.cancel()
        with suppress(asyncio.CancelledError):
            await here.task
        assert here.executor.busy == ()
        here.task = asyncio.create_task(here.executor.run())
        here.act.gate.set()
        assert (await here.ended(run)).state is RunState.SUCCEEDED
        assert [line[0] for line in here.ledger.lines()] == ["apply", "probe", "apply", "effect"]
        here.task.cancel()


async def test_when_the_kernel_is_gone_nothing_more_is_touched(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        await here.ask(step("a", "gate"), step("b"))
        await eventually(lambda: here.act.now == 1)
        here.log.close()
        with suppress(Exception):
            await here.kernel.submit(ev.Ticked())
        await eventually(here.task.done)
        assert here.act.now == 0
        assert here.ledger.effects() == []
