"""Watches the registry and the gateway: who is champion, what is known good, who answers. Reports facts, decides
nothing.

One look a model: ``ChampionObserved`` when the pointer moved (by us, by CI, by hand), ``ReferenceObserved`` when the
champion is compared with something else, ``FactsObserved`` when what the ladder may count on changed, and a mark in the
registry when a champion has served healthy for long enough. Called by ``rounds`` before the monitors, so that findings
are about the champion of the moment. The surprising part: looks come every second for thousands of models, so ``glance``
asks which files changed, the others are not read again; and labels are counted anew when monitors would look again, or
later where counting is dear, and while an incident of the model is open at every look.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from autoheal.actions.targets.champion import Champion
from autoheal.actions.targets.gateway import GatewayClient, Route
from autoheal.actions.targets.references import Anchored
from autoheal.actions.targets.registry import Registry, Stamp
from autoheal.clock import Clock
from autoheal.daemon.news import facts_are_news, label_floor
from autoheal.domain.events import ChampionObserved, Event, FactsObserved, ReferenceObserved
from autoheal.domain.names import Health, ModelName, Target, Verdict, Version, alarm_key
from autoheal.domain.records import Facts, ModelState
from autoheal.domain.specs import ModelSpec
from autoheal.domain.world import World
from autoheal.errors import ActionError
from autoheal.monitors.scores import METRICS
from autoheal.telemetry.service import Telemetry

#: Real seconds for which the gateway's routes are believed.
ROUTES_LAST = 0.5
#: Of one core, what counting the labels of healthy models may take: a model with 200,000 takes tens of milliseconds.
COUNT_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Registered:
    """What the registry says about a model with a champion."""

    champion: Champion
    anchor: Anchored | None
    known_good: str
    trained_to: datetime | None
    fallback: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Labels counted at ``at``, of this champion, since this floor, in so many seconds of CPU."""

    at: datetime
    champion: Champion
    floor: datetime | None
    fresh: int
    matured: int
    cost: float


