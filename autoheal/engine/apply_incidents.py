"""Bookkeeping for incidents, causes, decisions and approvals. Pure; see ``apply``.

Closed incidents with their decisions, runs and approvals are kept up to ``KEPT_INCIDENTS``; older ones are read from
the log by whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from autoheal.domain import events as ev
from autoheal.domain.names import IncidentId, IncidentState
from autoheal.domain.records import Attempt, Incident
from autoheal.domain.world import World

KEPT_INCIDENTS = 200
KEPT_DECISIONS = 30

AttemptOutcome = Literal["running", "mitigated", "healed", "not_healed", "failed", "skipped", "not_yet"]


def with_incident(world: World, incident_id: IncidentId, **changes: Any) -> World:
    incident = world.incidents.get(incident_id)
    if incident is None:
        return world
    return replace(world, incidents={**world.incidents, incident_id: replace(incident, **changes)})


def end_attempt(incident: Incident, outcome: AttemptOutcome, detail: str = "") -> tuple[Attempt, ...]:
    """The attempts with the newest one ended, if one is under way."""
    if not incident.attempts or incident.attempts[-1].outcome not in {"running", "mitigated"}:
        return incident.attempts
    return (*incident.attempts[:-1], replace(incident.attempts[-1], outcome=outcome, detail=detail))


def _opened(world: World, event: ev.IncidentOpened, _at: datetime) -> World:
    counters = replace(world.counters, incident=world.counters.incident + 1)
    incidents = {**world.incidents, event.incident.id: event.incident}
    return replace(world, incidents=incidents, counters=counters)


def _grew(world: World, event: ev.IncidentGrew, _at: datetime) -> World:
    return with_incident(
        world,
        event.incident,
        alarms=event.alarms,
        models=event.models,
        severity=event.severity,
        started_at=event.started_at,
    )


def _merged(world: World, event: ev.IncidentMerged, at: datetime) -> World:
    closed = with_incident(
        world,
        event.incident,
        state=IncidentState.CLOSED,
        closed_at=at,
        outcome=f"part of {event.into}",
    )
    return _prune(closed)


def _cause(world: World, event: ev.CauseAssessed, _at: datetime) -> World:
    return with_incident(world, event.incident, causes=event.hypotheses)


def _decision(world: World, event: ev.DecisionMade, _at: datetime) -> World:
    decision = event.decision
    mine = [d for d, v in world.decisions.items() if v.incident == decision.incident]
    dropped = set(mine[: max(0, len(mine) + 1 - KEPT_DECISIONS)])
    decisions = {k: v for k, v in world.decisions.items() if k not in dropped}
    counters = replace(world.counters, decision=world.counters.decision + 1)
    world = replace(world, decisions={**decisions, decision.id: decision}, counters=counters)
    changes: dict[str, Any] = {"decision": decision.id}
    if decision.policy:
        changes["policy"] = decision.policy
    return with_incident(world, decision.incident, **changes)


def _rung_skipped(world: World, event: ev.RungSkipped, at: datetime) -> World:
    incident = world.incidents.get(event.incident)
    if incident is None:
        return world
    skipped = Attempt(event.rung, event.policy, event.runbook, (), at, "skipped", event.detail)
    return with_incident(world, event.incident, attempts=(*incident.attempts, skipped))


def _asked(world: World, event: ev.ApprovalAsked, _at: datetime) -> World:
    counters = replace(world.counters, approval=world.counters.approval + 1)
    approvals = {**world.approvals, event.approval.id: event.approval}
    return replace(world, approvals=approvals, counters=counters)


def _answered(world: World, event: ev.ApprovalAnswered, _at: datetime) -> World:
    approval = world.approvals.get(event.approval)
    if approval is None or approval.state != "open" or approval.plan_hash != event.plan_hash:
        return world
    answered = replace(approval, state=event.answer, actor=event.actor, note=event.note)
    return replace(world, approvals={**world.approvals, approval.id: answered})


def _approval_closed(world: World, event: ev.ApprovalClosed, _at: datetime) -> World:
    approval = world.approvals.get(event.approval)
    if approval is None:
        return world
    return replace(world, approvals={**world.approvals, approval.id: replace(approval, state=event.state)})


def _verification(world: World, event: ev.VerificationStarted, _at: datetime) -> World:
    return with_incident(
        world,
        event.incident,
        state=IncidentState.VERIFYING,
        acted_at=event.acted_at,
        deadline=event.deadline,
        verify=event.verify,
    )


def _mitigated(world: World, event: ev.IncidentMitigated, _at: datetime) -> World:
    incident = world.incidents.get(event.incident)
    if incident is None:
        return world
    return with_incident(
        world,
        event.incident,
        state=IncidentState.MITIGATED,
        acted_at=event.acted_at,
        attempts=end_attempt(incident, "mitigated"),
    )


def _attempt_failed(world: World, event: ev.AttemptFailed, _at: datetime) -> World:
    incident = world.incidents.get(event.incident)
    if incident is None:
        return world
    return with_incident(
        world,
        event.incident,
        state=IncidentState.OPEN,
        deadline=None,
        attempts=end_attempt(incident, event.outcome, event.detail),
    )


def _escalated(world: World, event: ev.IncidentEscalated, at: datetime) -> World:
    return with_incident(
        world,
        event.incident,
        state=IncidentState.ESCALATED,
        outcome=event.detail,
        deadline=None,
        escalated_at=at,
        needs_person=event.final,
    )


def _reopened(world: World, event: ev.IncidentReopened, _at: datetime) -> World:
    return with_incident(world, event.incident, state=IncidentState.OPEN, outcome="")


def _closed_by_person(world: World, event: ev.IncidentClosedByPerson, at: datetime) -> World:
    incident = world.incidents.get(event.incident)
    if incident is None or not incident.open:
        return world
    closed = with_incident(
        world,
        event.incident,
        state=IncidentState.CLOSED,
        closed_at=at,
        outcome=f"closed by {event.actor}: {event.note}",
        deadline=None,
    )
    return _prune(closed)


def _closed(world: World, event: ev.IncidentClosed, at: datetime) -> World:
    incident = world.incidents.get(event.incident)
    if incident is None:
        return world
    closed = with_incident(
        world,
        event.incident,
        state=IncidentState.CLOSED,
        closed_at=at,
        outcome=event.outcome,
        verified=event.verified,
        deadline=None,
        attempts=end_attempt(incident, "healed" if event.verified else "not_healed", event.outcome),
    )
    return _prune(closed)


def _prune(world: World) -> World:
    held = {k: v for k, v in world.held.items() if world.incidents[IncidentId(k.split("|", 1)[0])].open}
    world = replace(world, held=held)
    closed = [i for i, v in world.incidents.items() if not v.open]
    if len(closed) <= KEPT_INCIDENTS:
        return world
    gone = set(closed[: len(closed) - KEPT_INCIDENTS])
    return replace(
        world,
        incidents={k: v for k, v in world.incidents.items() if k not in gone},
        decisions={k: v for k, v in world.decisions.items() if v.incident not in gone},
        runs={k: v for k, v in world.runs.items() if v.incident not in gone},
        approvals={k: v for k, v in world.approvals.items() if v.incident not in gone},
    )


HANDLERS: dict[type, Callable[[World, Any, Any], World]] = {
    ev.IncidentOpened: _opened,
    ev.IncidentGrew: _grew,
    ev.IncidentMerged: _merged,
    ev.CauseAssessed: _cause,
    ev.DecisionMade: _decision,
    ev.RungSkipped: _rung_skipped,
    ev.ApprovalAsked: _asked,
    ev.ApprovalAnswered: _answered,
    ev.ApprovalClosed: _approval_closed,
    ev.VerificationStarted: _verification,
    ev.IncidentMitigated: _mitigated,
    ev.AttemptFailed: _attempt_failed,
    ev.IncidentEscalated: _escalated,
    ev.IncidentReopened: _reopened,
    ev.IncidentClosedByPerson: _closed_by_person,
    ev.IncidentClosed: _closed,
}
