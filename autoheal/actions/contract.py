"""What an action is: one kind of effect on the outside world, named by a step key for ever.

The executor (``daemon.executor``) is the only caller. It has ``StepStarted`` on the disk before ``apply``, and after a
crash it asks ``probe`` before it repeats anything. An action never decides whether it should act: that was decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from autoheal.clock import Clock
from autoheal.domain.names import ModelName, StepKey
from autoheal.domain.specs import ModelSpec


@dataclass(frozen=True, slots=True)
class Done:
    """The effect is there; ``outputs`` (JSON values) feed later steps."""

    outputs: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotDone:
    """The effect is not there and nothing is under way."""


@dataclass(frozen=True, slots=True)
class Running:
    """Under way outside of this process; ``apply`` with the same key attaches to it."""


@dataclass(frozen=True, slots=True)
class Unsure:
    """Nobody can tell; ``why`` goes to a person."""

    why: str


Probe = Done | NotDone | Running | Unsure


@dataclass(frozen=True, slots=True)
class ActionContext:
    """What actions may reach; made once by the daemon."""

    clock: Clock
    state_dir: Path
    models: Mapping[ModelName, ModelSpec] = field(default_factory=dict)
    registry: Any = None
    gateway: Any = None
    pipelines: Any = None
    notifiers: Any = None
    telemetry: Any = None


class Action(Protocol):
    """One kind of effect. ``idempotent``: applying twice with one key is the same as once."""

    name: ClassVar[str]
    idempotent: ClassVar[bool]
    Params: ClassVar[type[BaseModel]]

    async def probe(self, key: StepKey, params: Any, ctx: ActionContext) -> Probe:
        """What became of the effect that ``key`` names. Changes nothing."""
        ...

    async def apply(self, key: StepKey, params: Any, ctx: ActionContext) -> Done:
        """Bring the effect about. Raises ActionError (retryable or not) or ActionRefused."""
        ...
