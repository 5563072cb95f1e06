"""What goes over the wire, in both directions: the only part of ``api`` that the client, CLI and dashboard import.

Types are frozen dataclasses over the domain (answers) and small pydantic models (requests); this module does no I/O.
The adapters that turn them into JSON take 50 ms to build, so each is built when it is first used. Everything inside
one ``WIRE_VERSION`` can be read by everybody who speaks it; another number is refused with a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Annotated, Literal

import orjson
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from autoheal.domain.events import Entry
from autoheal.domain.finding import Finding
from autoheal.domain.label_state import ModelLabels
from autoheal.domain.past import Facts, Samples, Skew
from autoheal.domain.records import Alarm, Approval, Decision, Incident, ModelState, Run
from autoheal.domain.source_health import SourceHealth
from autoheal.domain.world import World
from autoheal.errors import DoorError

#: Raised whenever an older reader could misunderstand an answer.
WIRE_VERSION = 1

#: One point of a metric's history; None is a gap, which is never zero.
Point = tuple[datetime, float | None]
#: model -> metric -> points, oldest first.
Series = Mapping[str, Mapping[str, tuple[Point, ...]]]


# --- answers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a reader needs to draw everything: the world after ``seq``, and the events from there on follow it.

    ``now`` is the daemon's clock (which may be history's), ``version`` the daemon's, ``sources`` how telemetry comes in.
    """

    version: str
    name: str
    seq: int
    now: datetime
    mode: str
    readonly: bool
    world: World
    series: Series = field(default_factory=dict)
    wire: int = WIRE_VERSION
    sources: tuple[SourceHealth, ...] = ()


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The daemon lives: its time and the head of its log."""

    heartbeat: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The daemon ends this stream on purpose, ``end`` says why; resume after ``seq``."""

    end: str
    seq: int


Line = Entry | Heartbeat | Ended


