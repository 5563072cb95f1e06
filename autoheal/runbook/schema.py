"""``kind: runbook`` as YAML: the schema classes. Pure. ``loader`` turns them into ``domain.specs.RunbookSpec``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from autoheal.domain.durations import Duration
from autoheal.policy.fields import Name, Part, refuse

#: What an input may be; ``model`` and ``reason`` are given by autoheal itself.
InputType = Literal["model", "text", "number", "boolean", "version"]
_STEP_ID = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)


def _step_id(value: str) -> str:
    if not _STEP_ID.fullmatch(value):
        refuse(
            f'"{value[:60]}" is not a step id',
            "begin with a small letter, go on with small letters, digits and _",
        )
    return value


def _some_time(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        refuse("no time at all", "write a duration above zero, like 30s")
    return value


StepId = Annotated[str, AfterValidator(_step_id)]


class RetryPart(Part):
    attempts: int = Field(default=1, ge=1, le=20)
    backoff: Duration = timedelta(seconds=1)


class StepPart(Part):
    id: StepId = Field(description="id: a short name that later steps use")
    action: str = Field(description="action: what to do, like registry.known_good")
    params: dict[str, object] = Field(default_factory=dict, alias="with")
    timeout: Annotated[Duration, AfterValidator(_some_time)] = timedelta(minutes=5)
    retry: RetryPart = RetryPart()
    on_failure: Literal["stop", "continue"] = "stop"


class RunbookPart(Part):
    version: Literal[1] = Field(description="version: 1")
    kind: Literal["runbook"] = Field(description="kind: runbook")
    name: Name = Field(description="name: the runbook's name")
    description: str = ""
    inputs: dict[Name, InputType] = Field(default_factory=dict)
    cost: dict[Name, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    steps: list[StepPart] = Field(
        min_length=1, description="steps: [{id: tell, action: notify, with: {...}}]"
    )
