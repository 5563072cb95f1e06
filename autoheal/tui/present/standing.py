"""How a model stands, in one word: what the fleet shows, sorts and filters by. Pure.

The most pressing thing wins: a person is needed, then alarms, then what is being done about them, then what is
missing. Being healed outranks being ill, because then there is nothing left for a person to do.
"""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase

from autoheal.domain.names import AlarmState, Health, IncidentState, ModelName, RunState, StepState, Verdict
from autoheal.domain.records import Alarm, Incident, ModelState
from autoheal.domain.world import World
from autoheal.tui.glyphs import ModelLook
from autoheal.tui.viewstate import Frame, Index

_ILL = {
    Health.FAILED: ModelLook.FAILED,
    Health.UNHEALTHY: ModelLook.FIRING,
    Health.DEGRADING: ModelLook.DEGRADING,
}
_IN_CARE = {
    IncidentState.ACTING: ModelLook.HEALING,
    IncidentState.VERIFYING: ModelLook.VERIFYING,
    IncidentState.MITIGATED: ModelLook.STAND_IN,
}


def models_of(world: World) -> dict[str, ModelState]:
    """Every configured model, seen or not, and every seen one."""
    return {str(name): ModelState(name) for name in world.config.models} | {
        str(name): state for name, state in world.models.items()
    }


def look_of(frame: Frame, model: ModelState) -> ModelLook:
    """The word for ``model`` in this frame."""
    world, index = frame.world, frame.index
    incident = index.incident.get(model.name)
    if needs_person(index, model.name, incident):
        return ModelLook.NEEDS_YOU
    if incident is not None and incident.open and incident.state in _IN_CARE:
        return _IN_CARE[incident.state]
    run = index.run.get(model.name)
    if run is not None and run.state is RunState.RUNNING:
        return ModelLook.HEALING
    return _without_care(world, index, model, frame.now)


def _without_care(world: World, index: Index, model: ModelState, now: datetime) -> ModelLook:
    alarms = index.alarms.get(model.name, ())
    if alarms and all(is_silenced(world, alarm, now) for alarm in alarms):
        return ModelLook.SILENCED
    if model.health in _ILL:
        return _ILL[model.health]
    if model.health is Health.UNKNOWN or _nothing_comes(index, model.name):
        return ModelLook.NO_DATA
    if any(alarm.state is AlarmState.PENDING for alarm in alarms):
        return ModelLook.PENDING
    if "fleet" in world.pauses or model.name in world.pauses:
        return ModelLook.PAUSED
    return ModelLook.HEALTHY


def _nothing_comes(index: Index, name: str) -> bool:
    """Does no monitor have anything to say any more?"""
    found = index.findings.get(name, ())
    return bool(found) and all(f.verdict in {Verdict.NO_DATA, Verdict.ERROR} for f in found)


def needs_person(index: Index, name: ModelName | str, incident: Incident | None) -> bool:
    """Is there a question to a person about this model, or nothing left that may happen without one?"""
    if name in index.approval:
        return True
    if (
        incident is not None
        and incident.open
        and (incident.needs_person or incident.state is IncidentState.ESCALATED)
    ):
        return True
    run = index.run.get(name)
    return (
        run is not None
        and run.state is RunState.RUNNING
        and any(step.state is StepState.NEEDS_YOU for step in run.steps)
    )


def is_silenced(world: World, alarm: Alarm, now: datetime) -> bool:
    return any(
        s.until > now and fnmatchcase(alarm.target, s.target) and fnmatchcase(alarm.path, s.path)
        for s in world.silences.values()
    )
