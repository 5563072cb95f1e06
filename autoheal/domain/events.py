"""The closed union of events: every fact, decision and step is one of these, one entry each in the log. Pure.

Events are named in the past tense and carry plain data. ``Entry`` is an event with its place in the log. Facts come
from outside (telemetry, registry, executor, people, time); the rest the engine derives. Rebuilding the world applies
all of them in order and decides nothing anew, so a newer engine never rewrites what an older one did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from autoheal.domain.finding import Finding
from autoheal.domain.names import (
    AlarmKey,
    ApprovalId,
    Health,
    IncidentId,
    ModelName,
    RunId,
    Severity,
    StepKey,
    Version,
)
from autoheal.domain.records import Approval, Decision, Facts, Hypothesis, Incident, Pause, Run, Silence
from autoheal.domain.specs import Config, VerifySpec

# --- facts: what happened outside -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DaemonStarted:
    """A daemon took the log over; ``warm_until`` is when it may act again."""

    version: str
    warm_until: datetime | None = None
    kind: Literal["daemon_started"] = "daemon_started"


@dataclass(frozen=True, slots=True)
class ConfigApplied:
    config: Config
    actor: str = ""
    kind: Literal["config_applied"] = "config_applied"


@dataclass(frozen=True, slots=True)
class ConfigRefused:
    """A reload was refused; the last good set stays."""

    problems: tuple[str, ...]
    actor: str = ""
    kind: Literal["config_refused"] = "config_refused"


@dataclass(frozen=True, slots=True)
class FindingObserved:
    finding: Finding
    kind: Literal["finding_observed"] = "finding_observed"


@dataclass(frozen=True, slots=True)
class ChampionObserved:
    """The registry shows another champion than before. ``by`` is a run id when autoheal moved it."""

    model: ModelName
    version: Version
    previous: Version
    since: datetime
    by: str = ""
    kind: Literal["champion_observed"] = "champion_observed"


@dataclass(frozen=True, slots=True)
class FactsObserved:
    model: ModelName
    facts: Facts
    kind: Literal["facts_observed"] = "facts_observed"


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time passed and something was due."""

    kind: Literal["ticked"] = "ticked"


@dataclass(frozen=True, slots=True)
class StepStarted:
    """Written before the world is touched."""

    run: RunId
    step: str
    key: StepKey
    attempt: int
    params: Mapping[str, object] = field(default_factory=dict)
    kind: Literal["step_started"] = "step_started"


@dataclass(frozen=True, slots=True)
class StepFinished:
    """``unknown``: after a crash nobody can say whether the effect happened; a person must look."""

    run: RunId
    step: str
    key: StepKey
    outcome: Literal["done", "failed", "unknown"]
    outputs: Mapping[str, object] = field(default_factory=dict)
    error: str = ""
    retryable: bool = False
    kind: Literal["step_finished"] = "step_finished"


@dataclass(frozen=True, slots=True)
class ApprovalAnswered:
    approval: ApprovalId
    answer: Literal["given", "refused"]
    plan_hash: str
    actor: str
    note: str = ""
    kind: Literal["approval_answered"] = "approval_answered"


@dataclass(frozen=True, slots=True)
class PauseSet:
    pause: Pause
    kind: Literal["pause_set"] = "pause_set"


@dataclass(frozen=True, slots=True)
class PauseLifted:
    scope: str
    actor: str
    kind: Literal["pause_lifted"] = "pause_lifted"


@dataclass(frozen=True, slots=True)
class SilenceSet:
    silence: Silence
    kind: Literal["silence_set"] = "silence_set"


@dataclass(frozen=True, slots=True)
class RunRequested:
    """A person starts a runbook by hand."""

    runbook: str
    model: ModelName
    inputs: Mapping[str, object]
    actor: str
    kind: Literal["run_requested"] = "run_requested"


@dataclass(frozen=True, slots=True)
class RunCancelled:
    """A person stops a run at the next step border."""

    run: RunId
    actor: str
    note: str = ""
    kind: Literal["run_cancelled"] = "run_cancelled"


@dataclass(frozen=True, slots=True)
class IncidentClosedByPerson:
    incident: IncidentId
    actor: str
    note: str = ""
    kind: Literal["incident_closed_by_person"] = "incident_closed_by_person"


@dataclass(frozen=True, slots=True)
class TaskStateChanged:
    """A supervised task of the daemon (source, monitor, notifier) broke, restarts, or works again."""

    task: str
    state: Literal["running", "backing_off", "failed", "stopped"]
    detail: str = ""
    kind: Literal["task_state_changed"] = "task_state_changed"


# --- derived: what the engine concluded --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AlarmPending:
    key: AlarmKey
    severity: Severity
    started_at: datetime
    version: Version = Version("")
    kind: Literal["alarm_pending"] = "alarm_pending"


@dataclass(frozen=True, slots=True)
class AlarmFiring:
    """Also sent when a firing alarm's severity rises."""

    key: AlarmKey
    severity: Severity
    started_at: datetime
    version: Version = Version("")
    detail: str = ""
    kind: Literal["alarm_firing"] = "alarm_firing"


