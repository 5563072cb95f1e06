"""The ladder: the first rung that applies and was not tried yet. Pure.

A rung whose condition is unknown holds the ladder (acting on a guess is worse than waiting); one that is false is
passed, unless it says how long it may be waited for; so long one that declined for want of rows is come back to. Some guards belong to the rung rather than to the moment: no
training on broken data, no second training too soon; they pass the ladder on to the next rung.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from autoheal.domain.reason import Reason, all_of, any_of
from autoheal.domain.records import Attempt, Incident
from autoheal.domain.specs import PolicySpec, Rung
from autoheal.domain.world import World
from autoheal.engine import plan as planning
from autoheal.engine.conditions import rung_conditions
from autoheal.engine.guards import TRAINS, Plan, rung_guards

#: The least time between two attempts at a rung that declined for want of rows.
SHORTEST = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Climb:
    """``plan`` when a rung was found; ``waiting`` when one is not ripe yet (``until`` if that has an end); neither
    when the ladder is exhausted."""

    reason: Reason
    plan: Plan | None = None
    rung: int | None = None
    waiting: bool = False
    until: datetime | None = None


def climb(world: World, incident: Incident, policy: PolicySpec, now: datetime) -> Climb:
    """Look at the rungs from the bottom; the rest of the ladder stays in the reasons for the reader."""
    nodes: list[Reason] = []
    found: Climb | None = None
    for index, rung in enumerate(policy.ladder):
        if found is not None:
            nodes.append(
                Reason(
                    rung.runbook,
                    holds=False,
                    detail="only if the rung before does not heal",
                    position=rung.position,
                )
            )
            continue
        if tried := _tried(incident, policy, index, now):
            nodes.append(Reason(rung.runbook, holds=False, detail=tried, position=rung.position))
            continue
        found = _look(world, incident, policy, index, now)
        nodes.append(found.reason)
        if found.plan is None and not found.waiting:
            found = None
    reason = any_of("ladder", nodes, "" if found else "exhausted", policy.position)
    if found is None:
        return Climb(reason)
    return Climb(reason, found.plan, found.rung, found.waiting, found.until)


def _tried(incident: Incident, policy: PolicySpec, index: int, now: datetime) -> str:
    """Why this rung is done with, or nothing. One that declined for want of rows is not, while it may be waited for."""
    patient = now < incident.opened_at + policy.ladder[index].wait
    for attempt in _attempts(incident, policy, index):
        if not (attempt.outcome == "not_yet" and patient):
            return f"tried at {attempt.at:%Y-%m-%d %H:%M}: {attempt.outcome.replace('_', ' ')} {attempt.detail}".strip()
    return ""


def _attempts(incident: Incident, policy: PolicySpec, index: int) -> list[Attempt]:
    return [a for a in incident.attempts if (a.policy, a.rung) == (policy.name, index) and not a.recovery]


def _again_at(world: World, incident: Incident, policy: PolicySpec, index: int) -> datetime | None:
    """When a rung that declined for want of rows is tried again: when a quarter as much time again has passed as had
    since the symptom began, half as much where a training was spent on it. So a long wait means few attempts, and the
    rows grow by about as much from one to the next."""
    attempts = _attempts(incident, policy, index)
    if not attempts:
        return None
    last = attempts[-1]
    runs = [world.runs[run] for run in last.runs if run in world.runs]
    trained = any(s.action == TRAINS and run.step(s.id).attempt for run in runs for s in run.runbook.steps)
    return last.at + max((last.at - incident.started_at) / (2 if trained else 4), SHORTEST)


def _look(world: World, incident: Incident, policy: PolicySpec, index: int, now: datetime) -> Climb:
    rung = policy.ladder[index]
    plan = planning.make(world, incident, policy, rung)
    if plan is None:
        return Climb(
            Reason(rung.runbook, holds=False, detail="no such runbook any more", position=rung.position)
        )
    guards = tuple(g.reason for g in rung_guards(world, plan, now))
    node = all_of(
        rung.runbook, (*rung_conditions(world, incident, rung.when), *guards), position=rung.position
    )
    again = _again_at(world, incident, policy, index)
    if node.holds is True and again is not None and now < again:
        last = _attempts(incident, policy, index)[-1]
        detail = f"declined at {last.at:%Y-%m-%d %H:%M}: {last.detail}"
        later = Reason(f"{rung.runbook} (again later)", None, detail, node.position, node.children)
        return Climb(later, None, index, waiting=True, until=again)
    if node.holds is True:
        return Climb(node, plan, index)
    until = _worth_waiting(rung, node, incident, now)
    if node.holds is None or until is not None:
        label = f"{rung.runbook} (waited for)"
        return Climb(
            Reason(label, None, node.detail, node.position, node.children),
            None,
            index,
            waiting=True,
            until=until,
        )
    return Climb(node)


def _worth_waiting(rung: Rung, node: Reason, incident: Incident, now: datetime) -> datetime | None:
    """Waiting helps where labels are still to come or an expression may turn true; not for what is not there."""
    until = incident.opened_at + rung.wait
    may_come = (rung.when.expr, f"fresh labels {rung.when.fresh_labels}")
    hopeless = any(c.holds is False and c.label not in may_come for c in node.children)
    return until if rung.wait > timedelta(0) and now < until and not hopeless else None
