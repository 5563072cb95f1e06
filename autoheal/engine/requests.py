"""Runs that a person asked for by hand: they start when the model has no other run. Pure."""

from __future__ import annotations

from datetime import datetime

from autoheal.domain.events import Event, RunStarted
from autoheal.domain.names import RunId
from autoheal.domain.records import Run, Step
from autoheal.domain.world import World
from autoheal.engine.guards import active_runs


def start(world: World, now: datetime) -> tuple[Event, ...]:
    busy = {run.model for run in active_runs(world)}
    for request in world.requests:
        runbook = world.config.runbooks.get(request.runbook)
        if runbook is None or request.model in busy:
            continue
        run = Run(
            id=RunId(f"R-{world.counters.run:04d}"),
            incident=None,
            model=request.model,
            policy="",
            rung=None,
            runbook=runbook,
            inputs={
                "reason": f"asked by {request.actor}",
                "incident": "",
                "cause": "",
                "since": "",
                **request.inputs,
                "model": request.model,
            },
            started_at=now,
            steps=tuple(Step(s.id) for s in runbook.steps),
            actor=request.actor,
        )
        return (RunStarted(run),)
    return ()
