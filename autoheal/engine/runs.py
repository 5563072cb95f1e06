"""Runs: which step is next, retries, and the end. Pure. ``due`` hands what is due to the executor."""

from __future__ import annotations

from datetime import datetime

from autoheal.domain import events as ev
from autoheal.domain.events import Event
from autoheal.domain.names import StepState
from autoheal.domain.records import Run, Step
from autoheal.domain.specs import StepSpec
from autoheal.domain.world import World
from autoheal.engine.guards import active_runs
from autoheal.runbook.template import TemplateError, resolve


def advance(world: World, now: datetime) -> tuple[Event, ...]:
    """The next change of any run, if one is due."""
    for run in active_runs(world):
        event = _next(run, now)
        if event is not None:
            return (event,)
    return ()


def _next(run: Run, now: datetime) -> Event | None:
    for spec in run.runbook.steps:
        step = run.step(spec.id)
        if step.state in {StepState.DONE, StepState.SKIPPED}:
            continue
        if step.state is StepState.RUNS:
            return None
        if step.state is StepState.NEEDS_YOU:
            return ev.RunEnded(
                run.id, "failed", f"{spec.id}: nobody can tell whether it happened: {step.error}"
            )
        if step.state is StepState.FAILED:
            event = _after_failure(run, spec, step, now)
            if event is None:
                continue
            return event
        if run.cancelled:
            return ev.RunEnded(run.id, "cancelled", run.note)
        return _unresolvable(run, spec)
    return ev.RunEnded(run.id, "succeeded")


def _after_failure(run: Run, spec: StepSpec, step: Step, now: datetime) -> Event | None:
    if step.retryable and step.attempt < spec.retry.attempts and not run.cancelled:
        return ev.StepRetried(run.id, spec.id, now + spec.retry.backoff * 2 ** (step.attempt - 1))
    if spec.on_failure == "continue":
        return None
    return ev.RunEnded(run.id, "failed", f"{spec.id}: {step.error}")


def _unresolvable(run: Run, spec: StepSpec) -> Event | None:
    """A template that cannot be resolved fails its step before anything is touched."""
    try:
        params(run, spec)
    except TemplateError as error:
        return ev.StepFinished(run.id, spec.id, run.key(spec.id), "failed", error=str(error))
    return None


def params(run: Run, spec: StepSpec) -> dict[str, object]:
    """The step's parameters with ``${{ }}`` resolved. Raises TemplateError."""
    outputs = {s.id: dict(s.outputs) for s in run.steps}
    context = {**run.inputs, "inputs": dict(run.inputs), "run": str(run.id), "steps": outputs}
    return {name: resolve(value, context) for name, value in spec.params.items()}


def deadlines(world: World) -> list[datetime]:
    return [
        s.retry_at for r in active_runs(world) for s in r.steps if s.state is StepState.WAITS and s.retry_at
    ]
