"""The executor: carries out what the world says is due, and records how it went. Level-triggered.

After every change of the world (and once a second, in case it missed one) it asks the engine which steps are due. For
each: ``StepStarted`` on the disk, then the effect, then ``StepFinished`` on the disk. It keeps no list of its own of
what is to be done, so a crash at any moment loses nothing: steps that were started, have no end and are not in its
hands are *looked at* (``probe``) before anything is touched.

What surprises: time-outs are real seconds even when policy time is scaled; a step whose start was recorded too late
(its run ended meanwhile) is not carried out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from autoheal.actions.contract import Action, ActionContext
from autoheal.clock import Clock
from autoheal.daemon.effect import GRACE, Effect, Ended, prepare
from autoheal.domain.events import Entry, Event, StepFinished, StepStarted
from autoheal.domain.names import RunId, RunState, StepState
from autoheal.domain.world import World
from autoheal.engine.due import DueStep, due_steps, interrupted_steps
from autoheal.errors import ActionError
from autoheal.store.codec import UnrecordableError

_LOG = logging.getLogger(__name__)
#: Effects at the same time.
SLOTS: Final = 4
#: Real seconds after which the world is looked at even if nobody said that it changed.
RESYNC: Final = 1.0


class KernelDoor(Protocol):
    """What the executor needs of the kernel."""

    @property
    def world(self) -> World: ...

    def now(self) -> datetime: ...

    async def submit(self, event: Event) -> int: ...

    async def changed(self, after: int) -> World: ...


class Executor:
    """``run`` until cancelled or until the kernel stops; ``stop`` first, to let effects in flight end well."""

    def __init__(
        self,
        kernel: KernelDoor,
        clock: Clock,
        actions: Mapping[str, Action],
        context: ActionContext,
        *,
        written: Callable[[str], Entry | None] | None = None,
        slots: int = SLOTS,
        grace: float = GRACE,
    ) -> None:
        self._kernel = kernel
        self._clock = clock
        self._actions = actions
        self.context = context
        self._written = written
        self._slots = slots
        self._grace = grace
        self._busy: dict[RunId, asyncio.Task[None]] = {}
        self._sore: dict[RunId, float] = {}
        self._stopping = False

    @property
    def busy(self) -> tuple[RunId, ...]:
        """Runs with an effect under way."""
        return tuple(self._busy)

    async def run(self) -> None:
        """The loop. Raises KernelStoppedError when the kernel has ended."""
        try:
            while not self._stopping:
                seen = self._kernel.world.seq
                self._start_due()
                await self._change(seen)
        finally:
            await self._cancel()

    async def stop(self, patience: float = GRACE) -> None:
        """Start nothing new and give effects in flight so many real seconds; what remains is probed at next start."""
        self._stopping = True
        if self._busy:
            await asyncio.wait(set(self._busy.values()), timeout=patience)
        await self._cancel()

    async def _cancel(self) -> None:
        tasks = set(self._busy.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _change(self, seen: int) -> None:
        """Until the world is newer, an effect has ended, or it is time to look anyway."""
        nap = asyncio.ensure_future(self._clock.sleep(RESYNC))
        news = asyncio.ensure_future(self._kernel.changed(seen))
        waits: set[asyncio.Future[Any]] = {nap, news, *self._busy.values()}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if news.done():
                news.result()
        finally:
            nap.cancel()
            news.cancel()

    # --- what to start ------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        """Steps without an end that nobody here works on are looked at; then those that are due begin."""
        world, now = self._kernel.world, self._kernel.now()
        for due in interrupted_steps(world):
            if self._free(due):
                self._start(due, self._recover(due))
        for due in due_steps(world, now):
            if self._free(due) and len(self._busy) < self._slots:
                self._start(due, self._carry_out(due))

    def _free(self, due: DueStep) -> bool:
        return due.run.id not in self._busy and self._sore.get(due.run.id, 0.0) <= self._clock.monotonic()

    def _start(self, due: DueStep, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"step {due.key}")
        self._busy[due.run.id] = task
        task.add_done_callback(lambda done: self._ended(due, done))

    def _ended(self, due: DueStep, task: asyncio.Task[None]) -> None:
        """A step whose end could not be recorded is looked at again, after a pause."""
        del self._busy[due.run.id]
        self._sore.pop(due.run.id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("step %s has no recorded end: %s", due.key, error, exc_info=error)
            self._sore[due.run.id] = self._clock.monotonic() + RESYNC

    # --- one step -----------------------------------------------------------------------------------------------

    async def _carry_out(self, due: DueStep) -> None:
        started = StepStarted(due.run.id, due.step.id, due.key, due.attempt, due.params)
        try:
            await self._kernel.submit(started)
        except UnrecordableError as error:
            await self._finish(due, Ended("failed", error=f"its parameters cannot be recorded: {error}"))
            return
        if not _stands(self._kernel.world, due):
            await self._finish(due, Ended("failed", error="not carried out: the run ended before it"))
            return
        await self._finish(due, await self._effect(due, due.params, look_first=False))

    async def _recover(self, due: DueStep) -> None:
        """A step that was started by an earlier life of the daemon."""
        known = await self._written_ahead(due)
        _LOG.warning("step %s was interrupted; looking what became of it", due.key)
        await self._finish(due, await self._effect(due, known, look_first=True))

    async def _written_ahead(self, due: DueStep) -> Mapping[str, object]:
        """The parameters that the interrupted start was recorded with, whatever a newer engine would make of them."""
        entry = await asyncio.to_thread(self._written, due.key) if self._written else None
        return entry.event.params if entry and isinstance(entry.event, StepStarted) else due.params

    async def _effect(self, due: DueStep, params: Mapping[str, object], *, look_first: bool) -> Ended:
        try:
            action = self._action(due.step.action)
            seconds = due.step.timeout.total_seconds()
            effect = Effect(action, due.key, prepare(action, params), self.context, seconds, self._grace)
        except ActionError as error:
            return Ended("unknown" if look_first else "failed", error=str(error))
        if look_first and (ended := await effect.find_out()) is not None:
            return ended
        return await effect.bring_about()

    def _action(self, name: str) -> Action:
        try:
            return self._actions[name]
        except KeyError:
            raise ActionError(f"there is no action {name}") from None

    async def _finish(self, due: DueStep, end: Ended) -> None:
        try:
            await self._kernel.submit(_finished(due, end))
        except UnrecordableError as error:
            text = f"action {due.step.action} gave outputs that cannot be recorded: {error}"
            await self._kernel.submit(_finished(due, Ended("failed", error=text)))


def _finished(due: DueStep, end: Ended) -> StepFinished:
    error = end.error.encode("utf-8", "replace").decode()
    return StepFinished(due.run.id, due.step.id, due.key, end.outcome, end.outputs, error, end.retryable)


def _stands(world: World, due: DueStep) -> bool:
    """Whether the world took the start of the step as meant: only then may anything outside be touched."""
    run = world.runs.get(due.run.id)
    if run is None or run.state is not RunState.RUNNING:
        return False
    step = run.step(due.step.id)
    return step.state is StepState.RUNS and step.attempt == due.attempt