@dataclass(frozen=True, slots=True)
class AlarmEased:
    """The symptom of a pending or firing alarm went away (``True``) or came back before it resolved (``False``)."""

    key: AlarmKey
    eased: bool
    kind: Literal["alarm_eased"] = "alarm_eased"


@dataclass(frozen=True, slots=True)
class AlarmResolved:
    key: AlarmKey
    kind: Literal["alarm_resolved"] = "alarm_resolved"


@dataclass(frozen=True, slots=True)
class HealthChanged:
    model: ModelName
    health: Health
    because: str
    kind: Literal["health_changed"] = "health_changed"


@dataclass(frozen=True, slots=True)
class IncidentOpened:
    incident: Incident
    kind: Literal["incident_opened"] = "incident_opened"


@dataclass(frozen=True, slots=True)
class IncidentGrew:
    """More alarms, models or a worse severity joined an open incident."""

    incident: IncidentId
    alarms: tuple[AlarmKey, ...]
    models: tuple[ModelName, ...]
    severity: Severity
    started_at: datetime
    kind: Literal["incident_grew"] = "incident_grew"


@dataclass(frozen=True, slots=True)
class IncidentMerged:
    """``incident`` turned out to be part of ``into`` (a shared upstream) and is closed as such."""

    incident: IncidentId
    into: IncidentId
    kind: Literal["incident_merged"] = "incident_merged"


@dataclass(frozen=True, slots=True)
class CauseAssessed:
    incident: IncidentId
    hypotheses: tuple[Hypothesis, ...]
    kind: Literal["cause_assessed"] = "cause_assessed"


@dataclass(frozen=True, slots=True)
class ConditionHeld:
    """A policy's ``for:`` line became true at ``since``, or (None) is no longer true."""

    key: str
    since: datetime | None
    kind: Literal["condition_held"] = "condition_held"


@dataclass(frozen=True, slots=True)
class DecisionMade:
    decision: Decision
    kind: Literal["decision_made"] = "decision_made"


@dataclass(frozen=True, slots=True)
class RungSkipped:
    """A rung was passed over for good in this incident (approval refused or expired, ...)."""

    incident: IncidentId
    policy: str
    rung: int
    runbook: str
    detail: str
    kind: Literal["rung_skipped"] = "rung_skipped"


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    approval: Approval
    kind: Literal["approval_asked"] = "approval_asked"


@dataclass(frozen=True, slots=True)
class ApprovalClosed:
    """The question ended without an answer: ``expired`` or ``withdrawn`` because the condition cleared."""

    approval: ApprovalId
    state: Literal["expired", "withdrawn"]
    kind: Literal["approval_closed"] = "approval_closed"


@dataclass(frozen=True, slots=True)
class RunStarted:
    run: Run
    kind: Literal["run_started"] = "run_started"


@dataclass(frozen=True, slots=True)
class StepRetried:
    run: RunId
    step: str
    retry_at: datetime
    kind: Literal["step_retried"] = "step_retried"


@dataclass(frozen=True, slots=True)
class RunEnded:
    run: RunId
    state: Literal["succeeded", "failed", "cancelled"]
    note: str = ""
    kind: Literal["run_ended"] = "run_ended"


@dataclass(frozen=True, slots=True)
class VerificationStarted:
    """All runs of the attempt ended well; the incident is watched until ``deadline``."""

    incident: IncidentId
    acted_at: datetime
    deadline: datetime
    verify: VerifySpec
    kind: Literal["verification_started"] = "verification_started"


@dataclass(frozen=True, slots=True)
class IncidentMitigated:
    """A stand-in serves; the incident waits for the fault itself to pass."""

    incident: IncidentId
    acted_at: datetime
    kind: Literal["incident_mitigated"] = "incident_mitigated"


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """The rung did not heal; the ladder goes on."""

    incident: IncidentId
    outcome: Literal["not_healed", "failed"]
    detail: str
    kind: Literal["attempt_failed"] = "attempt_failed"


@dataclass(frozen=True, slots=True)
class IncidentEscalated:
    """``final``: nothing more is done by itself, since nobody can say what state the world is in."""

    incident: IncidentId
    detail: str
    final: bool = False
    kind: Literal["incident_escalated"] = "incident_escalated"


@dataclass(frozen=True, slots=True)
class IncidentReopened:
    """An escalated incident got a new symptom: the policies are asked again."""

    incident: IncidentId
    detail: str
    kind: Literal["incident_reopened"] = "incident_reopened"


@dataclass(frozen=True, slots=True)
class IncidentClosed:
    """``verified`` only when the verification's own terms were met after an action."""

    incident: IncidentId
    outcome: str
    verified: bool
    kind: Literal["incident_closed"] = "incident_closed"


Event = Annotated[
    DaemonStarted
    | ConfigApplied
    | ConfigRefused
    | FindingObserved
    | ChampionObserved
    | FactsObserved
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
