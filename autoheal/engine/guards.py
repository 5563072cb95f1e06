"""Guards: what may stop an action that a policy chose. Pure.

Each guard answers with a Reason (true: nothing in the way) and, where it is known, when it lifts. A guard that only
a person can lift has no such time. ``demote`` guards do not block: they turn *act* into *ask*.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from autoheal.domain.names import AlarmState, ModelName, RunState, Verdict
from autoheal.domain.reason import NOWHERE, Position, Reason
from autoheal.domain.records import Incident, Run
from autoheal.domain.specs import PolicySpec, RunbookSpec, Rung
from autoheal.domain.world import World
from autoheal.engine.calendar import frozen_until

#: Actions that learn from data: the worst thing to do while the data is broken.
TRAINS = "pipeline.train"
#: Alarms that forbid training.
RETRAIN_VETO = "data_quality/"


@dataclass(frozen=True, slots=True)
class Guard:
    """``reason.holds`` True lets the action pass."""

    reason: Reason
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to be done: the expanded targets, and by which written lines."""

    incident: Incident
    policy: PolicySpec
    rung: Rung
    runbook: RunbookSpec
    models: tuple[ModelName, ...]

    @property
    def trains(self) -> bool:
        return any(step.action == TRAINS for step in self.runbook.steps)

    @property
    def touches(self) -> bool:
        """Does it touch the world, or only tell people?"""
        return any(step.action not in {"notify", "wait"} for step in self.runbook.steps)


def check(world: World, plan: Plan, now: datetime) -> tuple[Guard, ...]:
    """Every guard's answer, in the order in which an operator would ask. Telling people is guarded by nothing but
    an empty target."""
    targets = (_has_targets(plan),)
    if not plan.touches:
        return targets
    return (
        *targets,
        _evidence(world, plan),
        _paused(world, plan, now),
        _warm(world, now),
        _frozen(world, now),
        _lease(world, plan),
        _upstream_open(world, plan),
        _cooldown(world, plan, now),
        _limit(world, plan, now),
        _budget(world, plan, now),
        _blast_radius(world, plan),
        _storm(world, now),
    )


def rung_guards(world: World, plan: Plan, now: datetime) -> tuple[Guard, ...]:
    """Guards on what a rung does rather than on the moment: when they fail, the ladder goes on to the next rung."""
    return (_data_is_sound(world, plan), _retrain_gap(world, plan, now)) if plan.trains else ()


def demotions(world: World, plan: Plan, now: datetime) -> tuple[Guard, ...]:
    """Guards on the healer's own record: they turn acting into asking."""
    return (_flapping(world, plan, now), _breaker(world, plan, now)) if plan.touches else ()


def _guard(
    label: str, holds: bool, detail: str = "", until: datetime | None = None, at: Position = NOWHERE
) -> Guard:
    return Guard(Reason(label, holds, detail, at), until)


def _has_targets(plan: Plan) -> Guard:
    named = ", ".join(plan.models)
    if not plan.touches:
        return _guard("targets", holds=True, detail=named or str(plan.incident.target))
    return _guard("targets", bool(plan.models), named or "no model is affected: nothing to act on")


def _evidence(world: World, plan: Plan) -> Guard:
    """Changing something takes the rarer false alarms of level ``act``; those of ``notify`` only tell people."""
    found = [world.findings[k] for k in plan.incident.alarms if k in world.findings]
    broken = [f for f in found if f.verdict is Verdict.BREACH]
    weak = [f.path for f in broken if f.level == "notify"]
    at = world.config.guards.false_alarms.position
    if not broken or len(weak) < len(broken):
        return _guard("evidence", holds=True, at=at)
    detail = f"{', '.join(weak)} reached notify only: enough to tell people, not to change something"
    return _guard("evidence", holds=False, detail=detail, at=at)


