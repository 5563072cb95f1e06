"""Alarms: findings over time, with hold times both ways. Pure.

inactive → pending → firing → resolved. Only a finding that says ``breach`` moves an alarm forward and only one that
says ``ok`` moves it back; ``no_data``, ``error`` and ``not_yet`` do neither, so silence is never recovery. A firing
alarm whose symptom is gone is *eased* (it has an ``ok_since``) until the clear time has passed.

To keep a step cheap in a large fleet the rule looks at live alarms and at the newest finding only: the one the
applied entry brought.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from autoheal.domain import events as ev
from autoheal.domain.events import Event
from autoheal.domain.finding import Finding
from autoheal.domain.names import AlarmKey, AlarmState, ModelName, Severity, Verdict
from autoheal.domain.records import Alarm
from autoheal.domain.specs import MonitorSpec
from autoheal.domain.world import World

#: For targets without a monitor in the configuration (sources, upstreams).
DEFAULT = MonitorSpec("")
LIVE = (AlarmState.PENDING, AlarmState.FIRING)


def advance(world: World, now: datetime) -> tuple[Event, ...]:
    """The next change of any alarm, if one is due."""
    for key, alarm in world.alarms.items():
        if alarm.state in LIVE and (finding := world.findings.get(key)):
            event = _live(world, alarm, finding, now)
            if event:
                return (event,)
    finding = world.findings.get(world.newest) if world.newest else None
    if finding is None or finding.verdict is not Verdict.BREACH:
        return ()
    known = world.alarms.get(finding.key)
    if known is not None and known.state in LIVE:
        return ()
    started = finding.started_at or finding.at
    return (ev.AlarmPending(finding.key, _severity(finding), started, finding.version),)


def _live(world: World, alarm: Alarm, finding: Finding, now: datetime) -> Event | None:
    spec = monitor_spec(world, alarm.key)
    if alarm.state is AlarmState.PENDING:
        return _pending(alarm, finding, spec, now)
    return _firing(alarm, finding, spec, now)


def _pending(alarm: Alarm, finding: Finding, spec: MonitorSpec, now: datetime) -> Event | None:
    if finding.verdict is Verdict.OK:
        return ev.AlarmResolved(alarm.key)
    if finding.verdict is Verdict.BREACH and now - alarm.since >= spec.hold:
        return _fire(alarm, finding)
    return None


def _firing(alarm: Alarm, finding: Finding, spec: MonitorSpec, now: datetime) -> Event | None:
    good = finding.verdict is Verdict.OK
    if good and alarm.ok_since is None:
        return ev.AlarmEased(alarm.key, eased=True)
    if not good and alarm.ok_since is not None:
        return ev.AlarmEased(alarm.key, eased=False)
    if good and alarm.ok_since is not None and now - alarm.ok_since >= spec.clear:
        return ev.AlarmResolved(alarm.key)
    if finding.verdict is Verdict.BREACH and _severity(finding).rank > alarm.severity.rank:
        return _fire(alarm, finding)
    return None


def _fire(alarm: Alarm, finding: Finding) -> Event:
    started = min(alarm.started_at, finding.started_at or alarm.started_at)
    return ev.AlarmFiring(alarm.key, _severity(finding), started, finding.version, finding.detail)


def _severity(finding: Finding) -> Severity:
    """A breach without a stated severity is a warning."""
    return Severity.WARNING if finding.severity is Severity.NONE else finding.severity


def monitor_spec(world: World, key: AlarmKey) -> MonitorSpec:
    """The hold times that apply to an alarm."""
    target, kind, _ = key.split("|", 2)
    model = world.config.models.get(ModelName(target))
    if model is None:
        return DEFAULT
    return next((m for m in model.monitors if m.kind == kind), DEFAULT)


def deadlines(world: World) -> list[datetime]:
    """When an alarm may change without a new finding."""
    times = []
    for alarm in world.alarms.values():
        spec = monitor_spec(world, alarm.key)
        if alarm.state is AlarmState.PENDING:
            times.append(alarm.since + spec.hold)
        elif alarm.state is AlarmState.FIRING and alarm.ok_since is not None:
            times.append(alarm.ok_since + spec.clear)
    return times


def is_quiet(world: World, key: AlarmKey, since: datetime, lasting: timedelta, now: datetime) -> bool | None:
    """Has this alarm's symptom been gone for ``lasting``, seen by findings made after ``since``?

    None when nobody can say: no finding since, or the newest is no verdict.
    """
    alarm = world.alarms.get(key)
    finding = world.findings.get(key)
    if finding is not None and finding.verdict is Verdict.BREACH:
        return False
    if finding is None or finding.verdict is not Verdict.OK or finding.at < since:
        return None
    if alarm is None or alarm.ok_since is None:
        return True
    return now - max(alarm.ok_since, since) >= lasting
