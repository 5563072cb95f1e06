"""The daemon's events as lines in data time, for terminals without a dashboard."""

from __future__ import annotations

from collections.abc import Callable

from autoheal.client.connection import Connection
from autoheal.clock import SystemClock
from autoheal.domain import events as ev
from autoheal.domain.events import Entry, Event
from autoheal.errors import DoorError


async def follow(socket: str, say: Callable[[str], None]) -> None:
    """Say a line for each event that matters, for ever; a daemon that is away is waited for."""
    after, clock = 0, SystemClock()
    while True:
        try:
            async with Connection(socket) as daemon:
                async for line in daemon.lines(after):
                    if isinstance(line, Entry):
                        after = line.seq
                        text = sentence(line.event)
                        if text:
                            say(f"{line.at:%Y-%m-%d %H:%M}  {text}")
        except DoorError:
            await clock.sleep(0.3)


def sentence(event: Event) -> str:
    """What happened, in one line; empty for what only experts want to know."""
    match event:
        case ev.DaemonStarted():
            return "daemon started"
        case ev.ChampionObserved():
            by = "autoheal" if "/R-" in event.by or event.by.startswith("R-") else event.by
            return f"{event.model}: {event.version} serves (before: {event.previous or 'nothing'}, by {by})"
        case ev.AlarmFiring():
            target, path = _where(event.key)
            return f"{target}: ALARM {path} {event.severity}: {event.detail}"
        case ev.AlarmResolved():
            target, path = _where(event.key)
            return f"{target}: {path} is quiet again"
        case ev.IncidentOpened():
            return f"{event.incident.id} opened on {event.incident.target}"
        case ev.IncidentMerged():
            return f"{event.incident} is part of {event.into}"
        case ev.CauseAssessed():
            best = event.hypotheses[0]
            return f"{event.incident} cause: {best.cause} ({best.reason.detail or best.reason.label})"
        case ev.DecisionMade():
            decision = event.decision
            what = f"{decision.verdict} {decision.runbook}".strip()
            return f"{decision.incident} decided: {what} ({decision.policy or 'no policy'})"
        case _:
            return _of_runs(event)


def _of_runs(event: Event) -> str:
    match event:
        case ev.RunStarted():
            return f"{event.run.id} {event.run.runbook.name} on {event.run.model} begins"
        case ev.StepFinished() if event.outcome != "done":
            return f"{event.run} {event.step} {event.outcome}: {event.error}"
        case ev.RunEnded():
            return f"{event.run} {event.state}{': ' + event.note if event.note else ''}"
        case ev.IncidentMitigated():
            return f"{event.incident} the stand-in answers; waiting for the fault to pass"
        case ev.VerificationStarted():
            return f"{event.incident} verifying until {event.deadline:%Y-%m-%d}"
        case ev.AttemptFailed():
            return f"{event.incident} {event.outcome.replace('_', ' ')}: {event.detail}"
        case ev.IncidentEscalated():
            return f"{event.incident} needs a person: {event.detail}"
        case ev.IncidentClosed():
            return f"{event.incident} closed: {event.outcome}{' (verified)' if event.verified else ''}"
        case ev.TaskStateChanged() if event.state in {"backing_off", "failed"}:
            return f"task {event.task} {event.state}: {event.detail}"
        case _:
            return ""


def _where(key: str) -> tuple[str, str]:
    target, monitor, subject = key.split("|", 2)
    return target, f"{monitor}/{subject}"
