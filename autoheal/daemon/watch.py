"""Watches the registry and the gateway: who is champion, what is known good, who answers. Reports facts, decides
nothing.

One look a model: ``ChampionObserved`` when the pointer moved (by us, by CI, by hand), ``ReferenceObserved`` when the
champion is compared with something else, ``FactsObserved`` when what the
ladder may count on changed, and a mark in the registry when a champion has served healthy for long enough. Called by
``rounds`` before the monitors, so that findings are about the champion of the moment.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from autoheal.actions.targets.champion import Champion
from autoheal.actions.targets.gateway import GatewayClient, Route
from autoheal.actions.targets.registry import Registry
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


@dataclass(slots=True)
class Watch:
    """``look`` is called for one model at a time."""

    clock: Clock
    registry: Registry
    gateway: GatewayClient | None
    telemetry: Telemetry
    good_after: timedelta
    _routes: dict[str, Route] | None = None
    _asked: float = float("-inf")
    _marked: set[tuple[str, str, datetime]] = field(default_factory=set)

    async def look(self, world: World, spec: ModelSpec) -> tuple[Event, ...]:
        """What is new about this model. Raises ActionError when the registry cannot be read."""
        champion = await asyncio.to_thread(self.registry.champion, spec.name)
        if champion is None:
            return ()
        state = world.models.get(spec.name) or ModelState(spec.name)
        events: list[Event] = []
        if (state.champion, state.champion_since) != (champion.version, champion.since):
            events.append(_observed(spec.name, champion))
        known = state.reference if state.champion == champion.version else ""
        events += await asyncio.to_thread(self._reference, spec.name, champion.version, known)
        facts = await self._facts(world, spec, champion)
        concerned = any(i.open and spec.name in i.models for i in world.incidents.values())
        if facts_are_news(facts, state.facts, concerned=concerned):
            events.append(FactsObserved(spec.name, facts))
        if _proved(world, spec, champion.version):
            await self._mark_good(state, champion, facts)
        return tuple(events)

    def _reference(self, model: ModelName, version: str, known: str) -> tuple[Event, ...]:
        """Whether the champion is compared with something else than is known."""
        anchors = self.registry.anchors(model, version)
        if not anchors:
            return (ReferenceObserved(model, Version(version), ""),) if known else ()
        now = anchors[-1]
        if now.digest == known:
            return ()
        return (ReferenceObserved(model, Version(version), now.digest, now.how, now.by, now.detail),)

    async def _facts(self, world: World, spec: ModelSpec, champion: Champion) -> Facts:
        now = self.clock.now()
        known_good = await asyncio.to_thread(self.registry.known_good, spec.name, champion.version)
        trained_to = await asyncio.to_thread(self._trained_to, spec.name, champion.version)
        fallback = spec.fallback if spec.fallback and self.registry.has(spec.name, spec.fallback) else ""
        floor = label_floor(world, spec.name, trained_to)
        fresh = await asyncio.to_thread(self.telemetry.matured, spec.name, now=now, since=floor)
        earned = await asyncio.to_thread(
            self.telemetry.matured,
            spec.name,
            now=now,
            since=champion.since,
            version=Version(champion.version),
        )
        return Facts(
            at=now,
            champion=Version(champion.version),
            known_good=Version(known_good or ""),
            fallback=Version(fallback),
            on_fallback=await self._on_fallback(spec.name),
            fresh_labels=fresh,
            matured_labels=earned,
        )

    def _trained_to(self, model: ModelName, version: str) -> datetime | None:
        return self.registry.info(model, version).lineage.data_to

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
