"""Bookkeeping for findings, alarms, health, champions and facts. Pure; see ``apply``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from autoheal.domain import events as ev
from autoheal.domain.names import AlarmKey, AlarmState, ModelName, is_model
from autoheal.domain.records import Alarm, ModelState
from autoheal.domain.world import World

#: How many changes of an alarm are remembered: enough to see flapping.
REMEMBERED_TRANSITIONS = 12


def forget_models(world: World) -> World:
    """Drop what is known of models that the configuration no longer names."""
    known = world.config.models
    models = {name: world.models.get(name, ModelState(name)) for name in known}

    def keep(key: AlarmKey) -> bool:
        target = key.split("|", 1)[0]
        return not is_model(target) or target in known

    return replace(
        world,
        models=models,
        findings={k: v for k, v in world.findings.items() if keep(k)},
        newest=None,
        alarms={k: v for k, v in world.alarms.items() if keep(k)},
    )


def model_state(world: World, name: ModelName) -> ModelState:
    return world.models.get(name) or ModelState(name)


def _with_model(world: World, state: ModelState) -> World:
    return replace(world, models={**world.models, state.name: state})


def _finding(world: World, event: ev.FindingObserved, _at: datetime) -> World:
    key, target = event.finding.key, event.finding.target
    if is_model(target) and target not in world.config.models:
        return replace(world, newest=None)  # a late word about a model that is no longer watched
    return replace(world, findings={**world.findings, key: event.finding}, newest=key)


def _champion(world: World, event: ev.ChampionObserved, _at: datetime) -> World:
    state = replace(
        model_state(world, event.model),
        champion=event.version,
        champion_since=event.since,
        previous=event.previous,
        promoted_by=event.by,
        reference="",
    )
    return _with_model(world, state)


def _reference(world: World, event: ev.ReferenceObserved, _at: datetime) -> World:
    state = model_state(world, event.model)
    if event.version != state.champion:
        return world
    return _with_model(world, replace(state, reference=event.digest))


def _facts(world: World, event: ev.FactsObserved, _at: datetime) -> World:
    return _with_model(world, replace(model_state(world, event.model), facts=event.facts))


def _health(world: World, event: ev.HealthChanged, at: datetime) -> World:
    state = replace(model_state(world, event.model), health=event.health, health_since=at)
    return _with_model(world, state)


def _set_alarm(world: World, alarm: Alarm) -> World:
    return replace(world, alarms={**world.alarms, alarm.key: alarm})


def _pending(world: World, event: ev.AlarmPending, at: datetime) -> World:
    before = world.alarms.get(event.key)
    past = before.transitions if before else ()
    alarm = Alarm(
        key=event.key,
        state=AlarmState.PENDING,
        since=at,
        severity=event.severity,
        started_at=event.started_at,
        version=event.version,
        transitions=past,
    )
    return _set_alarm(world, alarm)


def _firing(world: World, event: ev.AlarmFiring, at: datetime) -> World:
    before = world.alarms.get(event.key)
    rose = before is not None and before.state is AlarmState.FIRING
    past = before.transitions if before else ()
    alarm = Alarm(
        key=event.key,
        state=AlarmState.FIRING,
        since=before.since if before and rose else at,
        severity=event.severity,
        started_at=event.started_at,
        version=event.version,
        transitions=past if rose else (*past, at)[-REMEMBERED_TRANSITIONS:],
    )
    return _set_alarm(world, alarm)


def _eased(world: World, event: ev.AlarmEased, at: datetime) -> World:
    alarm = world.alarms.get(event.key)
    if alarm is None:
        return world
    return _set_alarm(world, replace(alarm, ok_since=at if event.eased else None))


def _resolved(world: World, event: ev.AlarmResolved, at: datetime) -> World:
    alarm = world.alarms.get(event.key)
    if alarm is None:
        return world
    fired = alarm.state is AlarmState.FIRING
    past = (*alarm.transitions, at)[-REMEMBERED_TRANSITIONS:] if fired else alarm.transitions
    return _set_alarm(
        world,
        replace(alarm, state=AlarmState.RESOLVED, since=at, ok_since=alarm.ok_since or at, transitions=past),
    )


HANDLERS: dict[type, Callable[[World, Any, Any], World]] = {
    ev.FindingObserved: _finding,
    ev.ChampionObserved: _champion,
    ev.FactsObserved: _facts,
    ev.ReferenceObserved: _reference,
    ev.HealthChanged: _health,
    ev.AlarmPending: _pending,
    ev.AlarmFiring: _firing,
    ev.AlarmEased: _eased,
    ev.AlarmResolved: _resolved,
}
