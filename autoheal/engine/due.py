"""What the executor should be doing now, read off the world. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from autoheal.domain.names import StepKey, StepState
from autoheal.domain.records import Run
from autoheal.domain.specs import StepSpec
from autoheal.domain.world import World
from autoheal.engine.guards import active_runs
from autoheal.engine.runs import params
from autoheal.runbook.template import TemplateError


@dataclass(frozen=True, slots=True)
class DueStep:
    """``attempt`` counts from 1; ``key`` stays the same over attempts and restarts."""

    run: Run
    step: StepSpec
    key: StepKey
    attempt: int
    params: dict[str, object]


def due_steps(world: World, now: datetime) -> tuple[DueStep, ...]:
    """Steps to start now: one a run at the most."""
    found = (_due(run, now) for run in active_runs(world))
    return tuple(step for step in found if step is not None)


def interrupted_steps(world: World) -> tuple[DueStep, ...]:
    """Steps that were started and have no end: after a restart they are probed, not repeated."""
    return tuple(
        _as_due(run, spec, run.step(spec.id).attempt)
        for run in active_runs(world)
        for spec in run.runbook.steps
        if run.step(spec.id).state is StepState.RUNS
    )


def _due(run: Run, now: datetime) -> DueStep | None:
    for spec in run.runbook.steps:
        step = run.step(spec.id)
        if step.state in {StepState.DONE, StepState.SKIPPED}:
            continue
        if (
            step.state is StepState.FAILED
            and spec.on_failure == "continue"
            and not _will_retry(spec, step.retryable, step.attempt)
        ):
            continue
        if step.state is not StepState.WAITS or run.cancelled or (step.retry_at and step.retry_at > now):
            return None
        return _ready(run, spec, step.attempt + 1)
    return None


def _ready(run: Run, spec: StepSpec, attempt: int) -> DueStep | None:
    """``runs.advance`` ends a run whose templates have no value; until it has, nothing is due."""
    try:
        return _as_due(run, spec, attempt)
    except TemplateError:
        return None


def _will_retry(spec: StepSpec, retryable: bool, attempt: int) -> bool:
    return retryable and attempt < spec.retry.attempts


def _as_due(run: Run, spec: StepSpec, attempt: int) -> DueStep:
    return DueStep(run, spec, run.key(spec.id), attempt, params(run, spec))
