"""Verdicts on remedies: did it heal, may the stand-in go, is it over? Pure.

Healed means seen healthy: every alarm of the incident quiet for the stated time, by findings made *after* the action,
on enough matured labels. No finding is no recovery. At the deadline a remaining symptom moves the ladder on, and
"nobody can say" asks a person.
"""

from __future__ import annotations

from datetime import datetime

from autoheal.domain import events as ev
from autoheal.domain.events import Event
from autoheal.domain.names import AlarmKey, AlarmState, IncidentState, RunState, StepState
from autoheal.domain.reason import kleene_and
from autoheal.domain.records import Attempt, Incident, Run
from autoheal.domain.specs import VerifySpec
from autoheal.domain.world import World
from autoheal.engine import plan as planning
from autoheal.engine.alarms import is_quiet
from autoheal.engine.guards import active_runs

#: Monitors that judge the champion by what it serves: blind while a stand-in serves instead.
OF_THE_CHAMPION = ("performance/", "concept_drift/")
#: Actions that only look or prepare: what stops after these has touched nothing that serves.
LOOKS = frozenset(
    {"registry.known_good", "evaluate.candidate", "evaluate.gate", "data.validate", "pipeline.train"}
)
#: Steps that nobody began.
UNTOUCHED = frozenset({StepState.WAITS, StepState.SKIPPED})
#: Those of LOOKS that decline for want of rows.
JUDGES = frozenset({"evaluate.candidate", "evaluate.gate", "data.validate"})


def after_runs(world: World, now: datetime) -> tuple[Event, ...]:
    """When the runs of an attempt have ended: verify, wait behind the stand-in, or go on."""
    for incident in world.incidents.values():
        if incident.state is not IncidentState.ACTING or not incident.attempts:
            continue
        attempt = incident.attempts[-1]
        runs = [world.runs[r] for r in attempt.runs if r in world.runs]
        if any(r.state is RunState.RUNNING for r in runs):
            continue
        return (_ended(incident, attempt, runs, now),)
    return ()


def _ended(incident: Incident, attempt: Attempt, runs: list[Run], now: datetime) -> Event:
    bad = [r for r in runs if r.state is not RunState.SUCCEEDED]
    if any(s.state is StepState.NEEDS_YOU for r in runs for s in r.steps):
        return ev.IncidentEscalated(incident.id, bad[0].note if bad else "a step needs you", final=True)
    if bad and attempt.recovery:
        return ev.IncidentEscalated(incident.id, f"still on the stand-in, the way back failed: {bad[0].note}")
    if bad:
        early = len(bad) == len(runs) and all(_declined_for_now(run) for run in bad)
        return ev.AttemptFailed(incident.id, "not_yet" if early else "failed", bad[0].note)
    if all(step.action in {"notify", "wait"} for r in runs for step in r.runbook.steps):
        return ev.AttemptFailed(incident.id, "not_healed", "people were told")
    if attempt.on_recovery and not attempt.recovery:
        return ev.IncidentMitigated(incident.id, now)
    return ev.VerificationStarted(incident.id, now, now + attempt.verify.within, attempt.verify)


def _declined_for_now(run: Run) -> bool:
    """It stopped at a judgement that more rows may change, and had only looked and prepared before."""
    steps = [(spec.action, run.step(spec.id)) for spec in run.runbook.steps]
    begun = [(action, step) for action, step in steps if step.state not in UNTOUCHED]
    return bool(begun) and all(
        action in LOOKS if step.state is StepState.DONE else action in JUDGES and step.retryable
        for action, step in begun
    )


def judge(world: World, now: datetime) -> tuple[Event, ...]:
    """The next verdict on any incident that waits for one."""
    for incident in world.incidents.values():
        if incident.state is IncidentState.VERIFYING:
            events = _verifying(world, incident, now)
        elif incident.state is IncidentState.MITIGATED:
            events = _mitigated(world, incident, now)
        elif incident.state in {IncidentState.OPEN, IncidentState.ESCALATED}:
            events = _waiting(world, incident, now)
        else:
            events = ()
        if events:
            return events
    return ()


