"""Conditions of policies and rungs, each answered by a Reason that is true, false or unknown. Pure.

Unknown (no data, labels pending) never fires anything: the policy's ``on_no_data`` says whether no data holds the
decision (default), counts as a breach, or only makes somebody be told.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from autoheal.domain.finding import Finding
from autoheal.domain.names import AlarmState, ModelName, OnNoData, Verdict
from autoheal.domain.reason import Reason, any_of, negate
from autoheal.domain.records import Alarm, Facts, Incident
from autoheal.domain.specs import Bound, Condition, PolicySpec, RungCondition
from autoheal.domain.world import World
from autoheal.engine.index import unresolved
from autoheal.policy.expression import evaluate

_OPS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}


def meets(bound: Bound, value: float) -> bool:
    return _OPS[bound.op](value, bound.value)


def when(world: World, incident: Incident, policy: PolicySpec, now: datetime) -> tuple[Reason, ...]:
    """One reason a line of ``when``."""
    return tuple(
        _held(
            world,
            held_key(incident, policy, n),
            line,
            answer(world, incident, line, policy.on_no_data, now),
            now,
        )
        for n, line in enumerate(policy.when)
    )


def unless(world: World, incident: Incident, policy: PolicySpec, now: datetime) -> tuple[Reason, ...]:
    """One reason a line of ``unless``, each true when the line does *not* stand in the way."""
    return tuple(
        negate(
            f"not {describe(line)}",
            answer(world, incident, line, OnNoData.HOLD, now, absent=False),
            position=line.position,
        )
        for line in policy.unless
    )


def held_key(incident: Incident, policy: PolicySpec, line: int) -> str:
    return f"{incident.id}|{policy.name}|{line}"


def needs_tracking(line: Condition) -> bool:
    """``for:`` on a line whose truth nothing else dates (alarms and health carry their own ``since``)."""
    return line.held > timedelta(0) and bool(line.finding or line.expr)


def describe(line: Condition) -> str:
    if line.alarm:
        return f"alarm {line.alarm} at least {line.severity}"
    if line.finding:
        return f"{line.field} of {line.finding} {line.bound}"
    if line.health:
        return f"health {' or '.join(line.health)}"
    return line.expr


def answer(
    world: World,
    incident: Incident,
    line: Condition,
    on_no_data: OnNoData,
    now: datetime,
    *,
    absent: bool | None = None,
) -> Reason:
    """Is this line true now? ``absent`` is the answer where nothing of the kind was ever seen (None: false)."""
    if line.alarm:
        return _alarm(world, incident, line, on_no_data, now)
    if line.finding:
        return _finding(world, incident, line, on_no_data)
    if line.health:
        return _health(world, incident, line, now)
    return _expr(world, incident, line, absent=absent)


def targets(incident: Incident) -> set[str]:
    return {incident.target, *incident.models}


def _alarm(world: World, incident: Incident, line: Condition, on_no_data: OnNoData, now: datetime) -> Reason:
    mine = targets(incident)
    children = [
        _one_alarm(world, alarm, line, on_no_data, now)
        for alarm in unresolved(world.alarms, mine)
        if fnmatchcase(alarm.path, line.alarm)
    ]
    detail = "" if children else "no such alarm"
    return any_of(describe(line), children, detail, line.position)


def _one_alarm(world: World, alarm: Alarm, line: Condition, on_no_data: OnNoData, now: datetime) -> Reason:
    label = f"{alarm.target} {alarm.path}"
    finding = world.findings.get(alarm.key)
    shown = _show(finding)
    if alarm.severity.rank < line.severity.rank:
        return Reason(label, holds=False, detail=f"{alarm.severity} is below {line.severity}; {shown}")
    if alarm.state is AlarmState.PENDING:
        return Reason(label, holds=False, detail=f"pending since {alarm.since:%Y-%m-%d %H:%M}; {shown}")
    unknown = _unknown(finding, on_no_data)
    if unknown is not None:
        return Reason(label, holds=unknown.holds, detail=f"{unknown.detail}; {shown}")
    if alarm.ok_since is not None:
        return Reason(label, holds=False, detail=f"eased since {alarm.ok_since:%Y-%m-%d %H:%M}; {shown}")
    lasted = now - alarm.since
    if lasted < line.held:
        return Reason(label, holds=False, detail=f"firing for {lasted} < {line.held}; {shown}")
    return Reason(
        label, holds=True, detail=f"{alarm.severity}, firing since {alarm.since:%Y-%m-%d %H:%M}; {shown}"
    )


def _unknown(finding: Finding | None, on_no_data: OnNoData) -> Reason | None:
    """What a finding without a verdict means; None when it has one."""
    if finding is None or finding.verdict in {Verdict.OK, Verdict.BREACH}:
        return None
    if finding.verdict is Verdict.NO_DATA and on_no_data is OnNoData.BREACH:
        return Reason("no data", holds=True, detail="no data counts as breach here")
    return Reason("no data", holds=None, detail=f"{finding.verdict}: held")


def _show(finding: Finding | None) -> str:
    if finding is None:
        return "no finding"
    if finding.detail:
        return finding.detail
    value = "–" if finding.value is None else f"{finding.value:.4g}"
    reference = "–" if finding.reference is None else f"{finding.reference:.4g}"
    return f"{value} against {reference}, n={finding.n}"


def _finding(world: World, incident: Incident, line: Condition, on_no_data: OnNoData) -> Reason:
    mine = targets(incident)
    children = [
        _one_finding(finding, line, on_no_data)
        for finding in world.findings.values()
        if finding.target in mine and fnmatchcase(finding.path, line.finding)
    ]
    detail = "" if children else "nothing seen"
    node = any_of(describe(line), children, detail, line.position)
    return node if children else Reason(node.label, None, detail, line.position)


def _one_finding(finding: Finding, line: Condition, on_no_data: OnNoData) -> Reason:
    label = f"{finding.target} {finding.path}"
    unknown = _unknown(finding, on_no_data)
    if unknown is not None:
        return Reason(label, unknown.holds, unknown.detail)
    value = getattr(finding, line.field)
    if value is None or line.bound is None:
        return Reason(label, None, f"no {line.field}")
    return Reason(label, meets(line.bound, value), f"{line.field} {value:.4g} {line.bound}")


def _health(world: World, incident: Incident, line: Condition, now: datetime) -> Reason:
    children = []
    for name in incident.models:
        state = world.models.get(name)
        if state is None or state.health_since is None:
            children.append(Reason(name, None, "nothing seen yet"))
            continue
        lasted = now - state.health_since
        holds = state.health in line.health and lasted >= line.held
        children.append(Reason(name, holds, f"{state.health} for {lasted}"))
    return any_of(describe(line), children, position=line.position)


def _expr(world: World, incident: Incident, line: Condition, *, absent: bool | None) -> Reason:
    holds = evaluate(line.expr, context(world, incident))
    return Reason(
        describe(line), absent if holds is None and absent is not None else holds, "", line.position
    )


def context(world: World, incident: Incident) -> dict[str, object]:
    """What expressions may speak about: the incident, its first model, its labels, facts and findings."""
    name = incident.models[0] if incident.models else ModelName("")
    spec = world.config.models.get(name)
    state = world.models.get(name)
    facts = state.facts if state else None
    mine = targets(incident)
    findings = {
        f.path: {"value": f.value, "effect": f.effect, "n": f.n, "verdict": str(f.verdict)}
        for f in world.findings.values()
        if f.target in mine
    }
    return {
        "model": name,
        "target": str(incident.target),
        "cause": str(incident.cause),
        "severity": str(incident.severity),
        "health": str(state.health) if state else "unknown",
        "labels": dict(spec.labels) if spec else {},
        "attempts": len(incident.attempts),
        "findings": findings,
        "facts": {
            "fresh_labels": facts.fresh_labels if facts else 0,
            "matured_labels": facts.matured_labels if facts else 0,
            "known_good": str(facts.known_good) if facts else "",
            "on_fallback": bool(facts and facts.on_fallback),
        },
    }


def _held(world: World, key: str, line: Condition, node: Reason, now: datetime) -> Reason:
    if node.holds is not True or not needs_tracking(line):
        return node
    since = world.held.get(key)
    lasted = now - since if since else timedelta(0)
    if since is not None and lasted >= line.held:
        return node
    return Reason(
        node.label,
        holds=False,
        detail=f"true for {lasted} < {line.held}",
        position=line.position,
        children=(node,),
    )


def rung_conditions(world: World, incident: Incident, condition: RungCondition) -> tuple[Reason, ...]:
    """One reason for each thing that a rung's ``if`` asks, over all models of the incident."""
    facts = [_facts(world, name) for name in incident.models]
    reasons: list[Reason] = []
    if condition.cause:
        wanted = ", ".join(condition.cause)
        reasons.append(
            Reason(f"cause is {wanted}", incident.cause in condition.cause, f"it is {incident.cause}")
        )
    if condition.known_good_exists is not None:
        reasons.append(
            _exists("known good version", condition.known_good_exists, facts, lambda f: f.known_good)
        )
    if condition.fallback_exists is not None:
        reasons.append(_exists("stand-in", condition.fallback_exists, facts, lambda f: f.fallback))
    if condition.pipeline_exists is not None:
        names = [world.config.models[m].pipeline for m in incident.models if m in world.config.models]
        reasons.append(
            Reason(
                "training pipeline exists",
                (bool(names) and all(names)) is condition.pipeline_exists,
                ", ".join(names),
            )
        )
    if condition.fresh_labels is not None:
        reasons.append(_fresh_labels(condition.fresh_labels, facts))
    if condition.expr:
        reasons.append(Reason(condition.expr, evaluate(condition.expr, context(world, incident))))
    return tuple(reasons)


def _facts(world: World, name: ModelName) -> Facts | None:
    state = world.models.get(name)
    return state.facts if state else None


def _exists(what: str, wanted: bool, facts: Iterable[Facts | None], get: Callable[[Facts], str]) -> Reason:
    known = list(facts)
    if not known or any(f is None for f in known):
        return Reason(f"{what} exists", None, "not measured yet")
    found = [get(f) for f in known if f is not None]
    return Reason(f"{what} exists", all(found) is wanted, ", ".join(v or "none" for v in found))


def _fresh_labels(bound: Bound, facts: list[Facts | None]) -> Reason:
    label = f"fresh labels {bound}"
    if not facts or any(f is None for f in facts):
        return Reason(label, None, "not measured yet")
    least = min(f.fresh_labels for f in facts if f is not None)
    return Reason(label, meets(bound, least), f"{least} so far")
