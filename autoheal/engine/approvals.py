"""Approvals: carry out answers, end questions that expired or that the world has overtaken. Pure."""

from __future__ import annotations

from datetime import datetime

from autoheal.domain import events as ev
from autoheal.domain.events import Event
from autoheal.domain.names import IncidentState
from autoheal.domain.reason import all_of
from autoheal.domain.records import Approval, Incident
from autoheal.domain.specs import PolicySpec
from autoheal.domain.world import World
from autoheal.engine import conditions, guards
from autoheal.engine import plan as planning
from autoheal.engine.decide import is_consumed
from autoheal.engine.guards import Plan


def advance(world: World, now: datetime) -> tuple[Event, ...]:
    """What follows for the first approval that needs something."""
    for approval in world.approvals.values():
        incident = world.incidents.get(approval.incident)
        if incident is None or is_consumed(incident, approval):
            continue
        if approval.state == "open":
            events = _open(world, approval, incident, now)
        elif approval.state == "given":
            events = _given(world, approval, incident, now)
        elif approval.state == "refused" and incident.open:
            events = (_skip(approval, f"refused by {approval.actor}: {approval.note}"),)
        else:
            events = ()
        if events:
            return events
    return ()


def _open(world: World, approval: Approval, incident: Incident, now: datetime) -> tuple[Event, ...]:
    policy = _policy(world, approval)
    if (
        incident.state is not IncidentState.OPEN
        or policy is None
        or not _still_wanted(world, incident, policy, now)
    ):
        return (ev.ApprovalClosed(approval.id, "withdrawn"),)
    if now < approval.expires_at:
        return ()
    plan = _plan(world, approval, incident)
    if approval.otherwise == "proceed" and plan is not None and _may(world, plan, now):
        return (
            ev.ApprovalClosed(approval.id, "expired"),
            *planning.start(world, plan, actor="default on expiry"),
        )
    return (ev.ApprovalClosed(approval.id, "expired"), _skip(approval, "nobody answered in time"))


def _still_wanted(world: World, incident: Incident, policy: PolicySpec, now: datetime) -> bool:
    """The question stays while its trigger is true or unknown; it goes when the condition has cleared."""
    return all_of("trigger", conditions.when(world, incident, policy, now)).holds is not False


def _given(world: World, approval: Approval, incident: Incident, now: datetime) -> tuple[Event, ...]:
    plan = _plan(world, approval, incident)
    if incident.state is not IncidentState.OPEN or plan is None:
        return (ev.ApprovalClosed(approval.id, "withdrawn"),)
    if planning.plan_hash(world, plan) != approval.plan_hash:
        return (ev.ApprovalClosed(approval.id, "withdrawn"),)
    return planning.start(world, plan, actor=approval.actor) if _may(world, plan, now) else ()


def _may(world: World, plan: Plan, now: datetime) -> bool:
    return all(g.reason.holds is True for g in guards.check(world, plan, now))


def _policy(world: World, approval: Approval) -> PolicySpec | None:
    return next((p for p in world.config.policies if p.name == approval.policy), None)


def _plan(world: World, approval: Approval, incident: Incident) -> Plan | None:
    policy = _policy(world, approval)
    if policy is None or approval.rung >= len(policy.ladder):
        return None
    rung = policy.ladder[approval.rung]
    return planning.make(world, incident, policy, rung) if rung.runbook == approval.runbook else None


def _skip(approval: Approval, detail: str) -> Event:
    return ev.RungSkipped(approval.incident, approval.policy, approval.rung, approval.runbook, detail)