def _verifying(world: World, incident: Incident, now: datetime) -> tuple[Event, ...]:
    verify = incident.verify or VerifySpec()
    quiet = quiet_all(world, incident, incident.alarms, verify, now)
    labelled = enough_labels(world, incident, verify)
    if quiet is True and labelled and incident.acted_at and now - incident.acted_at >= verify.healthy_for:
        return (ev.IncidentClosed(incident.id, f"healed by {_remedy(incident)}", verified=True),)
    if incident.deadline is None or now < incident.deadline:
        return ()
    if quiet is True:
        return (
            ev.IncidentClosed(
                incident.id, f"healed by {_remedy(incident)}, unverified: labels are missing", verified=False
            ),
        )
    if quiet is False:
        left = [k.split("|", 1)[1] for k in incident.alarms if is_breach(world, k)]
        if not left and now < incident.deadline + verify.healthy_for:
            return ()  # the symptom has just gone: give it the time that health has to last
        return (
            ev.AttemptFailed(
                incident.id,
                "not_healed",
                f"after {verify.within}: {', '.join(left) or 'not quiet long enough'}",
            ),
        )
    return (
        ev.IncidentEscalated(
            incident.id, f"cannot tell whether {_remedy(incident)} healed: no verdict in {verify.within}"
        ),
    )


def is_breach(world: World, key: AlarmKey) -> bool:
    finding = world.findings.get(key)
    return finding is not None and finding.verdict == "breach"


def quiet_all(
    world: World, incident: Incident, keys: tuple[AlarmKey, ...], verify: VerifySpec, now: datetime
) -> bool | None:
    since = incident.acted_at or incident.opened_at
    return kleene_and(is_quiet(world, key, since, verify.healthy_for, now) for key in keys)


def enough_labels(world: World, incident: Incident, verify: VerifySpec) -> bool:
    """Labels that the present champion of every affected model has earned since the action."""
    if verify.matured_labels <= 0:
        return True
    states = [world.models.get(m) for m in incident.models]
    return all(
        s is not None and s.facts is not None and s.facts.matured_labels >= verify.matured_labels
        for s in states
    )


def _remedy(incident: Incident) -> str:
    done = [a.runbook for a in incident.attempts if a.outcome in {"running", "mitigated", "healed"}]
    return " then ".join(done) or "nothing"


def _mitigated(world: World, incident: Incident, now: datetime) -> tuple[Event, ...]:
    """The stand-in may go when the fault itself has been gone long enough. What only the champion's own answers
    could show is judged after it is back."""
    attempt = incident.attempts[-1]
    keys = tuple(
        k for k in incident.alarms if not k.split("|", 1)[1].replace("|", "/").startswith(OF_THE_CHAMPION)
    )
    if not keys or quiet_all(world, incident, keys, attempt.verify, now) is not True:
        return ()
    runbook = world.config.runbooks.get(attempt.on_recovery)
    if runbook is None:
        return (
            ev.IncidentEscalated(
                incident.id, f"still on the stand-in: runbook {attempt.on_recovery} is gone"
            ),
        )
    paused = "fleet" in world.pauses or any(m in world.pauses for m in incident.models)
    busy = {r.model for r in active_runs(world)} & set(incident.models)
    if paused or busy:
        return ()
    return planning.start_recovery(world, incident, attempt, runbook)


def _waiting(world: World, incident: Incident, now: datetime) -> tuple[Event, ...]:
    """Nobody acts (any more): the incident is over when every alarm has resolved."""
    states = [world.alarms.get(k) for k in incident.alarms]
    if incident.needs_person or any(a is not None and a.state is not AlarmState.RESOLVED for a in states):
        return ()
    last = incident.attempts[-1] if incident.attempts else None
    remedied = last is not None and last.outcome == "running" and incident.verify is not None
    if remedied and incident.verify is not None:
        verified = quiet_all(
            world, incident, incident.alarms, incident.verify, now
        ) is True and enough_labels(world, incident, incident.verify)
        if verified:
            return (
                ev.IncidentClosed(incident.id, f"healed by {_remedy(incident)}, seen late", verified=True),
            )
        return ()
    return (ev.IncidentClosed(incident.id, "went away without a remedy", verified=False),)


def deadlines(world: World) -> list[datetime]:
    times: list[datetime] = []
    for incident in world.incidents.values():
        if not incident.open:
            continue
        verify = incident.verify or (incident.attempts[-1].verify if incident.attempts else VerifySpec())
        if incident.deadline:
            times += [incident.deadline, incident.deadline + verify.healthy_for]
        if incident.acted_at:
            times.append(incident.acted_at + verify.healthy_for)
        times.extend(
            alarm.ok_since + verify.healthy_for
            for key in incident.alarms
            if (alarm := world.alarms.get(key)) is not None and alarm.ok_since is not None
        )
    return times
