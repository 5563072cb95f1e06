"""Incidents: what belongs together, from first symptom to verified recovery. Pure.

A firing alarm that a policy asks about, or a critical one, belongs to an incident. Broken data in a column of a
shared feed makes one incident on the *feed*, however many models it feeds; while that is open, whatever else goes
wrong with those models belongs to it. Silenced alarms open nothing.
"""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase

from autoheal.domain import events as ev
from autoheal.domain.events import Event
from autoheal.domain.names import (
    AlarmState,
    IncidentId,
    IncidentState,
    ModelName,
    RunState,
    Severity,
    Target,
    is_model,
    upstream_target,
)
from autoheal.domain.records import Alarm, Incident
from autoheal.domain.world import World
from autoheal.engine.match import policies_for


def gather(world: World, now: datetime) -> tuple[Event, ...]:
    """Open an incident for, or join to one, the first firing alarm that belongs to none."""
    claimed = {key for i in world.incidents.values() if i.open for key in i.alarms}
    for key, alarm in world.alarms.items():
        if alarm.state is not AlarmState.FIRING or alarm.ok_since is not None or key in claimed:
            continue
        if is_silenced(world, alarm, now):
            continue
        target = _belongs_to(world, alarm)
        incident = open_incident(world, target)
        if incident is not None:
            return (_grow(incident, alarm),)
        if _matters(world, alarm, target):
            return (ev.IncidentOpened(_new(world, alarm, target, now)),)
    return _worsened(world)


def _worsened(world: World) -> tuple[Event, ...]:
    """An alarm that became critical makes its incident critical."""
    for incident in world.incidents.values():
        if incident.open and incident.severity is not Severity.CRITICAL:
            for key in incident.alarms:
                alarm = world.alarms.get(key)
                if (
                    alarm
                    and alarm.state is AlarmState.FIRING
                    and alarm.severity.rank > incident.severity.rank
                ):
                    return (_grow(incident, alarm),)
    return ()


def merge(world: World, _now: datetime) -> tuple[Event, ...]:
    """A model's own incident that began with its feed's or later is swallowed: the broken feed explains it.

    Only while nobody acts on it: a run under way ends first.
    """
    for incident in world.incidents.values():
        if not incident.target.startswith("upstream:") or not incident.open:
            continue
        for name in incident.models:
            own = open_incident(world, name, exact=True)
            if own is None or own.state not in {IncidentState.OPEN, IncidentState.ESCALATED}:
                continue
            if own.opened_at < incident.started_at or _any_open_approval(world, own):
                continue
            grown = ev.IncidentGrew(
                incident.id,
                tuple(dict.fromkeys(incident.alarms + own.alarms)),
                incident.models,
                max(incident.severity, own.severity, key=lambda s: s.rank),
                min(incident.started_at, own.started_at),
            )
            return (ev.IncidentMerged(own.id, incident.id), grown)
    return ()


def abandon(world: World, _now: datetime) -> tuple[Event, ...]:
    """An incident about what the configuration no longer names is over once nothing is under way for it: nobody watches
    it, so nobody could ever say that it healed."""
    running = {r.incident for r in world.runs.values() if r.state is RunState.RUNNING}
    for incident in world.incidents.values():
        about = incident.models or ((ModelName(incident.target),) if is_model(incident.target) else ())
        if (
            incident.open
            and about
            and incident.id not in running
            and not set(about) & set(world.config.models)
        ):
            return (ev.IncidentClosed(incident.id, "no longer watched", verified=False),)
    return ()


def _any_open_approval(world: World, incident: Incident) -> bool:
    return any(a.incident == incident.id and a.state == "open" for a in world.approvals.values())


def is_silenced(world: World, alarm: Alarm, now: datetime) -> bool:
    return any(
        s.until > now and fnmatchcase(alarm.target, s.target) and fnmatchcase(alarm.path, s.path)
        for s in world.silences.values()
    )


def open_incident(world: World, target: Target, *, exact: bool = False) -> Incident | None:
    """The open incident of a target; for a model also that of a feed it depends on, unless ``exact``."""
    found = None
    for incident in world.incidents.values():
        if not incident.open:
            continue
        if incident.target == target:
            return incident
        if not exact and incident.target.startswith("upstream:") and target in incident.models:
            found = incident
    return found


def _belongs_to(world: World, alarm: Alarm) -> Target:
    model = world.config.models.get(ModelName(alarm.target))
    if model is not None and alarm.path.startswith("data_quality/"):
        feature = model.feature(alarm.path.split("/", 1)[1])
        if feature is not None and feature.upstream:
            return upstream_target(feature.upstream)
    return alarm.target


def _matters(world: World, alarm: Alarm, target: Target) -> bool:
    if alarm.severity is Severity.CRITICAL or not is_model(alarm.target):
        return True
    return any(
        condition.alarm
        and fnmatchcase(alarm.path, condition.alarm)
        and alarm.severity.rank >= condition.severity.rank
        for policy in policies_for(world, target, _models(world, target))
        for condition in policy.when
    )


def _models(world: World, target: Target) -> tuple[ModelName, ...]:
    if is_model(target):
        return (ModelName(target),)
    feed = target.removeprefix("upstream:")
    if feed == target:
        return ()
    return tuple(sorted(name for name, spec in world.config.models.items() if feed in spec.upstreams))


def _new(world: World, alarm: Alarm, target: Target, now: datetime) -> Incident:
    return Incident(
        id=IncidentId(f"INC-{world.counters.incident:04d}"),
        target=target,
        models=_models(world, target),
        state=IncidentState.OPEN,
        opened_at=now,
        started_at=min(alarm.started_at, now),
        alarms=(alarm.key,),
        severity=alarm.severity,
    )


def _grow(incident: Incident, alarm: Alarm) -> ev.IncidentGrew:
    alarms = incident.alarms if alarm.key in incident.alarms else (*incident.alarms, alarm.key)
    models = incident.models
    if is_model(alarm.target) and alarm.target not in models:
        models = (*models, ModelName(alarm.target))
    return ev.IncidentGrew(
        incident.id,
        alarms,
        models,
        max(incident.severity, alarm.severity, key=lambda s: s.rank),
        min(incident.started_at, alarm.started_at),
    )
