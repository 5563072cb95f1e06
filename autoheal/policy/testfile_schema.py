"""``kind: policy-test`` as YAML: the schema classes. Pure. ``testfile`` turns them into dataclasses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from autoheal.domain.durations import Duration
from autoheal.domain.names import Cause, Health, IncidentState, Mode, RunState, Severity
from autoheal.policy.fields import Comparison, MonitorPath, Name, OneOrMany, Part, refuse
from autoheal.policy.model_schema import ModelBody

#: A Monday without anything special about it.
START = datetime(2026, 1, 5, tzinfo=UTC)


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        refuse("a time without a zone", "write 2026-01-05T00:00:00Z")
    return value.astimezone(UTC)


def _text(value: object) -> object:
    """A lone number is a notation too."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _not_nothing(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        refuse("no time at all", "write a duration above zero, like 1h")
    return value


Moment = Annotated[datetime, AfterValidator(_aware)]
Every = Annotated[Duration, AfterValidator(_not_nothing)]
Notation = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "number"]})]


class SeriesPart(Part):
    """Findings of one monitor path."""

    target: str = ""
    begins: Annotated[Duration, Field(alias="from")] = timedelta(0)
    every: Every = Field(description="every: the time between two values, like 1h")
    values: Notation = Field(description='values: "0.90x24 0.84x12 _x6 stale 0.9x3"')
    breach: Comparison | None = None
    critical: Comparison | None = None
    reference: float | None = None
    n: int = Field(default=1000, ge=0)
    detail: str = ""


class ReleasePart(Part):
    at: Duration = Field(description="at: the time since the start, like 10h")
    version: str = Field(description="version: v2")
    model: str = ""


class FactsPart(Part):
    """What the shell measures from then on; what is left out stays as it was."""

    at: Duration = timedelta(0)
    model: str = ""
    every: Every | None = None
    known_good: str | None = None
    fallback: str | None = None
    on_fallback: bool | None = None
    fresh_labels: Notation | None = None
    matured_labels: Notation | None = None


class EndingPart(Part):
    """How one execution of an action ends."""

    outputs: dict[str, object] = Field(default_factory=dict)
    fail: str = ""
    retryable: bool = False
    takes: Duration = timedelta(seconds=1)

    @model_validator(mode="after")
    def _either(self) -> Self:
        if self.fail and self.outputs:
            refuse("an action fails or gives outputs, not both", "keep one of `fail` and `outputs`")
        return self


class AnswerPart(Part):
    at: Duration = Field(description="at: the time since the start, like 10h")
    answer: Literal["given", "refused"] = Field(description="answer: given or refused")
    by: str = "somebody"
    note: str = ""
    runbook: str = ""


class PausePart(Part):
    at: Duration = Field(description="at: the time since the start, like 10h")
    until: Duration | None = None
    scope: str = "fleet"
    by: str = "somebody"
    reason: str = "a test"


class IncidentPart(Part):
    state: IncidentState | None = None
    cause: Cause | None = None
    target: str = ""
    models: OneOrMany[str] | None = None
    severity: Severity | None = None
    outcome: str = ""
    verified: bool | None = None


class RunPart(Part):
    runbook: str = ""
    policy: str = ""
    model: str = ""
    state: RunState | None = None


class ExpectPart(Part):
    at: Duration = Field(description="at: the time since the start, like 10h")
    target: str = ""
    no_incident: Literal[True] | None = None
    incident: IncidentPart | None = None
    run: RunPart | None = None
    no_run: RunPart | None = None
    policy: str = ""
    rung: Annotated[int, Field(ge=1)] | None = None
    decision: Literal["act", "ask", "would", "blocked", "wait", "nothing", "exhausted"] | None = None
    suppressed_by: str = ""
    health: Health | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.model_fields_set <= {"at", "target"}:
            refuse(
                "nothing is expected",
                "add incident, no_incident, run, no_run, policy, rung, decision or health",
            )
        if self.no_incident and self.incident:
            refuse("both an incident and none", "keep one of them")
        return self


class PolicyTestPart(Part):
    version: Literal[1] = Field(description="version: 1")
    kind: Literal["policy-test"] = Field(description="kind: policy-test")
    name: str = Field(description="name: what is shown, in words", min_length=1)
    description: str = ""
    start: Moment = START
    mode: Mode = Mode.ACT
    policies: OneOrMany[Name] = Field(default_factory=list)
    models: list[ModelBody] = Field(
        min_length=1, description="models: [{name: ..., task: ..., monitors: [...]}]"
    )
    releases: list[ReleasePart] = Field(default_factory=list)
    facts: list[FactsPart] = Field(default_factory=list)
    series: dict[MonitorPath, OneOrMany[SeriesPart]] = Field(default_factory=dict)
    actions: dict[str, OneOrMany[EndingPart]] = Field(default_factory=dict)
    answers: list[AnswerPart] = Field(default_factory=list)
    pauses: list[PausePart] = Field(default_factory=list)
    expect: list[ExpectPart] = Field(min_length=1, description="expect: [{at: 1h, no_incident: true}]")
