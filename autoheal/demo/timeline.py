"""The daemon's events as lines in data time, for terminals without a dashboard.

Only what changes the story is told, and once: a decision that is made again for the same reason, or a run's failure
that its step told already, is left to ``autoheal why``.
"""

from __future__ import annotations

from collections.abc import Callable

from autoheal.client.connection import Connection
from autoheal.clock import SystemClock
from autoheal.domain import events as ev
from autoheal.domain.events import Entry, Event
from autoheal.domain.names import AlarmKey
from autoheal.errors import DoorError

#: Longer explanations are cut.
WIDTH = 150
#: Told once in the same words; to act is told each time.
REPEATS = (ev.DecisionMade, ev.IncidentEscalated, ev.CauseAssessed)


async def follow(socket: str, say: Callable[[str], None]) -> None:
    """Say a line for each event that matters, for ever; a daemon that is away is waited for."""
    after, clock, said = 0, SystemClock(), set[str]()
    while True:
        try:
            async with Connection(socket) as daemon:
                async for line in daemon.lines(after):
                    if isinstance(line, Entry):
                        after = line.seq
                        text = news(line.event, said)
                        if text:
                            say(f"{line.at:%Y-%m-%d %H:%M}  {text}")
        except DoorError:
            await clock.sleep(0.3)


def news(event: Event, said: set[str]) -> str:
    """The sentence, unless it is one that was said before; ``said`` remembers."""
    text = sentence(event)
    acts = isinstance(event, ev.DecisionMade) and event.decision.verdict == "act"
    if isinstance(event, REPEATS) and not acts:
        if text in said:
            return ""
        said.add(text)
    return text


def sentence(event: Event) -> str:
    """What happened, in one line; empty for what only experts want to know."""
    text = _of_models(event) or _of_incidents(event) or _of_runs(event)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _of_models(event: Event) -> str:
    match event:
        case ev.DaemonStarted():
            return "daemon started"
        case ev.ChampionObserved():
            by = "autoheal" if "R-" in event.by else event.by
            return f"{event.model}: {event.version} serves (before: {event.previous or 'nothing'}, by {by})"
        case ev.AlarmFiring():
            return f"{_where(event.key)} ALARM {event.severity}: {event.detail}"
        case ev.AlarmResolved():
            return f"{_where(event.key)} is quiet again"
        case ev.TaskStateChanged() if event.state in {"backing_off", "failed"}:
            return f"task {event.task} {event.state}: {event.detail}"
        case _:
            return ""


def _of_incidents(event: Event) -> str:
    match event:
        case ev.IncidentOpened():
            return f"{event.incident.id} opened on {event.incident.target}"
        case ev.IncidentMerged():
            return f"{event.incident} is part of {event.into}"
        case ev.CauseAssessed() if event.hypotheses:
            best = event.hypotheses[0]
            return f"{event.incident} cause: {best.cause} ({best.reason.detail or best.reason.label})"
        case ev.DecisionMade() if event.decision.verdict not in {"nothing", "exhausted"}:
            decision = event.decision
            return f"{decision.incident} decided: {decision.verdict} {decision.runbook} ({decision.policy})"
        case ev.IncidentMitigated():
            return f"{event.incident} the stand-in answers; waiting for the fault to pass"
        case ev.VerificationStarted():
            return f"{event.incident} verifying until {event.deadline:%Y-%m-%d}"
        case ev.AttemptFailed() if event.outcome == "not_healed":
            return f"{event.incident} not healed: {event.detail}"
        case ev.IncidentEscalated():
            return f"{event.incident} needs a person: {event.detail}"
        case ev.IncidentClosed():
            return f"{event.incident} closed: {event.outcome}{' (verified)' if event.verified else ''}"
        case _:
            return ""


def _of_runs(event: Event) -> str:
    match event:
        case ev.RunStarted():
            return f"{event.run.id} {event.run.runbook.name} on {event.run.model} begins"
        case ev.StepFinished() if event.outcome != "done":
            return f"{event.run} {event.step} {event.outcome}: {event.error}"
        case ev.RunEnded():
            return f"{event.run} {event.state}"
        case _:
            return ""


def _where(key: AlarmKey) -> str:
    target, monitor, subject = key.split("|", 2)
    return f"{target}: {monitor}/{subject}"
