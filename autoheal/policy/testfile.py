"""``*.test.yaml`` beside a policy: what the world does, and what autoheal must make of it. Pure.

``testfile_build.parse_test`` gives a ``PolicyTest``, which ``replay`` plays through the engine on a virtual clock; nothing here runs.
All times are absolute (``start`` plus what the file says), findings are ready to be observed, and everything carries
its position, so that a failed expectation points to its line. Findings have no version: the player fills in the
champion of their time. Releases and facts are those from *outside*; what a run brings about is the player's affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from autoheal.domain.finding import Finding
from autoheal.domain.names import Cause, Health, IncidentState, Mode, ModelName, RunState, Severity, Version
from autoheal.domain.reason import NOWHERE, Position
from autoheal.domain.specs import ModelSpec


@dataclass(frozen=True, slots=True)
class Release:
    """Somebody else than autoheal makes ``version`` the champion."""

    at: datetime
    model: ModelName
    version: Version
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class FactChange:
    """From ``at`` on these fields of ``domain.records.Facts`` have these values; the others stay as they were."""

    at: datetime
    model: ModelName
    values: Mapping[str, str | bool | int]
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class Ending:
    """How one execution of an action ends: after ``takes``, with ``outputs``, or with ``error``."""

    outputs: Mapping[str, object] = field(default_factory=dict)
    error: str = ""
    retryable: bool = False
    takes: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """A person answers the questions that are open then (about ``runbook``, if one is named)."""

    at: datetime
    answer: Literal["given", "refused"]
    by: str
    note: str = ""
    runbook: str = ""


@dataclass(frozen=True, slots=True)
class PauseScript:
    """Somebody pauses ``fleet`` or a model; ``until`` None means to the end of the test."""

    at: datetime
    scope: str
    by: str
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class IncidentExpected:
    """What the newest incident of the target is like; None or empty is not asked. ``outcome`` is a part of its
    outcome's text; ``models`` are asked as a set."""

    state: IncidentState | None = None
    cause: Cause | None = None
    target: str = ""
    models: tuple[str, ...] | None = None
    severity: Severity | None = None
    outcome: str = ""
    verified: bool | None = None


@dataclass(frozen=True, slots=True)
class RunExpected:
    """Some run, started by then, that is like this; None or empty is not asked."""

    runbook: str = ""
    policy: str = ""
    model: str = ""
    state: RunState | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be true at ``at``, after everything of that moment has happened. None or empty is not asked.

    ``target`` is whose incident, decision and health are meant: the only model where the file names none, else empty
    (any). ``no_incident``: none was opened for the target until then. ``run`` asks for a run that was started by
    then, ``no_run`` that none like it was, ever. ``policy``, ``rung`` (from 0, as in ``domain``; from 1 in YAML) and
    ``decision`` are those of the newest decision about the newest incident; ``suppressed_by`` is a part of the label
    or detail of a reason in it that does not hold: a guard's name, or a policy's.
    """

    at: datetime
    target: str = ""
    no_incident: bool = False
    incident: IncidentExpected | None = None
    run: RunExpected | None = None
    no_run: RunExpected | None = None
    policy: str = ""
    rung: int | None = None
    decision: str = ""
    suppressed_by: str = ""
    health: Health | None = None
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """One file. ``policies`` are those in force (empty: all that stand beside the file). ``findings`` and all other
    tuples are in the order of time. ``actions``: the endings of an action's executions in order, the last one
    repeating; an action that is not named is done after a second, with no outputs."""

    name: str
    file: str
    start: datetime
    models: tuple[ModelSpec, ...]
    expect: tuple[Expectation, ...]
    mode: Mode = Mode.ACT
    policies: tuple[str, ...] = ()
    releases: tuple[Release, ...] = ()
    facts: tuple[FactChange, ...] = ()
    findings: tuple[Finding, ...] = ()
    actions: Mapping[str, tuple[Ending, ...]] = field(default_factory=dict)
    answers: tuple[Answer, ...] = ()
    pauses: tuple[PauseScript, ...] = ()
    position: Position = NOWHERE

    @property
    def until(self) -> datetime:
        """The last moment that anything is expected of."""
        return max(e.at for e in self.expect)