@dataclass(slots=True)
class Watch:
    """``look`` is called for one model at a time. ``spent``: CPU seconds of the calling thread."""

    clock: Clock
    registry: Registry
    gateway: GatewayClient | None
    telemetry: Telemetry
    good_after: timedelta
    spent: Callable[[], float] = time.thread_time
    _routes: dict[str, Route] | None = None
    _asked: float = float("-inf")
    _marked: set[tuple[str, str, datetime]] = field(default_factory=set)
    _stamps: dict[ModelName, Stamp] = field(default_factory=dict)
    _known: dict[ModelName, tuple[Stamp, str, Registered | None]] = field(default_factory=dict)
    _counts: dict[ModelName, Counted] = field(default_factory=dict)

    async def glance(self, models: Iterable[ModelName]) -> None:
        """See which of these models changed in the registry; the others are looked at from memory until the next glance."""
        self._stamps = await asyncio.to_thread(self._stamped, tuple(models))

    async def look(self, world: World, spec: ModelSpec) -> tuple[Event, ...]:
        """What is new about this model. Raises ActionError when the registry cannot be read."""
        seen = await self._registered(spec)
        if seen is None:
            return ()
        champion, state = seen.champion, world.models.get(spec.name) or ModelState(spec.name)
        events: list[Event] = []
        if (state.champion, state.champion_since) != (champion.version, champion.since):
            events.append(_observed(spec.name, champion))
        known = state.reference if state.champion == champion.version else ""
        events += _compared(spec.name, seen, known)
        concerned = any(i.open and spec.name in i.models for i in world.incidents.values())
        facts = await self._facts(world, spec, seen, concerned=concerned)
        if facts_are_news(facts, state.facts, concerned=concerned):
            events.append(FactsObserved(spec.name, facts))
        if _proved(world, spec, champion.version):
            await self._mark_good(state, champion, facts)
        return tuple(events)

    def _stamped(self, models: Sequence[ModelName]) -> dict[ModelName, Stamp]:
        """Without those that cannot be looked at: reading them says why."""
        found: dict[ModelName, Stamp] = {}
        for name in models:
            with contextlib.suppress(ActionError):
                found[name] = self.registry.stamp(name)
        return found

    async def _registered(self, spec: ModelSpec) -> Registered | None:
        stamp, held = self._stamps.get(spec.name), self._known.get(spec.name)
        if stamp is not None and held is not None and held[:2] == (stamp, spec.fallback):
            return held[2]
        seen = await asyncio.to_thread(self._read, spec)
        if stamp is not None:
            self._known[spec.name] = (stamp, spec.fallback, seen)
        return seen

    def _read(self, spec: ModelSpec) -> Registered | None:
        registry, model = self.registry, spec.name
        champion = registry.champion(model)
        if champion is None:
            return None
        anchors = registry.anchors(model, champion.version)
        return Registered(
            champion=champion,
            anchor=anchors[-1] if anchors else None,
            known_good=registry.known_good(model, champion.version) or "",
            trained_to=registry.info(model, champion.version).lineage.data_to,
            fallback=spec.fallback if spec.fallback and registry.has(model, spec.fallback) else "",
        )

    async def _facts(self, world: World, spec: ModelSpec, seen: Registered, *, concerned: bool) -> Facts:
        now, floor = self.clock.now(), label_floor(world, spec.name, seen.trained_to)
        counted = self._counts.get(spec.name)
        about = (seen.champion, floor)
        if (
            counted is None
            or concerned
            or about != (counted.champion, counted.floor)
            or self._due(counted, spec)
        ):
            counted = await asyncio.to_thread(self._count, spec.name, seen.champion, floor, now)
            self._counts[spec.name] = counted
        return Facts(
            at=now,
            champion=Version(seen.champion.version),
            known_good=Version(seen.known_good),
            fallback=Version(seen.fallback),
            on_fallback=await self._on_fallback(spec.name),
            fresh_labels=counted.fresh,
            matured_labels=counted.matured,
        )

    def _count(self, model: ModelName, champion: Champion, floor: datetime | None, now: datetime) -> Counted:
        began = self.spent()
        matured = partial(self.telemetry.matured, model, now=now)
        fresh, earned = matured(since=floor), matured(since=champion.since, version=Version(champion.version))
        return Counted(now, champion, floor, fresh, earned, self.spent() - began)

    def _due(self, counted: Counted, spec: ModelSpec) -> bool:
        """Whether labels are to be counted again: when the monitors look again, and not so often that all models' counting
        takes more than its share."""
        every = min((m.every for m in spec.monitors), default=timedelta(minutes=1))
        dear = timedelta(seconds=counted.cost * len(self._counts) / COUNT_SHARE)
        return not counted.at <= self.clock.now() < counted.at + max(every, dear)

    async def _on_fallback(self, model: ModelName) -> bool:
        """As far as the gateway says; one that is away leaves the last answer standing."""
        if self.gateway is None:
            return False
        if self.clock.monotonic() - self._asked > ROUTES_LAST:
            self._asked = self.clock.monotonic()
            try:
                self._routes = await self.gateway.routes()
            except ActionError:
                self._routes = self._routes or {}
        route = (self._routes or {}).get(model)
        return route.on_fallback if route else False

    async def _mark_good(self, state: ModelState, champion: Champion, facts: Facts) -> None:
        """A champion that has been healthy for the stated time is one to come back to."""
        if state.health is not Health.HEALTHY or state.health_since is None or facts.on_fallback:
            return
        healthy_for = self.clock.now() - max(state.health_since, champion.since)
        mark = (state.name, champion.version, champion.since)
        if healthy_for >= self.good_after and mark not in self._marked:
            await asyncio.to_thread(self.registry.mark_good, state.name, champion.version, self.clock.now())
            self._marked.add(mark)


def _compared(model: ModelName, seen: Registered, known: str) -> tuple[Event, ...]:
    """Whether the champion is compared with something else than is known."""
    version, anchor = Version(seen.champion.version), seen.anchor
    if anchor is None:
        return (ReferenceObserved(model, version, ""),) if known else ()
    if anchor.digest == known:
        return ()
    return (ReferenceObserved(model, version, anchor.digest, anchor.how, anchor.by, anchor.detail),)


def _observed(model: ModelName, champion: Champion) -> ChampionObserved:
    return ChampionObserved(
        model=model,
        version=Version(champion.version),
        previous=Version(champion.previous),
        since=champion.since,
        by=champion.by,
    )


def _proved(world: World, spec: ModelSpec, version: str) -> bool:
    """Whether some performance finding speaks *for* this very version; a model without that monitor needs none."""
    if all(m.kind != "performance" for m in spec.monitors):
        return True
    keys = (alarm_key(Target(spec.name), "performance", metric) for metric in METRICS[spec.task])
    found = (world.findings[key] for key in keys if key in world.findings)
    return any(f.version == version and f.verdict is Verdict.OK and f.n for f in found)
