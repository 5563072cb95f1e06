"""A checked policy document becomes ``domain.specs.PolicySpec`` with the position of every part. Pure."""

from __future__ import annotations

from autoheal.domain.names import Severity
from autoheal.domain.specs import (
    ApprovalRule,
    Condition,
    Limit,
    PolicyGuards,
    PolicySpec,
    Rung,
    RungCondition,
    Selector,
    VerifySpec,
)
from autoheal.policy.policy_schema import (
    ApprovalPart,
    ConditionPart,
    GuardsPart,
    MatchPart,
    PolicyPart,
    RungPart,
)
from autoheal.policy.yaml_source import Document


def policy_spec(part: PolicyPart, document: Document) -> PolicySpec:
    """The policy as the engine reads it."""
    return PolicySpec(
        name=part.name,
        owner=part.owner,
        mode=part.mode,
        priority=part.priority,
        match=_selector(part.match, document),
        when=_conditions(part.when, document, "when"),
        unless=_conditions(part.unless, document, "unless"),
        on_no_data=part.on_no_data,
        causes=tuple(part.causes),
        ladder=tuple(_rung(rung, document, i) for i, rung in enumerate(part.ladder)),
        verify=VerifySpec(
            part.verify.healthy_for, part.verify.within, part.verify.matured_labels, document.at("verify")
        ),
        guards=_guards(part.guards, document),
        position=document.at(),
    )


def _selector(part: MatchPart, document: Document) -> Selector:
    return Selector(
        models=("*",) if part.all else tuple(part.models),
        labels={name: tuple(values) for name, values in part.labels.items()},
        targets=tuple(part.targets),
        position=document.at("match"),
    )


def _conditions(parts: list[ConditionPart], document: Document, key: str) -> tuple[Condition, ...]:
    return tuple(
        Condition(
            alarm=part.alarm or "",
            severity=part.severity or Severity.WARNING,
            finding=part.finding or "",
            field=part.value,
            bound=part.bound,
            health=tuple(h.value for h in part.health or ()),
            expr=part.expr or "",
            held=part.held,
            position=document.at(key, i),
        )
        for i, part in enumerate(parts)
    )


def _rung(part: RungPart, document: Document, index: int) -> Rung:
    condition = part.condition
    where = document.at("ladder", index)
    return Rung(
        runbook=part.runbook,
        when=RungCondition(
            cause=tuple(condition.cause),
            known_good_exists=condition.known_good_exists,
            fallback_exists=condition.fallback_exists,
            pipeline_exists=condition.pipeline_exists,
            fresh_labels=condition.fresh_labels,
            expr=condition.expr,
            position=document.at("ladder", index, "if") if document.has("ladder", index, "if") else where,
        ),
        inputs=dict(part.inputs),
        on_recovery=part.on_recovery,
        wait=part.wait,
        position=where,
    )


def _guards(part: GuardsPart, document: Document) -> PolicyGuards:
    budget = part.budget
    return PolicyGuards(
        cooldown=part.cooldown,
        limit=Limit(part.limit.actions, part.limit.per) if part.limit else None,
        budget={unit: float(amount) for unit, amount in (budget.model_extra or {}).items()} if budget else {},
        budget_per=budget.per if budget else PolicyGuards().budget_per,
        approval=_approval(part.approval, document) if part.approval else None,
        position=document.at("guards"),
    )


def _approval(part: ApprovalPart, document: Document) -> ApprovalRule:
    return ApprovalRule(
        labels={k.removeprefix("label."): v[0] for k, v in part.condition.items() if k != "runbook"},
        runbooks=tuple(part.condition.get("runbook", [])),
        ask=tuple(part.ask),
        expires=part.expires,
        otherwise=part.otherwise,
        position=document.at("guards", "approval"),
    )
