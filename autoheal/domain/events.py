"""The closed union of events: every fact, decision and step is one of these, one entry each in the log. Pure.

Events are named in the past tense and carry plain data. ``Entry`` is an event with its place in the log. Facts come
from outside (telemetry, registry, executor, people, time); the rest the engine derives. Rebuilding the world applies
all of them in order and decides nothing anew, so a newer engine never rewrites what an older one did.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from autoheal.domain.conclusions import (
    AlarmEased,
    AlarmFiring,
    AlarmPending,
    AlarmResolved,
    ApprovalAsked,
    ApprovalClosed,
    AttemptFailed,
    CauseAssessed,
    ConditionHeld,
    DecisionMade,
    HealthChanged,
    IncidentClosed,
    IncidentEscalated,
    IncidentGrew,
    IncidentMerged,
    IncidentMitigated,
    IncidentOpened,
    IncidentReopened,
    RunEnded,
    RungSkipped,
    RunStarted,
    StepRetried,
    VerificationStarted,
)
from autoheal.domain.facts import (
    ApprovalAnswered,
    ChampionObserved,
    ConfigApplied,
    ConfigRefused,
    DaemonStarted,
    FactsObserved,
    FindingObserved,
    IncidentClosedByPerson,
    PauseLifted,
    PauseSet,
    ReferenceObserved,
    RunCancelled,
    RunRequested,
    SilenceSet,
    StepFinished,
    StepStarted,
    TaskStateChanged,
    Ticked,
)

__all__ = [
    "AlarmEased",
    "AlarmFiring",
    "AlarmPending",
    "AlarmResolved",
    "ApprovalAnswered",
    "ApprovalAsked",
    "ApprovalClosed",
    "AttemptFailed",
    "CauseAssessed",
    "ChampionObserved",
    "ConditionHeld",
    "ConfigApplied",
    "ConfigRefused",
    "DaemonStarted",
    "DecisionMade",
    "Entry",
    "Event",
    "FactsObserved",
    "FindingObserved",
    "HealthChanged",
    "IncidentClosed",
    "IncidentClosedByPerson",
    "IncidentEscalated",
    "IncidentGrew",
    "IncidentMerged",
    "IncidentMitigated",
    "IncidentOpened",
    "IncidentReopened",
    "PauseLifted",
    "PauseSet",
    "ReferenceObserved",
    "RunCancelled",
    "RunEnded",
    "RunRequested",
    "RunStarted",
    "RungSkipped",
    "SilenceSet",
    "StepFinished",
    "StepRetried",
    "StepStarted",
    "TaskStateChanged",
    "Ticked",
    "VerificationStarted",
]

Event = Annotated[
    DaemonStarted
    | ConfigApplied
    | ConfigRefused
    | FindingObserved
    | ChampionObserved
    | FactsObserved
    | ReferenceObserved
    | Ticked
    | StepStarted
    | StepFinished
    | ApprovalAnswered
    | PauseSet
    | PauseLifted
    | SilenceSet
    | RunRequested
    | RunCancelled
    | IncidentClosedByPerson
    | TaskStateChanged
    | AlarmPending
    | AlarmFiring
    | AlarmEased
    | AlarmResolved
    | HealthChanged
    | IncidentOpened
    | IncidentGrew
    | IncidentMerged
    | CauseAssessed
    | ConditionHeld
    | DecisionMade
    | RungSkipped
    | ApprovalAsked
    | ApprovalClosed
    | RunStarted
    | StepRetried
    | RunEnded
    | VerificationStarted
    | IncidentMitigated
    | AttemptFailed
    | IncidentEscalated
    | IncidentReopened
    | IncidentClosed,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log: ``seq`` counts from 1 without gaps, ``at`` is the kernel's clock."""

    seq: int
    at: datetime
    event: Event
