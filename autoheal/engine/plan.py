"""From a chosen rung to runs: the plan, its hash, and the events that start it. Pure.

The hash binds an approval to exactly what was shown: incident, policy, rung, edition of the runbook, targets and the
versions that served at that time.
"""

from __future__ import annotations

import hashlib

from autoheal.domain.events import Event, RunStarted
from autoheal.domain.names import ModelName, RunId
from autoheal.domain.records import Attempt, Incident, Run, Step
from autoheal.domain.specs import PolicySpec, RunbookSpec, Rung
from autoheal.domain.world import World
from autoheal.engine.guards import Plan


def make(world: World, incident: Incident, policy: PolicySpec, rung: Rung) -> Plan | None:
    """The expanded plan; None when the runbook is gone from the configuration."""
    runbook = world.config.runbooks.get(rung.runbook)
    return Plan(incident, policy, rung, runbook, incident.models) if runbook else None


def plan_hash(world: World, plan: Plan) -> str:
    served = [f"{m}={world.models[m].champion}" for m in plan.models if m in world.models]
    parts = [plan.incident.id, plan.policy.name, plan.rung.runbook, plan.runbook.digest, *served]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def start(world: World, plan: Plan, *, actor: str = "") -> tuple[Event, ...]:
    """One run for each affected model (one without a model where only people are told)."""
    index = plan.policy.ladder.index(plan.rung)
    common: dict[str, object] = {
        "reason": describe(plan.incident),
        "incident": str(plan.incident.id),
        "cause": str(plan.incident.cause),
        "since": plan.incident.started_at.isoformat(),
    }
    models = plan.models if plan.touches else plan.models[:1] or (ModelName(""),)
    return tuple(
        RunStarted(
            Run(
                id=RunId(f"R-{world.counters.run + n:04d}"),
                incident=plan.incident.id,
                model=model,
                policy=plan.policy.name,
                rung=index,
                runbook=plan.runbook,
                inputs={**common, **plan.rung.inputs, "model": model or str(plan.incident.target)},
                started_at=world.at or plan.incident.opened_at,
                steps=tuple(Step(s.id) for s in plan.runbook.steps),
                on_recovery=plan.rung.on_recovery,
                verify=plan.policy.verify,
                actor=actor,
            )
        )
        for n, model in enumerate(models)
    )


def start_recovery(
    world: World, incident: Incident, attempt: Attempt, runbook: RunbookSpec
) -> tuple[Event, ...]:
    """The way back from a stand-in, with the terms that were pinned when the stand-in was put in place."""
    inputs: dict[str, object] = {
        "reason": f"{incident.id}: the fault passed",
        "incident": str(incident.id),
        "cause": str(incident.cause),
        "since": incident.started_at.isoformat(),
    }
    return tuple(
        RunStarted(
            Run(
                id=RunId(f"R-{world.counters.run + n:04d}"),
                incident=incident.id,
                model=model,
                policy=attempt.policy,
                rung=attempt.rung,
                runbook=runbook,
                inputs={**inputs, "model": model},
                started_at=world.at or incident.opened_at,
                steps=tuple(Step(s.id) for s in runbook.steps),
                recovery=True,
                verify=attempt.verify,
            )
        )
        for n, model in enumerate(incident.models)
    )


def describe(incident: Incident) -> str:
    """The incident in one line, for messages to people."""
    paths = sorted({key.split("|", 1)[1].replace("|", "/") for key in incident.alarms})
    shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    return f"{incident.id} {incident.target}: {incident.cause} ({shown})"
