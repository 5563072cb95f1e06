"""Keeps the daemon's other tasks alive: sources, monitor rounds, watchers, notifiers, the executor.

The one place that catches everything. A task that breaks is started again after 1, 2, 4 ... 60 real seconds, its state
goes into the log (so the dashboard shows it), and nothing else notices. What surprises: ``running`` is reported only
after a task has held out for a while, and a failure that repeats itself word for word is reported once, so that a
target that is away for a week costs two entries and not a thousand.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Literal

from autoheal.clock import Clock
from autoheal.domain.events import Event, TaskStateChanged
from autoheal.errors import ConfigError

_LOG = logging.getLogger(__name__)

#: Back-off after a failure, in real seconds: the first, and the longest.
FIRST: Final = 1.0
LONGEST: Final = 60.0
#: A task that held out this long works again; twice as long as the longest back-off, and its failures are forgotten.
SETTLED: Final = 5.0
FORGOTTEN: Final = 120.0

Work = Callable[[], Coroutine[Any, Any, object]]
State = Literal["running", "backing_off", "failed", "stopped"]


@dataclass(slots=True)
class _Ward:
    """One supervised task. ``told`` is what the log last heard of it."""

    name: str
    work: Work
    task: asyncio.Task[None] | None = None
    failures: int = 0
    told: tuple[State, str] | None = None


class Supervisor:
    """``add`` tasks, before or after the start; ``stop`` ends them all. ``report`` is ``kernel.submit``."""

    def __init__(self, clock: Clock, report: Callable[[Event], Awaitable[object]]) -> None:
        self._clock = clock
        self._report = report
        self._wards: dict[str, _Ward] = {}

    @property
    def states(self) -> dict[str, State]:
        """What was last reported, by task."""
        return {name: ward.told[0] for name, ward in self._wards.items() if ward.told}

    def add(self, name: str, work: Work) -> None:
        """Run ``work()`` under this name until it returns (``stopped``) or raises ConfigError (``failed``, for good);
        any other error starts it again after a pause."""
        if name in self._wards:
            raise ValueError(f"a task named {name} is supervised already")
        ward = self._wards[name] = _Ward(name, work)
        ward.task = asyncio.create_task(self._watch(ward), name=f"supervise {name}")

    async def remove(self, name: str) -> None:
        """End one task (a source that a reload took out)."""
        ward = self._wards.pop(name, None)
        if ward is not None:
            await self._end([ward])
            await self._tell(ward, "stopped", "")

    async def stop(self) -> None:
        """Cancel all tasks and wait for their end. Reports nothing: a daemon that stops is not a fault."""
        await self._end(list(self._wards.values()))

    async def _end(self, wards: list[_Ward]) -> None:
        tasks = {ward.task for ward in wards if ward.task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _watch(self, ward: _Ward) -> None:
        while True:
            started = self._clock.monotonic()
            settled = asyncio.create_task(self._settle(ward))
            try:
                await ward.work()
            except asyncio.CancelledError as error:
                if (me := asyncio.current_task()) is None or me.cancelling():
                    raise
                await self._failed(ward, RuntimeError(f"cancelled from within {error}"), 0.0)
            except ConfigError as error:
                await self._tell(ward, "failed", _brief(error))
                return
            except Exception as error:  # noqa: BLE001 - this is the place that catches everything
                await self._failed(ward, error, self._clock.monotonic() - started)
            else:
                await self._tell(ward, "stopped", "")
                return
            finally:
                settled.cancel()
            await self._clock.sleep(min(LONGEST, FIRST * 2 ** (ward.failures - 1)))

    async def _settle(self, ward: _Ward) -> None:
        """A first start is well at once; one after a failure has to hold out first."""
        if ward.told is not None:
            await self._clock.sleep(SETTLED)
        await self._tell(ward, "running", "")

    async def _failed(self, ward: _Ward, error: Exception, lasted: float) -> None:
        _LOG.error("task %s broke: %s", ward.name, error, exc_info=error)
        ward.failures = 1 if lasted >= FORGOTTEN else min(ward.failures + 1, 30)
        await self._tell(ward, "backing_off", _brief(error))

    async def _tell(self, ward: _Ward, state: State, detail: str) -> None:
        if ward.told == (state, detail):
            return
        ward.told = (state, detail)
        try:
            await self._report(TaskStateChanged(ward.name, state, detail))
        except Exception as error:  # noqa: BLE001 - a task goes on though nobody can be told about it
            _LOG.warning("task %s is %s, which cannot be recorded: %s", ward.name, state, error)


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split()).encode("utf-8", "replace").decode()
    return f"{type(error).__name__}: {text}"[:500]
