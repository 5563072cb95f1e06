"""What the world remembers about alarms, incidents, decisions, runs and approvals. Pure, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from autoheal.domain.names import (
    AlarmKey,
    AlarmState,
    ApprovalId,
    Cause,
    DecisionId,
    Health,
    IncidentId,
    IncidentState,
    ModelName,
    RunId,
    RunState,
    Severity,
    StepKey,
    StepState,
    Target,
    Version,
)
from autoheal.domain.reason import Reason
from autoheal.domain.specs import RunbookSpec, VerifySpec


@dataclass(frozen=True, slots=True)
class Alarm:
    """A finding over time. ``since`` is when the present state began, ``ok_since`` when the symptom last went away
    (None while it lasts), ``started_at`` when the symptom is thought to have begun."""

    key: AlarmKey
    state: AlarmState
    since: datetime
    severity: Severity
    started_at: datetime
    ok_since: datetime | None = None
    version: Version = Version("")
    transitions: tuple[datetime, ...] = ()

    @property
    def target(self) -> Target:
        return Target(self.key.split("|", 1)[0])

    @property
    def path(self) -> str:
        _, monitor, subject = self.key.split("|", 2)
        return f"{monitor}/{subject}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the shell last measured about a model: what the ladder may count on.

    ``fresh_labels`` counts matured labelled rows since the newest promoted training window ended (or since the
    incident's start when that is later); ``matured_labels`` all labelled rows that the present champion served.
    """

    at: datetime
    champion: Version = Version("")
    known_good: Version = Version("")
    fallback: Version = Version("")
    on_fallback: bool = False
    fresh_labels: int = 0
    matured_labels: int = 0


@dataclass(frozen=True, slots=True)
class ModelState:
    """``champion_since`` and ``previous`` follow the registry; ``promoted_by`` is a run id when it was us. ``reference``
    is the digest of what took the place of the champion's own reference, "" while nothing did."""

    name: ModelName
    health: Health = Health.UNKNOWN
    health_since: datetime | None = None
    champion: Version = Version("")
    champion_since: datetime | None = None
    previous: Version = Version("")
    promoted_by: str = ""
    facts: Facts | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One possible cause with a weight in [0, 1] (a ranking, not a probability) and why."""

    cause: Cause
    weight: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Attempt:
    """One rung that was tried in an incident and how it ended; ``runs`` has one run per affected model.

    ``on_recovery`` and ``verify`` are pinned from the policy as it was when the attempt began. A ``recovery`` attempt
    is the way back from a stand-in. ``not_yet``: it declined for want of rows before anything was touched, so the same
    rung may be tried again.
    """

    rung: int
    policy: str
    runbook: str
    runs: tuple[RunId, ...]
    at: datetime
    outcome: Literal["running", "mitigated", "healed", "not_healed", "failed", "skipped", "not_yet"] = (
        "running"
    )
    detail: str = ""
    on_recovery: str = ""
    verify: VerifySpec = field(default_factory=VerifySpec)
    recovery: bool = False


@dataclass(frozen=True, slots=True)
class Incident:
    """Everything that belongs together about one target, from first symptom to verified recovery.

    ``models`` are those affected (one for a model's own incident, all that share the feed for an upstream one).
    ``deadline`` ends the present verification; ``needs_person`` forbids any further automatic step.
    """

    id: IncidentId
    target: Target
    models: tuple[ModelName, ...]
    state: IncidentState
    opened_at: datetime
    started_at: datetime
    alarms: tuple[AlarmKey, ...]
    severity: Severity
    causes: tuple[Hypothesis, ...] = ()
    policy: str = ""
    attempts: tuple[Attempt, ...] = ()
    acted_at: datetime | None = None
    deadline: datetime | None = None
    verify: VerifySpec | None = None
    verified: bool = False
    closed_at: datetime | None = None
    escalated_at: datetime | None = None
    needs_person: bool = False
    outcome: str = ""
    decision: DecisionId | None = None

    @property
    def cause(self) -> Cause:
        return self.causes[0].cause if self.causes else Cause.UNKNOWN

    @property
    def open(self) -> bool:
        return self.state is not IncidentState.CLOSED


@dataclass(frozen=True, slots=True)
class Decision:
    """What was chosen, or that nothing was, with the reasons for every candidate.

    ``verdict``: ``act`` starts runs; ``ask`` asks first; ``would`` is what shadow mode would have done; ``blocked``
    names a guard (``until`` when it is known to lift); ``wait`` a rung not ripe yet; ``nothing`` no policy applies;
    ``exhausted`` no rung is left.
    """

    id: DecisionId
    incident: IncidentId
    at: datetime
    verdict: Literal["act", "ask", "would", "blocked", "wait", "nothing", "exhausted"]
    policy: str
    rung: int | None
    runbook: str
    reason: Reason
    until: datetime | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """The state of one step of a run; ``outputs`` feed later steps' templates."""

    id: str
    state: StepState = StepState.WAITS
    attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    retry_at: datetime | None = None
    outputs: Mapping[str, object] = field(default_factory=dict)
    error: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a runbook for one model; the definition is pinned inside."""

    id: RunId
    incident: IncidentId | None
    model: ModelName
    policy: str
    rung: int | None
    runbook: RunbookSpec
    inputs: Mapping[str, object]
    started_at: datetime
    state: RunState = RunState.RUNNING
    steps: tuple[Step, ...] = ()
    ended_at: datetime | None = None
    note: str = ""
    recovery: bool = False
    on_recovery: str = ""
    verify: VerifySpec = field(default_factory=VerifySpec)
    actor: str = ""
    cancelled: bool = False

    def step(self, step_id: str) -> Step:
        return next(s for s in self.steps if s.id == step_id)

    def key(self, step_id: str) -> StepKey:
        return StepKey(f"{self.id}/{step_id}")


@dataclass(frozen=True, slots=True)
class Approval:
    """A question to people; bound by ``plan_hash`` to exactly what was shown."""

    id: ApprovalId
    incident: IncidentId
    decision: DecisionId
    policy: str
    rung: int
    runbook: str
    models: tuple[ModelName, ...]
    plan_hash: str
    asked_at: datetime
    expires_at: datetime
    otherwise: Literal["skip", "proceed"]
    ask: tuple[str, ...] = ()
    state: Literal["open", "given", "refused", "expired", "withdrawn"] = "open"
    actor: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A person's wish to run a runbook, until it starts."""

    runbook: str
    model: ModelName
    inputs: Mapping[str, object]
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """``scope`` is ``fleet`` or a model's name; while paused, autoheal decides and does not act."""

    scope: str
    actor: str
    reason: str
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Alarms whose ``target`` and ``path`` match the globs open no incident until ``until``."""

    id: str
    target: str
    path: str
    actor: str
    reason: str
    since: datetime
    until: datetime