def _paused(world: World, plan: Plan, now: datetime) -> Guard:
    live = [p for p in world.pauses.values() if p.until is None or p.until > now]
    found = [p for p in live if p.scope == "fleet" or p.scope in plan.models]
    if not found:
        return _guard("not paused", holds=True)
    pause = found[0]
    return _guard(
        "not paused",
        holds=False,
        detail=f"{pause.scope} paused by {pause.actor}: {pause.reason}",
        until=pause.until,
    )


def _warm(world: World, now: datetime) -> Guard:
    until = world.warm_until
    if until is None or now >= until:
        return _guard("warmed up", holds=True)
    return _guard(
        "warmed up", holds=False, detail=f"observing only until {until:%Y-%m-%d %H:%M:%S}", until=until
    )


def _frozen(world: World, now: datetime) -> Guard:
    for freeze in world.config.guards.freezes:
        until = frozen_until(freeze, now)
        if until is not None:
            return _guard(
                "no freeze",
                holds=False,
                detail=f"{freeze.name} until {until:%Y-%m-%d %H:%M}",
                until=until,
                at=freeze.position,
            )
    return _guard("no freeze", holds=True)


def active_runs(world: World) -> list[Run]:
    return [r for r in world.runs.values() if r.state is RunState.RUNNING]


def _lease(world: World, plan: Plan) -> Guard:
    busy = [f"{r.id} on {r.model}" for r in active_runs(world) if r.model in plan.models]
    return _guard("one run per model", not busy, ", ".join(busy))


def _data_is_sound(world: World, plan: Plan) -> Guard:
    broken = [
        f"{a.target} {a.path}"
        for a in world.alarms.values()
        if a.target in plan.models
        and a.path.startswith(RETRAIN_VETO)
        and a.state in {AlarmState.FIRING, AlarmState.PENDING}
    ]
    return _guard(
        "data is sound", not broken, f"no training on broken data: {', '.join(broken)}" if broken else ""
    )


def _upstream_open(world: World, plan: Plan) -> Guard:
    """While a feed's own incident is open, its models are not healed one by one."""
    others = [
        i.id
        for i in world.incidents.values()
        if i.open
        and i.id != plan.incident.id
        and i.target.startswith("upstream:")
        and set(i.models) & set(plan.models)
    ]
    return _guard("no open upstream incident", not others, ", ".join(others))


def _past_runs(world: World, plan: Plan) -> list[Run]:
    """Automatic runs of this policy that touched these models, in other incidents."""
    return [
        r
        for r in world.runs.values()
        if r.model in plan.models
        and r.policy == plan.policy.name
        and r.incident != plan.incident.id
        and not r.recovery
    ]


def _cooldown(world: World, plan: Plan, now: datetime) -> Guard:
    ends = [r.ended_at for r in _past_runs(world, plan) if r.ended_at is not None]
    wait = plan.policy.guards.cooldown
    if not ends:
        return _guard("cooldown", holds=True, detail="no earlier action", at=plan.policy.guards.position)
    until = max(ends) + wait
    detail = f"last action ended {now - max(ends)} ago, cooldown {wait}"
    return _guard(
        "cooldown", now >= until, detail, until if now < until else None, plan.policy.guards.position
    )


def _limit(world: World, plan: Plan, now: datetime) -> Guard:
    limit = plan.policy.guards.limit
    if limit is None:
        return _guard("limit", holds=True, detail="none set")
    recent = sorted(
        r.started_at
        for r in world.runs.values()
        if r.policy == plan.policy.name
        and r.model in plan.models
        and not r.recovery
        and now - r.started_at < limit.per
    )
    detail = f"{len(recent)} of {limit.actions} actions in {limit.per}"
    until = recent[len(recent) - limit.actions] + limit.per if len(recent) >= limit.actions else None
    return _guard("limit", len(recent) < limit.actions, detail, until, plan.policy.guards.position)


