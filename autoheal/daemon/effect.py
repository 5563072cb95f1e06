"""One effect on the outside world: ask an action, within a time, and say in plain words how it ended.

Called by the executor, which records the answer. Nothing here reads the world or the log. What surprises: an effect
that ignores its time-out *and* the cancellation is left alone and reported as unknown, because starting it again
beside itself would be the worst of all ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from autoheal.actions.contract import Action, ActionContext, Done, NotDone, Running, Unsure
from autoheal.domain.names import StepKey
from autoheal.errors import ActionError

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
#: Real seconds in which a cancelled effect may tidy up, and in which a probe must answer.
GRACE: Final = 5.0
PROBE_TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How an effect ended; the fields are those of ``StepFinished``."""

    outcome: Literal["done", "failed", "unknown"]
    outputs: Mapping[str, object] = field(default_factory=dict)
    error: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """An action with everything it needs: ``key`` names this effect for ever, ``timeout`` is in real seconds."""

    action: Action
    key: StepKey
    params: BaseModel
    context: ActionContext
    timeout: float
    grace: float = GRACE

    async def bring_about(self) -> Ended:
        """Apply. Every way in which an action can fail becomes an answer; only our own cancellation goes up."""
        try:
            work = self.action.apply(self.key, self.params, self.context)
            return Ended("done", dict((await within(work, self.timeout, self.grace)).outputs))
        except _LateError:
            return await self._after_timeout()
        except _DeafError:
            return Ended(
                "unknown", error=f"still busy {self.grace:g} s after its time-out of {self.timeout:g} s"
            )
        except ActionError as error:
            return Ended("failed", error=str(error) or type(error).__name__, retryable=error.retryable)
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; the run must hear of it
            _LOG.exception("action %s failed in an unforeseen way on %s", self.action.name, self.key)
            return Ended("failed", error=f"{type(error).__name__}: {error}")

    async def find_out(self) -> Ended | None:
        """After a crash: how it ended, by looking. None means: apply it (again, or to attach to what runs)."""
        match await self._probe():
            case Done(outputs):
                return Ended("done", dict(outputs))
            case Running():
                return None
            case NotDone():
                if self.action.idempotent:
                    return None
                why = "was interrupted; it shows no effect, and repeating it may not be harmless"
            case Unsure(why):
                if self.action.idempotent:
                    return None
        return Ended("unknown", error=why)

    async def _after_timeout(self) -> Ended:
        """Repeatable effects may be tried again; of the others we look what came of it."""
        late = f"no answer within {self.timeout:g} s"
        if self.action.idempotent:
            return Ended("failed", error=late, retryable=True)
        match await self._probe():
            case Done(outputs):
                return Ended("done", dict(outputs))
            case NotDone():
                return Ended("failed", error=late)
            case Running():
                return Ended("unknown", error=f"{late}, and it still runs")
            case Unsure(why):
                return Ended("unknown", error=f"{late}; {why}")

    async def _probe(self) -> Done | NotDone | Running | Unsure:
        try:
            return await within(
                self.action.probe(self.key, self.params, self.context), PROBE_TIMEOUT, self.grace
            )
        except (_LateError, _DeafError):
            return Unsure(f"looking took more than {PROBE_TIMEOUT:g} s")
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; not knowing is an answer
            _LOG.exception("action %s could not be probed on %s", self.action.name, self.key)
            return Unsure(f"looking failed: {type(error).__name__}: {error}")


def prepare(action: Action, params: Mapping[str, object]) -> BaseModel:
    """The action's own parameters; ActionError says which one is wrong."""
    try:
        return action.Params.model_validate(dict(params))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'with'}: {e['msg']}" for e in error.errors())
        raise ActionError(f"{action.name}: {wrong}") from error


class _LateError(Exception):
    """The time was up, and the effect has ended since. Not TimeoutError: actions raise those themselves."""


class _DeafError(Exception):
    """The effect ignored its cancellation."""


async def within(work: Awaitable[T], seconds: float, grace: float) -> T:
    """The result of ``work``, or _LateError after it was cancelled and has ended, or _DeafError when it has not."""
    task: asyncio.Future[T] = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if task.done():
            return _result(task)
        task.cancel()
        await asyncio.wait({task}, timeout=grace)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task}, timeout=grace)
        _forget(task)
        raise
    if not task.done():
        task.add_done_callback(_forget)
        raise _DeafError
    if not task.cancelled() and task.exception() is None:
        return task.result()  # it made it while being told to stop: the truth beats the clock
    raise _LateError


def _result(task: asyncio.Future[T]) -> T:
    if task.cancelled():
        raise RuntimeError("it was cancelled from within")
    return task.result()


def _forget(task: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more; do not complain about its end."""
    if task.done() and not task.cancelled():
        task.exception()
