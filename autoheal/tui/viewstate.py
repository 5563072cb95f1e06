"""From what the client knows to what screens need: one frame at one moment. Pure; the only state there is.

``advance`` takes the client's newest state in, ``frame`` freezes it at a moment with the link judged, the daemon's
time worked out and the world indexed by target (once per snapshot, for a fleet may have a thousand models).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Literal

from autoheal.api.wire import Point, Snapshot
from autoheal.client.state import ClientState, Link, is_stale
from autoheal.domain.events import Entry, FindingObserved
from autoheal.domain.finding import Finding
from autoheal.domain.names import AlarmKey, AlarmState, RunState
from autoheal.domain.records import Alarm, Approval, Incident, Run
from autoheal.domain.world import World
from autoheal.tui.timebase import Timebase

Times = Literal["utc", "local", "relative"]
TIMES: tuple[Times, ...] = ("utc", "local", "relative")
LinkWord = Literal["connecting", "live", "stale", "retrying"]


@dataclass(frozen=True, slots=True)
class LinkView:
    """How the link does, ready to be said: seconds since the last sign of life, seconds to the next try."""

    word: LinkWord = "connecting"
    silent: float = 0.0
    retry_in: float = 0.0
    attempt: int = 0
    detail: str = ""

    @property
    def fresh(self) -> bool:
        return self.word == "live"


@dataclass(frozen=True, slots=True)
class Index:
    """The world by target. ``incident`` is the open one, else the newest; ``run`` the running one, else the newest."""

    findings: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    alarms: Mapping[str, tuple[Alarm, ...]] = field(default_factory=dict)
    incident: Mapping[str, Incident] = field(default_factory=dict)
    run: Mapping[str, Run] = field(default_factory=dict)
    approval: Mapping[str, Approval] = field(default_factory=dict)


#: What the tail of events tells about findings: their values over time, by alarm key.
Heard = Mapping[AlarmKey, tuple[Point, ...]]


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything that is drawn is drawn from one of these."""

    snapshot: Snapshot | None = None
    tail: tuple[Entry, ...] = ()
    link: LinkView = LinkView()
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    wall: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    speed: float = 1.0
    times: Times = "utc"
    zone: tzinfo = UTC
    index: Index = Index()
    heard: Heard = field(default_factory=dict)

    @property
    def world(self) -> World:
        return self.snapshot.world if self.snapshot else _NOTHING

    @property
    def running(self) -> bool:
        """Does a run move? Then the screen may be painted twice a second."""
        return any(run.state is RunState.RUNNING for run in self.world.runs.values())


_NOTHING = World()


@dataclass(frozen=True, slots=True)
class ViewState:
    """``entries`` outlive a snapshot: they are the tail since this dashboard began."""

    client: ClientState = field(default_factory=ClientState)
    timebase: Timebase = field(default_factory=Timebase)
    index: Index = field(default_factory=Index)
    heard: Heard = field(default_factory=dict)
    times: Times = "utc"
    zone: tzinfo = UTC


def advance(state: ViewState, client: ClientState) -> ViewState:
    """Take the client's newest state in."""
    snapshot = client.snapshot
    if client.tail is not state.client.tail:
        state = replace(state, heard=_heard(client.tail))
    if snapshot is None or snapshot is state.client.snapshot:
        return replace(state, client=client)
    timebase = state.timebase.observed(snapshot.now, client.link.heard_at)
    return replace(state, client=client, timebase=timebase, index=index_of(snapshot.world))


def next_times(state: ViewState) -> ViewState:
    """UTC, local, relative, and UTC again."""
    at = (TIMES.index(state.times) + 1) % len(TIMES)
    return replace(state, times=TIMES[at])


def frame(state: ViewState, moment: float, wall: datetime) -> Frame:
    """What is to be drawn at real second ``moment``."""
    return Frame(
        snapshot=state.client.snapshot,
        tail=state.client.tail,
        link=link_view(state.client.link, moment),
        now=state.timebase.at(moment),
        wall=wall,
        speed=state.timebase.speed,
        times=state.times,
        zone=state.zone if state.times == "local" else UTC,
        index=state.index,
        heard=state.heard,
    )


def link_view(link: Link, moment: float) -> LinkView:
    silent = max(0.0, moment - link.heard_at) if link.heard_at else 0.0
    if link.state == "live":
        return LinkView("stale" if is_stale(link, moment) else "live", silent)
    if link.state == "retrying":
        return LinkView("retrying", silent, max(0.0, link.retry_at - moment), link.attempt, link.detail)
    return LinkView("connecting", silent, detail=link.detail)


def index_of(world: World) -> Index:
    findings: dict[str, list[Finding]] = defaultdict(list)
    for finding in world.findings.values():
        findings[finding.target].append(finding)
    alarms: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in world.alarms.values():
        if alarm.state in {AlarmState.PENDING, AlarmState.FIRING}:
            alarms[alarm.target].append(alarm)
    return Index(
        {target: tuple(found) for target, found in findings.items()},
        {target: tuple(found) for target, found in alarms.items()},
        _incidents(world),
        _runs(world),
        _approvals(world),
    )


def _incidents(world: World) -> dict[str, Incident]:
    """By id, by target and by model; the pressing ones overwrite the others."""
    found: dict[str, Incident] = {}
    for incident in sorted(world.incidents.values(), key=lambda i: (i.open, i.opened_at)):
        for target in (*incident.models, incident.target, incident.id):
            found[target] = incident
    return found


def _runs(world: World) -> dict[str, Run]:
    ordered = sorted(world.runs.values(), key=lambda r: (r.state is RunState.RUNNING, r.started_at))
    return {run.model: run for run in ordered}


def _approvals(world: World) -> dict[str, Approval]:
    return {model: a for a in world.approvals.values() if a.state == "open" for model in a.models}


def _heard(tail: tuple[Entry, ...]) -> Heard:
    points: dict[AlarmKey, list[Point]] = defaultdict(list)
    for entry in tail:
        if isinstance(entry.event, FindingObserved):
            finding = entry.event.finding
            points[finding.key].append((finding.at, finding.value))
    return {key: tuple(found) for key, found in points.items()}