@dataclass(frozen=True, slots=True)
class Why:
    """Why something was or was not done: an incident with all its decisions, or a model without one.

    Decisions, runs and approvals are in the order of their making; ``findings`` and ``alarms`` are those the subject
    stands on (the incident's alarms, or everything known about the model).
    """

    subject: str
    now: datetime
    incident: Incident | None
    models: tuple[ModelState, ...]
    decisions: tuple[Decision, ...]
    runs: tuple[Run, ...]
    approvals: tuple[Approval, ...]
    alarms: tuple[Alarm, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A command became the event ``seq``; ``run`` is the run it started, if it started one."""

    seq: int
    run: str = ""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The configuration was read again; with ``problems`` the last good set stays in force."""

    ok: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Defect:
    """What is wrong with one field of a request."""

    field: str
    error: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The body of every 4xx and 5xx: one sentence, and the defects where there are several."""

    error: str
    problems: tuple[Defect, ...] = ()


# --- requests ----------------------------------------------------------------------------------------------------

Name = Annotated[str, Field(min_length=1, max_length=200)]
Sentence = Annotated[str, Field(min_length=1, max_length=1000)]
Remark = Annotated[str, Field(max_length=1000)]


class Request(BaseModel):
    """Base of the bodies: unknown fields are refused, because a misspelt one would be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ApprovalAnswer(Request):
    """``plan_hash`` must be the one that the person was shown."""

    answer: Literal["given", "refused"]
    plan_hash: Name
    note: Remark = ""


class PauseRequest(Request):
    """``scope`` is ``fleet`` or a model's name; without ``until`` it holds until it is lifted."""

    scope: Name = "fleet"
    reason: Sentence
    until: AwareDatetime | None = None


class ResumeRequest(Request):
    scope: Name = "fleet"


class SilenceRequest(Request):
    """``target`` and ``path`` are globs over alarms (``bike-*``, ``data_drift/*``)."""

    target: Name
    path: Name = "*"
    reason: Sentence
    until: AwareDatetime


class RunRequest(Request):
    """Start a runbook by hand for one model."""

    runbook: Name
    model: Name
    inputs: Annotated[dict[str, object], Field(max_length=50)] = Field(default_factory=dict)

    @field_validator("inputs")
    @classmethod
    def plain(cls, value: dict[str, object]) -> dict[str, object]:
        """Only what the log can hold: finite numbers of 64 bits, valid text, JSON's own shapes."""
        if not _finite(value):
            raise ValueError("numbers must be finite")
        try:
            orjson.dumps(value)
        except TypeError as problem:
            raise ValueError(str(problem)) from problem
        return value


class NoteRequest(Request):
    """A remark that goes into the log with the command."""

    note: Remark = ""


def _finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(_finite(v) for v in value.values())
    return all(_finite(v) for v in value) if isinstance(value, list) else True


# --- JSON, and back ----------------------------------------------------------------------------------------------


@cache
def entry_adapter() -> TypeAdapter[Entry]:
    return TypeAdapter(Entry)


@cache
def world_adapter() -> TypeAdapter[World]:
    return TypeAdapter(World)


@cache
def snapshot_adapter() -> TypeAdapter[Snapshot]:
    return TypeAdapter(Snapshot)


@cache
def series_adapter() -> TypeAdapter[Series]:
    return TypeAdapter(Series)


@cache
def sources_adapter() -> TypeAdapter[list[SourceHealth]]:
    return TypeAdapter(list[SourceHealth])


@cache
def labels_adapter() -> TypeAdapter[list[ModelLabels]]:
    return TypeAdapter(list[ModelLabels])


@cache
def samples_adapter() -> TypeAdapter[Samples]:
    return TypeAdapter(Samples)


@cache
def facts_adapter() -> TypeAdapter[Facts]:
    return TypeAdapter(Facts)


@cache
def incidents_adapter() -> TypeAdapter[list[Incident]]:
    return TypeAdapter(list[Incident])


@cache
def why_adapter() -> TypeAdapter[Why]:
    return TypeAdapter(Why)


@cache
def line_adapter() -> TypeAdapter[Line]:
    return TypeAdapter(Line)


def decode_snapshot(body: bytes) -> Snapshot:
    """The snapshot in ``body``; DoorError says when it speaks another wire version or is damaged."""
    try:
        snapshot = snapshot_adapter().validate_json(body)
    except ValidationError as problem:
        raise _unreadable(body, problem) from problem
    if snapshot.wire != WIRE_VERSION:
        raise _unreadable(body, None)
    return snapshot


def decode_line(line: bytes) -> Line:
    """One line of the event stream."""
    try:
        return line_adapter().validate_json(line)
    except ValidationError as problem:
        raise DoorError(
            "the daemon sent an event that this version does not know; upgrade this client"
        ) from problem


def _unreadable(body: bytes, problem: ValidationError | None) -> DoorError:
    try:
        head = orjson.loads(body)
    except orjson.JSONDecodeError:
        head = None
    theirs = head.get("wire") if isinstance(head, dict) else None
    if theirs is not None and theirs != WIRE_VERSION:
        version = head.get("version", "?") if isinstance(head, dict) else "?"
        return DoorError(
            f"the daemon (autoheal {version}) speaks wire version {theirs}, this client {WIRE_VERSION}: "
            "use the client of the daemon's release"
        )
    first = "" if problem is None else f": {problem.errors()[0]['msg']}"
    return DoorError(f"the daemon's snapshot cannot be read{first}")


# --- selections of the world that both sides need ----------------------------------------------------------------


def why_of(world: World, subject: str, now: datetime) -> Why | None:
    """The reasons about an incident (by id) or a model (by name: its open or else newest incident, or none)."""
    incident = next((i for k, i in world.incidents.items() if k == subject), None) or newest_incident(
        world, subject
    )
    names = incident.models if incident else tuple(n for n in world.models if n == subject)
    if incident is None and not names:
        return None
    keys = set(incident.alarms) if incident else {k for k, f in world.findings.items() if f.target == subject}
    return Why(
        subject=subject,
        now=now,
        incident=incident,
        models=tuple(world.models[n] for n in names if n in world.models),
        decisions=tuple(d for d in world.decisions.values() if incident and d.incident == incident.id),
        runs=tuple(r for r in world.runs.values() if incident and r.incident == incident.id),
        approvals=tuple(a for a in world.approvals.values() if incident and a.incident == incident.id),
        alarms=tuple(a for k, a in world.alarms.items() if k in keys),
        findings=tuple(f for k, f in world.findings.items() if k in keys),
    )


def newest_incident(world: World, target: str) -> Incident | None:
    """The incident to look at first for a model or upstream: an open one, else the one opened last."""
    mine = [i for i in world.incidents.values() if target == i.target or target in i.models]
    return max(mine, key=lambda i: (i.open, i.opened_at), default=None)


@cache
def skew_adapter() -> TypeAdapter[Skew]:
    return TypeAdapter(Skew)
