"""What an action is: ``probe`` looks, ``apply`` brings about, both under one step key. Types only, no effects.

The executor calls these, plug-ins implement them, tests run every one of them through the same contract suite. A step
key names one effect for ever: it stays the same over retries and restarts, and ``apply`` with a key whose effect is
there already must find it and answer as if it had just made it. What surprises: a cancelled ``apply`` (time-out,
shutdown) leaves outside work such as a training alone; the next ``apply`` of that key attaches to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from autoheal.clock import Clock
from autoheal.domain.names import ModelName, StepKey
from autoheal.domain.specs import ModelSpec
from autoheal.errors import ActionRefused

if TYPE_CHECKING:
    from autoheal.actions.targets.gateway import GatewayClient
    from autoheal.actions.targets.model_server import ModelServers
    from autoheal.actions.targets.registry import Registry


@dataclass(frozen=True, slots=True)
class Done:
    """The effect is there; ``outputs`` are plain JSON values for later steps."""

    outputs: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotDone:
    """The effect is not there, and nothing is under way that would bring it about."""


@dataclass(frozen=True, slots=True)
class Running:
    """It is under way outside of us; ``apply`` attaches to it."""


@dataclass(frozen=True, slots=True)
class Unsure:
    """Looking does not tell; ``why`` is for people."""

    why: str


Probe = Done | NotDone | Running | Unsure


class ActionParams(BaseModel):
    """Base of every action's parameters: what a runbook writes under ``with:``."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LabelledRows(Protocol):
    """The part of telemetry that actions need; ``telemetry.service.Telemetry`` is one. Synchronous: call in a thread.

    Rows are dicts of id, version, time (aware), features, prediction, score, label, by, error; the newest first.
    ``served`` gives rows with and without labels, of which only time and features.
    """

    def labelled(
        self,
        model: ModelName,
        *,
        now: datetime,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100_000,
    ) -> list[dict[str, Any]]: ...

    def served(
        self, model: ModelName, *, since: datetime | None, until: datetime, limit: int
    ) -> list[dict[str, Any]]: ...


class Outbox(Protocol):
    """Where ``notify`` leaves its messages; ``notifiers.outbox.Outbox`` is one. A posted message survives a crash."""

    def names(self) -> Sequence[str]: ...

    def posted(self, key: str) -> bool: ...

    async def post(self, key: str, to: str, text: str, facts: Mapping[str, str]) -> None: ...


@dataclass(frozen=True, slots=True)
class CommandPipeline:
    """A trainer run as a command: an argv list, never a shell line. ``deadline`` is real time, and ``grace`` is how
    long it has between TERM and KILL then."""

    name: str
    argv: tuple[str, ...]
    cwd: Path
    deadline: timedelta = timedelta(minutes=30)
    env: Mapping[str, str] = field(default_factory=dict)
    grace: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class ActionContext:
    """All that actions may touch. Built by the daemon; replaced, never changed, when the configuration is reloaded.

    ``namespace`` sets the keys of one event log apart from those of another one that used the same registry before
    (a state directory that was thrown away): any text that is constant for the life of the log and differs between logs.
    """

    clock: Clock
    registry: Registry
    models: Mapping[ModelName, ModelSpec]
    telemetry: LabelledRows
    outbox: Outbox
    servers: ModelServers
    state_dir: Path
    gateway: GatewayClient | None = None
    pipelines: Mapping[str, CommandPipeline] = field(default_factory=dict)
    namespace: str = ""

    def effect(self, key: StepKey) -> str:
        """The key as outside parts see it."""
        return f"{self.namespace}/{key}" if self.namespace else str(key)

    def job(self, key: StepKey) -> Path:
        """The folder of the step's files: made by whoever writes there first."""
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "_" for c in key)
        digest = sha256(self.effect(key).encode()).hexdigest()[:8]
        return self.state_dir / "jobs" / f"{plain[:80]}-{digest}"

    def spec(self, model: str) -> ModelSpec:
        """The model as configured; ActionRefused when there is none."""
        found = self.models.get(ModelName(model))
        if found is None:
            raise ActionRefused(f"no model is called {model!r}")
        return found


class Action(Protocol):
    """A plug-in: one verb of a runbook.

    ``idempotent``: applying the same key twice is harmless, so that after a crash it may simply be applied again when
    ``probe`` says ``NotDone`` or ``Unsure``. ``apply`` raises ``ActionError`` (retryable or not) or ``ActionRefused``.
    """

    name: ClassVar[str]
    idempotent: ClassVar[bool]
    Params: ClassVar[type[BaseModel]]

    async def probe(self, key: StepKey, params: Any, ctx: ActionContext) -> Probe: ...

    async def apply(self, key: StepKey, params: Any, ctx: ActionContext) -> Done: ...
