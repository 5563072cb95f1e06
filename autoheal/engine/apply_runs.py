"""Bookkeeping for runs and their steps: the journal's reading side. Pure; see ``apply``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from autoheal.domain import events as ev
from autoheal.domain.names import IncidentState, RunState, StepState
from autoheal.domain.records import Attempt, Request, Run, Step
from autoheal.domain.world import World
from autoheal.engine.apply_incidents import with_incident

#: Ended runs without an incident (started by hand) that are kept.
KEPT_MANUAL_RUNS = 50


def _with_run(world: World, run: Run) -> World:
    return replace(world, runs={**world.runs, run.id: run})


def _with_step(world: World, run_id: Any, step_id: str, **changes: Any) -> World:
    run = world.runs.get(run_id)
    if run is None or all(s.id != step_id for s in run.steps):
        return world
    steps = tuple(replace(s, **changes) if s.id == step_id else s for s in run.steps)
    return _with_run(world, replace(run, steps=steps))


def _requested(world: World, event: ev.RunRequested, at: datetime) -> World:
    request = Request(event.runbook, event.model, event.inputs, event.actor, at)
    return replace(world, requests=(*world.requests, request))


def _without_request(world: World, run: Run) -> World:
    """A run that a person asked for takes the oldest such wish off the list."""
    for request in world.requests:
        if run.actor and (request.runbook, request.model, request.actor) == (
            run.runbook.name,
            run.model,
            run.actor,
        ):
            return replace(world, requests=tuple(r for r in world.requests if r is not request))
    return world


def _started(world: World, event: ev.RunStarted, at: datetime) -> World:
    run = event.run
    world = _without_request(world, run)
    counters = replace(world.counters, run=world.counters.run + 1)
    manual = [k for k, r in world.runs.items() if r.incident is None and r.state is not RunState.RUNNING]
    gone = set(manual[: max(0, len(manual) - KEPT_MANUAL_RUNS)])
    runs = {k: v for k, v in world.runs.items() if k not in gone}
    world = replace(world, runs={**runs, run.id: run}, counters=counters)
    incident = world.incidents.get(run.incident) if run.incident else None
    if incident is None or run.rung is None:
        return world
    last = incident.attempts[-1] if incident.attempts else None
    if last and last.outcome == "running" and last.at == at:
        attempts = (*incident.attempts[:-1], replace(last, runs=(*last.runs, run.id)))
    else:
        attempt = Attempt(
            rung=run.rung,
            policy=run.policy,
            runbook=run.runbook.name,
            runs=(run.id,),
            at=at,
            on_recovery=run.on_recovery,
            verify=run.verify,
            recovery=run.recovery,
        )
        attempts = (*incident.attempts, attempt)
    return with_incident(world, incident.id, attempts=attempts, state=IncidentState.ACTING)


def _step_started(world: World, event: ev.StepStarted, at: datetime) -> World:
    run = world.runs.get(event.run)
    if run is None or run.state is not RunState.RUNNING:
        return world
    return _with_step(
        world,
        event.run,
        event.step,
        state=StepState.RUNS,
        attempt=event.attempt,
        started_at=at,
        ended_at=None,
        retry_at=None,
        error="",
    )


def _step_finished(world: World, event: ev.StepFinished, at: datetime) -> World:
    run = world.runs.get(event.run)
    step: Step | None = next((s for s in run.steps if s.id == event.step), None) if run else None
    if step is None or step.state in {StepState.DONE, StepState.SKIPPED}:
        return world
    states = {"done": StepState.DONE, "failed": StepState.FAILED, "unknown": StepState.NEEDS_YOU}
    return _with_step(
        world,
        event.run,
        event.step,
        state=states[event.outcome],
        ended_at=at,
        outputs=event.outputs,
        error=event.error,
        retryable=event.retryable,
    )


def _step_retried(world: World, event: ev.StepRetried, _at: datetime) -> World:
    return _with_step(world, event.run, event.step, state=StepState.WAITS, retry_at=event.retry_at)


def _cancelled(world: World, event: ev.RunCancelled, _at: datetime) -> World:
    run = world.runs.get(event.run)
    if run is None or run.state is not RunState.RUNNING:
        return world
    return _with_run(world, replace(run, cancelled=True, note=f"cancelled by {event.actor}: {event.note}"))


def _ended(world: World, event: ev.RunEnded, at: datetime) -> World:
    run = world.runs.get(event.run)
    if run is None:
        return world
    steps = tuple(replace(s, state=StepState.SKIPPED) if s.state is StepState.WAITS else s for s in run.steps)
    return _with_run(
        world,
        replace(run, state=RunState(event.state), ended_at=at, note=event.note or run.note, steps=steps),
    )


HANDLERS: dict[type, Callable[[World, Any, Any], World]] = {
    ev.RunRequested: _requested,
    ev.RunStarted: _started,
    ev.StepStarted: _step_started,
    ev.StepFinished: _step_finished,
    ev.StepRetried: _step_retried,
    ev.RunCancelled: _cancelled,
    ev.RunEnded: _ended,
}
