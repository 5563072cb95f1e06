"""What operators write, after it was checked: models, policies, runbooks, guards. Pure, frozen.

Loaders (``policy``, ``runbook``) turn YAML into these; the engine reads nothing else. Every part carries the
``Position`` it was written at, so that each reason can point to it. All durations are ``timedelta``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from autoheal.domain.names import Cause, Mode, ModelName, OnNoData, Severity, Task
from autoheal.domain.reason import NOWHERE, Position

Scalar = str | int | float | bool | None
#: What stands in a table for a number, label or name that is not there. A category may be called so: `NA` is Namibia.
NOTHING = frozenset({"", "NA", "NaN", "nan", "null", "None"})


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One input column; ``upstream`` names the shared feed it comes from, if any. Raw values of a ``sensitive`` one are
    never shown or exported, only sums of them."""

    name: str
    kind: Literal["numeric", "categorical"]
    upstream: str = ""
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class SliceSpec:
    """A column by which rows are told apart: a category by its ``levels`` (none given: the ``most`` frequent ones of the
    reference, else the first to come), a number by increasing edges ``bins``, upper ends included."""

    feature: str
    bins: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    most: int = 10
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class MonitorSpec:
    """One monitor of a model; ``options`` were checked against the monitor's own schema at load.

    ``hold`` is how long a breach must last before its alarm fires, ``clear`` how long it must be gone before the
    alarm resolves.
    """

    kind: str
    options: Mapping[str, object] = field(default_factory=dict)
    every: timedelta = timedelta(minutes=1)
    hold: timedelta = timedelta(0)
    clear: timedelta = timedelta(minutes=5)
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One deployed model: who owns it, what it takes and gives, how it is watched and retrained."""

    name: ModelName
    task: Task
    owner: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    features: tuple[FeatureSpec, ...] = ()
    monitors: tuple[MonitorSpec, ...] = ()
    pipeline: str = ""
    fallback: str = ""
    label_lag: timedelta = timedelta(0)
    position: Position = NOWHERE
    slices: tuple[SliceSpec, ...] = ()

    @property
    def upstreams(self) -> tuple[str, ...]:
        return tuple(sorted({f.upstream for f in self.features if f.upstream}))

    def feature(self, name: str) -> FeatureSpec | None:
        return next((f for f in self.features if f.name == name), None)


@dataclass(frozen=True, slots=True)
class Selector:
    """Which models: any of the glob patterns *and* all of the labels. Nothing named selects nothing."""

    models: tuple[str, ...] = ()
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class Bound:
    """A comparison with a number, as written: ``">= 2000"``."""

    op: Literal[">=", ">", "<=", "<", "==", "!="]
    value: float

    def __str__(self) -> str:
        return f"{self.op} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of ``when`` or ``unless``. Exactly one of alarm, finding, health, expr is set.

    ``alarm`` and ``finding`` are glob patterns over ``monitor/subject``. ``held`` is the ``for:`` of the line.
    """

    alarm: str = ""
    severity: Severity = Severity.WARNING
    finding: str = ""
    field: Literal["value", "effect", "n"] = "value"
    bound: Bound | None = None
    health: tuple[str, ...] = ()
    expr: str = ""
    held: timedelta = timedelta(0)
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class RungCondition:
    """When a rung applies. None or empty means: not asked."""

    cause: tuple[Cause, ...] = ()
    known_good_exists: bool | None = None
    fallback_exists: bool | None = None
    pipeline_exists: bool | None = None
    fresh_labels: Bound | None = None
    expr: str = ""
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder. ``on_recovery`` runs when the symptom has gone behind a stand-in (fallback -> restore).

    ``wait`` bounds how long the rung may be waited for when its ``if`` is not *yet* true (labels still coming).
    """

    runbook: str
    when: RungCondition = field(default_factory=RungCondition)
    inputs: Mapping[str, object] = field(default_factory=dict)
    on_recovery: str = ""
    wait: timedelta = timedelta(0)
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class VerifySpec:
    """Healed means: the incident's alarms gone for ``healthy_for``, on at least ``matured_labels`` labels that came
    after the action, within ``within``."""

    healthy_for: timedelta = timedelta(minutes=10)
    within: timedelta = timedelta(hours=1)
    matured_labels: int = 0
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class Limit:
    actions: int
    per: timedelta


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """When a person is asked, whom, for how long, and what happens when nobody answers."""

    labels: Mapping[str, str] = field(default_factory=dict)
    runbooks: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    expires: timedelta = timedelta(minutes=15)
    otherwise: Literal["skip", "proceed"] = "skip"
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class PolicyGuards:
    cooldown: timedelta = timedelta(minutes=30)
    limit: Limit | None = None
    budget: Mapping[str, float] = field(default_factory=dict)
    budget_per: timedelta = timedelta(days=7)
    approval: ApprovalRule | None = None
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class PolicySpec:
    name: str
    match: Selector
    when: tuple[Condition, ...]
    ladder: tuple[Rung, ...]
    owner: str = ""
    mode: Mode = Mode.ACT
    priority: int = 0
    unless: tuple[Condition, ...] = ()
    on_no_data: OnNoData = OnNoData.HOLD
    causes: tuple[Cause, ...] = ()
    verify: VerifySpec = field(default_factory=VerifySpec)
    guards: PolicyGuards = field(default_factory=PolicyGuards)
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class Retry:
    attempts: int = 1
    backoff: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class StepSpec:
    id: str
    action: str
    params: Mapping[str, object] = field(default_factory=dict)
    timeout: timedelta = timedelta(minutes=5)
    retry: Retry = field(default_factory=Retry)
    on_failure: Literal["stop", "continue"] = "stop"
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class RunbookSpec:
    """A remedy; ``cost`` is what one run takes of each budget (``gpu_hours: 2``), ``digest`` is the sha256 of its source text, so that a run can say which edition it pinned."""

    name: str
    steps: tuple[StepSpec, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    position: Position = NOWHERE
    cost: Mapping[str, float] = field(default_factory=dict)

    def step(self, step_id: str) -> StepSpec:
        return next(s for s in self.steps if s.id == step_id)


@dataclass(frozen=True, slots=True)
class Freeze:
    """A calendar window in which nothing acts: cron-like days and hours in an IANA zone."""

    name: str
    zone: str
    days: tuple[str, ...] = ()
    start: str = "00:00"
    end: str = "24:00"
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """How often the whole fleet may alarm for nothing, and who may spend how much of that.

    ``notify`` and ``act`` are mean times between false alarms of each level. ``models`` (glob patterns, the first that
    fits) and else ``tiers`` (of the label ``tier``) weigh the models against each other, 1 where nothing is said;
    ``monitors`` weighs the kinds within a model. More weight means trouble is noticed sooner, and more of the false
    alarms.
    """

    notify: timedelta = timedelta(days=14)
    act: timedelta = timedelta(days=365)
    tiers: Mapping[str, float] = field(default_factory=dict)
    models: Mapping[str, float] = field(default_factory=dict)
    monitors: Mapping[str, float] = field(default_factory=dict)
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class FleetGuards:
    """Guards over the whole fleet: do less when much is wrong."""

    max_under_repair: int = 0
    max_share: float = 1.0
    storm_incidents: int = 10
    storm_within: timedelta = timedelta(minutes=10)
    storm_cooldown: timedelta = timedelta(minutes=30)
    warm_up: timedelta = timedelta(minutes=2)
    breaker_failures: int = 3
    breaker_within: timedelta = timedelta(days=1)
    flapping: int = 6
    flapping_within: timedelta = timedelta(days=1)
    retrain_gap: timedelta = timedelta(days=1)
    release_window: timedelta = timedelta(days=7)
    freezes: tuple[Freeze, ...] = ()
    position: Position = NOWHERE
    false_alarms: FalseAlarms = field(default_factory=FalseAlarms)


@dataclass(frozen=True, slots=True)
class Config:
    """One good set of everything; ``digest`` is over the source texts in order of their names, ``mode`` the ceiling
    for every policy's own mode."""

    digest: str = ""
    mode: Mode = Mode.ACT
    models: Mapping[ModelName, ModelSpec] = field(default_factory=dict)
    policies: tuple[PolicySpec, ...] = ()
    runbooks: Mapping[str, RunbookSpec] = field(default_factory=dict)
    guards: FleetGuards = field(default_factory=FleetGuards)
