"""``kind: policy`` as YAML: the schema classes. Pure. ``policy_build`` turns them into ``domain.specs.PolicySpec``.

Field order is the order of the documentation and of the JSON Schema. Rules over more than one key (exactly one of
alarm, finding, health, expr) are here; rules over more than one document are in ``references``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from autoheal.domain.durations import Duration
from autoheal.domain.names import Cause, Health, Mode, OnNoData, Severity
from autoheal.domain.specs import Bound
from autoheal.policy.fields import Comparison, Glob, MonitorPath, Name, OneOrMany, Part, parse_bound, refuse

_ONE_OF = ("alarm", "finding", "health", "expr")


class MatchPart(Part):
    """Which models or other targets. Nothing named selects nothing."""

    models: OneOrMany[Glob] = Field(default_factory=list)
    all: bool = False
    labels: dict[str, OneOrMany[str]] = Field(default_factory=dict)
    targets: OneOrMany[Glob] = Field(default_factory=list)

    @model_validator(mode="after")
    def _all_or_some(self) -> Self:
        if self.all and self.models:
            refuse("both `all: true` and `models`", "keep one of them")
        return self


class ConditionPart(Part):
    """One line of ``when`` or ``unless``."""

    alarm: MonitorPath | None = None
    severity: Literal[Severity.WARNING, Severity.CRITICAL] | None = None
    finding: MonitorPath | None = None
    value: Annotated[Literal["value", "effect", "n"], Field(alias="field")] = "value"
    bound: Annotated[Comparison | None, Field(alias="is")] = None
    health: OneOrMany[Health] | None = None
    expr: str | None = None
    held: Annotated[Duration, Field(alias="for")] = timedelta(0)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if self.expr is not None and not self.expr.strip():
            refuse("the expression is empty", "write a condition in CEL, like: attempts < 3")
        named = [key for key in _ONE_OF if getattr(self, key) is not None]
        if len(named) != 1:
            found = " and ".join(named) or "none"
            refuse(
                f"a condition asks exactly one of {', '.join(_ONE_OF)}; found {found}",
                "one line for each question",
            )
        if named == ["finding"] and self.bound is None:
            refuse("a finding is compared with a bound", 'add is: ">= 0.2"')
        if named != ["finding"] and self.bound is not None:
            refuse("`is` belongs to a finding", "remove it, or ask a finding")
        if named != ["alarm"] and self.severity is not None:
            refuse("`severity` belongs to an alarm", "remove it, or ask an alarm")
        return self


class RungConditionPart(Part):
    """When a rung of the ladder applies."""

    cause: OneOrMany[Cause] = Field(default_factory=list)
    known_good_exists: bool | None = None
    fallback_exists: bool | None = None
    pipeline_exists: bool | None = None
    fresh_labels: Comparison | None = None
    expr: str = ""


class RungPart(Part):
    runbook: str = Field(description="runbook: the name of a runbook")
    condition: Annotated[RungConditionPart, Field(alias="if")] = RungConditionPart()
    inputs: dict[str, object] = Field(default_factory=dict)
    on_recovery: str = ""
    wait: Duration = timedelta(0)


def _count(value: object) -> int:
    """``500`` or ``">= 500"``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    bound = parse_bound(value) if isinstance(value, str) else Bound("<", 0)
    if bound.op not in (">=", ">") or bound.value < 0 or bound.value != int(bound.value):
        refuse(f"{value} is not a least number of labels", 'write ">= 500"')
    return int(bound.value) + (1 if bound.op == ">" else 0)


_COUNT_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "examples": [">= 500"]}]}
)


class VerifyPart(Part):
    healthy_for: Duration = timedelta(minutes=10)
    within: Duration = timedelta(hours=1)
    matured_labels: Annotated[int, BeforeValidator(_count), _COUNT_SCHEMA] = 0


class LimitPart(Part):
    actions: int = Field(ge=1, description="actions: how many")
    per: Duration = Field(description="per: in what time, like 24h")


class BudgetPart(Part, extra="allow"):
    """Amounts by unit (``gpu_hours: 8``) and the time that they are for."""

    __pydantic_extra__: dict[str, float]
    per: Duration = timedelta(days=7)


def _approval_keys(value: dict[str, OneOrMany[str]]) -> dict[str, OneOrMany[str]]:
    for key, values in value.items():
        if key == "runbook":
            continue
        if not (key.startswith("label.") and len(key) > len("label.")):
            refuse(f'an approval cannot ask for "{key}"', "known here: runbook, label.NAME")
        if len(values) != 1:
            refuse(f"{key} takes one value", "write a policy for each value, or leave the label out")
    return value


class ApprovalPart(Part):
    condition: Annotated[dict[str, OneOrMany[str]], AfterValidator(_approval_keys)] = Field(
        default_factory=dict, alias="if"
    )
    ask: OneOrMany[str] = Field(default_factory=list, alias="from")
    expires: Duration = timedelta(minutes=15)
    otherwise: Literal["skip", "proceed"] = "skip"


class GuardsPart(Part):
    cooldown: Duration = timedelta(minutes=30)
    limit: LimitPart | None = None
    budget: BudgetPart | None = None
    approval: ApprovalPart | None = None


class PolicyPart(Part):
    version: Literal[1] = Field(description="version: 1")
    kind: Literal["policy"] = Field(description="kind: policy")
    name: Name = Field(description="name: the policy's name")
    owner: str = ""
    description: str = ""
    mode: Mode = Mode.ACT
    priority: int = Field(default=0, ge=-1000, le=1000)
    match: MatchPart = Field(description='match: {models: ["*"]}')
    when: list[ConditionPart] = Field(min_length=1, description="when: [{alarm: performance/*}]")
    unless: list[ConditionPart] = Field(default_factory=list)
    on_no_data: OnNoData = OnNoData.HOLD
    causes: OneOrMany[Cause] = Field(default_factory=list)
    ladder: list[RungPart] = Field(min_length=1, description="ladder: [{runbook: notify}]")
    verify: VerifyPart = VerifyPart()
    guards: GuardsPart = GuardsPart()
