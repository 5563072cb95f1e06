"""Events that report facts: what happened outside of the engine. Part of the union in ``events``. Pure.

Telemetry, the registry, the executor, people and time bring them; each is submitted to the kernel and is one entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from autoheal.domain.finding import Finding
from autoheal.domain.names import (
    ApprovalId,
    IncidentId,
    ModelName,
    RunId,
    StepKey,
    Version,
)
from autoheal.domain.records import Facts, Pause, Silence
from autoheal.domain.specs import Config


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
class ReferenceObserved:
    """The champion is compared with something else from now on: ``digest`` names it, "" its own reference again.
    ``how`` is training, window or lineage; ``detail`` says which rows."""

    model: ModelName
    version: Version
    digest: str
    how: str = ""
    by: str = ""
    detail: str = ""
    kind: Literal["reference_observed"] = "reference_observed"


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