def _budget(world: World, plan: Plan, now: datetime) -> Guard:
    """What the policy's runs of the period cost, by their runbooks' own word, with this plan on top."""
    guards = plan.policy.guards
    recent = [
        r
        for r in world.runs.values()
        if r.policy == plan.policy.name and now - r.started_at < guards.budget_per
    ]
    for unit, most in guards.budget.items():
        spent = sum(r.runbook.cost.get(unit, 0.0) for r in recent)
        wanted = plan.runbook.cost.get(unit, 0.0) * len(plan.models)
        if wanted and spent + wanted > most:
            detail = f"{spent:g} of {most:g} {unit} spent in {guards.budget_per}, {wanted:g} more wanted"
            until = min((r.started_at for r in recent if r.runbook.cost.get(unit)), default=None)
            return _guard(
                "budget",
                holds=False,
                detail=detail,
                until=until + guards.budget_per if until else None,
                at=guards.position,
            )
    return _guard("budget", holds=True, detail="none set" if not guards.budget else "", at=guards.position)


def _retrain_gap(world: World, plan: Plan, now: datetime) -> Guard:
    """No second training of a model within the fleet's gap, whoever asked for the first."""
    gap = world.config.guards.retrain_gap
    ends = [
        r.ended_at
        for r in world.runs.values()
        if r.model in plan.models
        and r.state is RunState.SUCCEEDED
        and r.ended_at
        and any(s.action == TRAINS for s in r.runbook.steps)
    ]
    if not ends:
        return _guard("not retrained lately", holds=True)
    until = max(ends) + gap
    return _guard(
        "not retrained lately",
        now >= until,
        f"last training ended {now - max(ends)} ago, gap {gap}",
        until if now < until else None,
    )


def _blast_radius(world: World, plan: Plan) -> Guard:
    guards = world.config.guards
    fleet = max(len(world.config.models), 1)
    most = max(1, math.floor(guards.max_share * fleet))
    if guards.max_under_repair:
        most = min(most, guards.max_under_repair)
    busy = {r.model for r in active_runs(world)} | set(plan.models)
    return _guard(
        "blast radius",
        len(busy) <= most,
        f"{len(busy)} of {fleet} models under repair, at most {most}",
        at=guards.position,
    )


def _storm(world: World, now: datetime) -> Guard:
    guards = world.config.guards
    if guards.storm_incidents <= 0:
        return _guard("no storm", holds=True)
    opened = sorted(i.opened_at for i in world.incidents.values())
    for last in range(len(opened) - 1, guards.storm_incidents - 2, -1):
        first = opened[last - guards.storm_incidents + 1]
        until = opened[last] + guards.storm_cooldown
        if until <= now:
            break
        if opened[last] - first <= guards.storm_within:
            detail = f"{guards.storm_incidents} incidents within {opened[last] - first}: acting on none until it calms"
            return _guard("no storm", holds=False, detail=detail, until=until, at=guards.position)
    return _guard("no storm", holds=True)


def _flapping(world: World, plan: Plan, now: datetime) -> Guard:
    guards = world.config.guards
    for key in plan.incident.alarms:
        alarm = world.alarms.get(key)
        recent = [t for t in alarm.transitions if now - t < guards.flapping_within] if alarm else []
        if alarm and guards.flapping and len(recent) >= guards.flapping:
            detail = f"{alarm.path} changed {len(recent)} times in {guards.flapping_within}"
            return _guard("not flapping", holds=False, detail=detail, at=guards.position)
    return _guard("not flapping", holds=True)


def _breaker(world: World, plan: Plan, now: datetime) -> Guard:
    guards = world.config.guards
    bad = _failures(world, plan, now, guards.breaker_within)
    detail = f"{plan.runbook.name} failed to heal {bad} times in {guards.breaker_within}"
    open_ = guards.breaker_failures > 0 and bad >= guards.breaker_failures
    return _guard("own record", not open_, detail if bad else "", at=guards.position)


def _failures(world: World, plan: Plan, now: datetime, within: timedelta) -> int:
    return sum(
        1
        for incident in world.incidents.values()
        for attempt in incident.attempts
        if attempt.runbook == plan.runbook.name
        and set(incident.models) & set(plan.models)
        and attempt.outcome in {"failed", "not_healed"}
        and now - attempt.at < within
    )
