"""Decisions: for each open incident, which policy speaks, which rung is next, what stands in the way. Pure.

One policy wins an incident: the most pressing that applies and has a rung left; the others are recorded as
suppressed. A decision is recorded only when it differs from the last one (verdict, rung, or the shape of its
reasons), so the log tells each change of mind once. "Nothing, because" is a decision too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal

from autoheal.domain import events as ev
from autoheal.domain.events import Event
from autoheal.domain.names import AlarmState, ApprovalId, DecisionId, IncidentState, Mode
from autoheal.domain.reason import Reason, all_of
from autoheal.domain.records import Approval, Decision, Incident
from autoheal.domain.specs import ApprovalRule, PolicySpec
from autoheal.domain.world import World
from autoheal.engine import conditions, guards
from autoheal.engine import plan as planning
from autoheal.engine.guards import Plan
from autoheal.engine.ladder import Climb, climb
from autoheal.engine.match import policies_for

Verdict = Literal["act", "ask", "would", "blocked", "wait", "nothing", "exhausted"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A verdict with its reasons, before it has an id."""

    verdict: Verdict
    reason: Reason
    policy: PolicySpec | None = None
    climb: Climb | None = None
    until: datetime | None = None


def track_held(world: World, now: datetime) -> tuple[Event, ...]:
    """Date the ``for:`` lines whose truth nothing else dates."""
    for incident in _undecided(world):
        for policy in policies_for(world, incident.target, incident.models):
            for n, line in enumerate(policy.when):
                if not conditions.needs_tracking(line):
                    continue
                key = conditions.held_key(incident, policy, n)
                holds = conditions.answer(world, incident, line, policy.on_no_data, now).holds is True
                if holds != (key in world.held):
                    return (ev.ConditionHeld(key, now if holds else None),)
    return ()


def reopen(world: World, now: datetime) -> tuple[Event, ...]:
    """An escalated incident with a symptom that came after the escalation is looked at again, if some policy still
    has something to try."""
    for incident in world.incidents.values():
        if (
            incident.state is not IncidentState.ESCALATED
            or incident.needs_person
            or incident.escalated_at is None
        ):
            continue
        for key in incident.alarms:
            alarm = world.alarms.get(key)
            if alarm is None or alarm.state is not AlarmState.FIRING or alarm.since <= incident.escalated_at:
                continue
            if consider(world, incident, now).verdict not in {"nothing", "exhausted"}:
                return (ev.IncidentReopened(incident.id, f"{alarm.target} {alarm.path} joined"),)
    return ()


def choose(world: World, now: datetime, only: str = "") -> tuple[Event, ...]:
    """The first open incident about which the mind has changed; of those about the target ``only``, if one is named."""
    for incident in _undecided(world):
        if (only and only not in conditions.targets(incident)) or _asked(world, incident):
            continue
        choice = consider(world, incident, now)
        decision = _decision(world, incident, choice, now)
        last = world.decisions.get(incident.decision) if incident.decision else None
        if (
            last is not None
            and last.fingerprint == decision.fingerprint
            and choice.verdict not in {"act", "ask"}
        ):
            continue
        return (ev.DecisionMade(decision), *_consequences(world, incident, choice, decision, now))
    return ()


def _undecided(world: World) -> list[Incident]:
    return [i for i in world.incidents.values() if i.state is IncidentState.OPEN]


def _asked(world: World, incident: Incident) -> bool:
    """A question is open, or its answer was not carried out yet."""
    return any(
        a.incident == incident.id and a.state in {"open", "given", "refused"} and not is_consumed(incident, a)
        for a in world.approvals.values()
    )


def is_consumed(incident: Incident, approval: Approval) -> bool:
    """Did the answer lead to an attempt (or to a skipped rung)?"""
    return any(
        (a.policy, a.rung) == (approval.policy, approval.rung) and a.at >= approval.asked_at
        for a in incident.attempts
    )


def consider(world: World, incident: Incident, now: datetime) -> Choice:
    """What should be done about this incident now, and why, for every policy that speaks about it."""
    nodes: list[Reason] = []
    chosen: Choice | None = None
    exhausted = False
    for policy in policies_for(world, incident.target, incident.models):
        applies = _applies(world, incident, policy, now)
        if applies.holds is not True:
            nodes.append(applies)
        elif chosen is not None and chosen.policy is not None:
            nodes.append(replace(applies, holds=False, detail=f"suppressed by {chosen.policy.name}"))
        else:
            way = climb(world, incident, policy, now)
            if way.plan is None and not way.waiting:
                exhausted = True
                nodes.append(_policy_node(applies, (way.reason,), "ladder exhausted", holds=False))
                continue
            chosen = _weigh(world, policy, way, applies, now)
            nodes.append(chosen.reason)
    if chosen is not None:
        return replace(chosen, reason=_root(chosen.verdict, nodes))
    verdict: Verdict = "exhausted" if exhausted else "nothing"
    return Choice(verdict, _root(verdict, nodes))


def _root(verdict: Verdict, nodes: list[Reason]) -> Reason:
    said = {
        "act": "act",
        "ask": "ask a person first",
        "would": "would act, but the mode is shadow",
        "blocked": "a guard stands in the way",
        "wait": "wait for a rung that is not ripe yet",
        "nothing": "nothing: no policy applies",
        "exhausted": "nothing left to try: a person is needed",
    }[verdict]
    return Reason(said, verdict in {"act", "ask", "would"}, "", children=tuple(nodes))


