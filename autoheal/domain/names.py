"""Identifiers and enumerations: the words of the design, spelled once. Pure.

A *target* is what an alarm or incident is about: a model by its name, ``upstream:NAME`` for a shared feed,
``source:NAME`` for a telemetry source.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

ModelName = NewType("ModelName", str)
Version = NewType("Version", str)
#: What an alarm or incident is about; a plain string, since a model's name is one.
Target = str
#: ``target|monitor|subject``: one alarm for ever.
AlarmKey = NewType("AlarmKey", str)
IncidentId = NewType("IncidentId", str)
DecisionId = NewType("DecisionId", str)
RunId = NewType("RunId", str)
#: ``run/step``: names one effect on the world for ever, over retries and restarts.
StepKey = NewType("StepKey", str)
ApprovalId = NewType("ApprovalId", str)


def alarm_key(target: str, monitor: str, subject: str) -> AlarmKey:
    return AlarmKey(f"{target}|{monitor}|{subject}")


def upstream_target(name: str) -> Target:
    return Target(f"upstream:{name}")


def source_target(name: str) -> Target:
    return Target(f"source:{name}")


def is_model(target: str) -> bool:
    return not target.startswith(("upstream:", "source:"))


class Verdict(StrEnum):
    """What one finding says. ``no_data`` is never zero; ``not_yet`` means labels or rows are still to come."""

    OK = "ok"
    BREACH = "breach"
    NO_DATA = "no_data"
    ERROR = "error"
    NOT_YET = "not_yet"


class Severity(StrEnum):
    NONE = "none"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return ("none", "warning", "critical").index(self.value)


class AlarmState(StrEnum):
    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Health(StrEnum):
    HEALTHY = "healthy"
    DEGRADING = "degrading"
    UNHEALTHY = "unhealthy"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why a model suffers; the right first action differs with it."""

    UPSTREAM_FAULT = "upstream_fault"
    SERVING_FAULT = "serving_fault"
    BAD_RELEASE = "bad_release"
    CONCEPT_DRIFT = "concept_drift"
    COVARIATE_DRIFT = "covariate_drift"
    NO_TELEMETRY = "no_telemetry"
    UNKNOWN = "unknown"


class Mode(StrEnum):
    """How far a policy may go; ordered from nothing to everything."""

    OFF = "off"
    SHADOW = "shadow"
    ASK = "ask"
    ACT = "act"

    @property
    def rank(self) -> int:
        return ("off", "shadow", "ask", "act").index(self.value)


class OnNoData(StrEnum):
    HOLD = "hold"
    NOTIFY = "notify"
    BREACH = "breach"


class IncidentState(StrEnum):
    """``open`` looks for a remedy, ``acting`` has a run, ``mitigated`` waits behind a stand-in for the fault to pass,
    ``verifying`` watches whether the remedy healed, ``escalated`` waits for a person, ``closed`` is over."""

    OPEN = "open"
    ACTING = "acting"
    MITIGATED = "mitigated"
    VERIFYING = "verifying"
    ESCALATED = "escalated"
    CLOSED = "closed"


class RunState(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepState(StrEnum):
    WAITS = "waits"
    RUNS = "runs"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    NEEDS_YOU = "needs_you"


class Task(StrEnum):
    """What kind of answer a model gives."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"
