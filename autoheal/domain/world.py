"""The world: all that autoheal knows, rebuilt from the log. Pure, frozen; mappings are replaced, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from autoheal.domain.finding import Finding
from autoheal.domain.names import AlarmKey, ApprovalId, DecisionId, IncidentId, ModelName, RunId
from autoheal.domain.records import (
    Alarm,
    Approval,
    Decision,
    Incident,
    ModelState,
    Pause,
    Request,
    Run,
    Silence,
)
from autoheal.domain.specs import Config


@dataclass(frozen=True, slots=True)
class TaskView:
    """A supervised task as the dashboard shows it."""

    name: str
    state: str
    since: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Counters:
    """The next number of each kind: ids come from these, never from chance."""

    incident: int = 1
    decision: int = 1
    run: int = 1
    approval: int = 1


@dataclass(frozen=True, slots=True)
class World:
    """``seq`` and ``at`` are those of the last applied entry. Closed incidents and ended runs stay for a while
    (``engine.retention``), decisions are kept per incident, the newest last. ``newest`` is the key of the
    finding that came last."""

    seq: int = 0
    at: datetime | None = None
    config: Config = field(default_factory=Config)
    config_problems: tuple[str, ...] = ()
    daemon_version: str = ""
    started_at: datetime | None = None
    warm_until: datetime | None = None
    models: Mapping[ModelName, ModelState] = field(default_factory=dict)
    findings: Mapping[AlarmKey, Finding] = field(default_factory=dict)
    newest: AlarmKey | None = None
    alarms: Mapping[AlarmKey, Alarm] = field(default_factory=dict)
    incidents: Mapping[IncidentId, Incident] = field(default_factory=dict)
    decisions: Mapping[DecisionId, Decision] = field(default_factory=dict)
    runs: Mapping[RunId, Run] = field(default_factory=dict)
    approvals: Mapping[ApprovalId, Approval] = field(default_factory=dict)
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    silences: Mapping[str, Silence] = field(default_factory=dict)
    tasks: Mapping[str, TaskView] = field(default_factory=dict)
    held: Mapping[str, datetime] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    counters: Counters = field(default_factory=Counters)