def _applies(world: World, incident: Incident, policy: PolicySpec, now: datetime) -> Reason:
    trigger = all_of("trigger", conditions.when(world, incident, policy, now))
    clear = all_of("nothing speaks against it", conditions.unless(world, incident, policy, now))
    parts = [trigger, clear] if policy.unless else [trigger]
    if policy.causes:
        detail = f"{incident.cause}; this policy is for {', '.join(policy.causes)}"
        parts.append(Reason("cause", incident.cause in policy.causes, detail, policy.position))
    return all_of(f"policy {policy.name}", parts, position=policy.position)


def _policy_node(applies: Reason, more: tuple[Reason, ...], detail: str, *, holds: bool | None) -> Reason:
    return Reason(applies.label, holds, detail, applies.position, (*applies.children, *more))


def _weigh(world: World, policy: PolicySpec, way: Climb, applies: Reason, now: datetime) -> Choice:
    """A rung was found (or is waited for): ask the guards, then how far this policy may go."""
    if way.plan is None:
        node = _policy_node(applies, (way.reason,), "waiting", holds=None)
        return Choice("wait", node, policy, way, way.until)
    checks = guards.check(world, way.plan, now)
    guard_node = all_of("guards", (g.reason for g in checks))
    failed = [g for g in checks if g.reason.holds is not True]
    if failed:
        ends = [g.until for g in failed]
        until = max((e for e in ends if e is not None), default=None) if None not in ends else None
        node = _policy_node(applies, (way.reason, guard_node), "blocked", holds=False)
        return Choice("blocked", node, policy, way, until)
    reach = _reach(world, way.plan, now)
    verdicts: dict[Mode, Verdict] = {
        Mode.ACT: "act",
        Mode.ASK: "ask",
        Mode.SHADOW: "would",
        Mode.OFF: "nothing",
    }
    mode = min((policy.mode, world.config.mode), key=lambda m: m.rank)
    verdict = verdicts[mode]
    if verdict == "act" and way.plan.touches and any(r.holds is False for r in reach):
        verdict = "ask"
    reach_node = Reason("may act alone", verdict == "act", f"mode {mode}", policy.position, reach)
    node = _policy_node(applies, (way.reason, guard_node, reach_node), verdict, holds=True)
    return Choice(verdict, node, policy, way)


def _reach(world: World, plan: Plan, now: datetime) -> tuple[Reason, ...]:
    """Reasons that, when false, turn acting into asking."""
    demoted = tuple(g.reason for g in guards.demotions(world, plan, now))
    rule = plan.policy.guards.approval
    if rule is None:
        return demoted
    asks = approval_needed(world, plan, rule)
    wanted = f"approval asked from {', '.join(rule.ask)}" if asks else "not for this rung"
    return (*demoted, Reason("no approval needed", not asks, wanted, rule.position))


def approval_needed(world: World, plan: Plan, rule: ApprovalRule) -> bool:
    """Does the rule's ``if`` speak about this plan? An empty one speaks about all."""
    if rule.runbooks and not any(fnmatchcase(plan.rung.runbook, glob) for glob in rule.runbooks):
        return False
    if not rule.labels:
        return True
    specs = [world.config.models[m] for m in plan.models if m in world.config.models]
    return any(all(fnmatchcase(s.labels.get(k, ""), v) for k, v in rule.labels.items()) for s in specs)


def _decision(world: World, incident: Incident, choice: Choice, now: datetime) -> Decision:
    way = choice.climb
    rung = way.rung if way else None
    runbook = choice.policy.ladder[rung].runbook if choice.policy and rung is not None else ""
    policy = choice.policy.name if choice.policy else ""
    return Decision(
        id=DecisionId(f"D-{world.counters.decision:04d}"),
        incident=incident.id,
        at=now,
        verdict=choice.verdict,
        policy=policy,
        rung=rung,
        runbook=runbook,
        reason=choice.reason,
        until=choice.until,
        fingerprint=_fingerprint(choice.verdict, policy, rung, len(incident.attempts), choice.reason),
    )


def _fingerprint(verdict: str, policy: str, rung: int | None, attempts: int, reason: Reason) -> str:
    def shape(node: Reason) -> object:
        return (node.label, node.holds, tuple(shape(c) for c in node.children))

    return hashlib.sha256(repr((verdict, policy, rung, attempts, shape(reason))).encode()).hexdigest()[:16]


def _consequences(
    world: World, incident: Incident, choice: Choice, decision: Decision, now: datetime
) -> tuple[Event, ...]:
    plan = choice.climb.plan if choice.climb else None
    if choice.verdict == "act" and plan is not None:
        return planning.start(replace(world, at=now), plan)
    if choice.verdict == "ask" and plan is not None:
        return (ev.ApprovalAsked(_question(world, plan, decision, now)),)
    if choice.verdict == "exhausted":
        return (ev.IncidentEscalated(incident.id, "no rung is left; a person is needed"),)
    return ()


def _question(world: World, plan: Plan, decision: Decision, now: datetime) -> Approval:
    rule = plan.policy.guards.approval or ApprovalRule(expires=timedelta(minutes=15))
    return Approval(
        id=ApprovalId(f"A-{world.counters.approval:04d}"),
        incident=plan.incident.id,
        decision=decision.id,
        policy=plan.policy.name,
        rung=decision.rung or 0,
        runbook=plan.runbook.name,
        models=plan.models,
        plan_hash=planning.plan_hash(world, plan),
        asked_at=now,
        expires_at=now + rule.expires,
        otherwise=rule.otherwise,
        ask=rule.ask,
    )
