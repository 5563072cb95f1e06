"""Health of a model: derived from its alarms, never set by hand. Pure.

``failed`` serving is critical (it does not answer as it must) · ``unhealthy`` performance is critical ·
``degrading`` any other firing alarm · ``unknown`` nothing seen yet, or no telemetry arrives · else ``healthy``.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from autoheal.domain import events as ev
from autoheal.domain.events import Event
from autoheal.domain.names import AlarmState, Health, ModelName, Severity
from autoheal.domain.records import Alarm
from autoheal.domain.world import World

NO_TELEMETRY = "serving/absent"


def derive(world: World, _now: datetime) -> tuple[Event, ...]:
    """A change of health, if the alarms say otherwise than what is recorded."""
    firing: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in world.alarms.values():
        if alarm.state is AlarmState.FIRING:
            firing[alarm.target].append(alarm)
    for name, state in world.models.items():
        if state.health is Health.HEALTHY and name not in firing:
            continue
        health, because = _health(world, name, firing.get(name, []))
        if health is not state.health:
            return (ev.HealthChanged(name, health, because),)
    return ()


def _health(world: World, name: ModelName, firing: list[Alarm]) -> tuple[Health, str]:
    worst = max(firing, key=lambda a: (a.severity.rank, a.path), default=None)
    if worst is None:
        return _without_alarms(world, name)
    if any(a.path == NO_TELEMETRY for a in firing):
        return Health.UNKNOWN, NO_TELEMETRY
    critical = [a for a in firing if a.severity is Severity.CRITICAL]
    for prefix, health in (("serving/", Health.FAILED), ("performance/", Health.UNHEALTHY)):
        for alarm in critical:
            if alarm.path.startswith(prefix):
                return health, alarm.path
    return Health.DEGRADING, worst.path


def _without_alarms(world: World, name: ModelName) -> tuple[Health, str]:
    newest = world.findings.get(world.newest) if world.newest else None
    known = world.models[name].health is not Health.UNKNOWN
    if known or (newest and newest.target == name and newest.verdict == "ok" and not newest.of_itself):
        return Health.HEALTHY, "no alarm"
    return Health.UNKNOWN, "nothing seen yet"
