"""Events that the engine derived: what follows from the facts. Part of the union in ``events``. Pure.

They are entries of their own, so that rebuilding a world decides nothing anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from autoheal.domain.names import (
    AlarmKey,
    ApprovalId,
    Health,
    IncidentId,
    ModelName,
    RunId,
    Severity,
    Version,
)
from autoheal.domain.records import Approval, Decision, Hypothesis, Incident, Run
from autoheal.domain.specs import VerifySpec


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
    """The rung did not heal; the ladder goes on, or with ``not_yet`` may come back to it."""

    incident: IncidentId
    outcome: Literal["not_healed", "failed", "not_yet"]
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
