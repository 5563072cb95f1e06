"""Looks at a model: from memory until the registry changed, and labels counted as often as somebody needs to know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from autoheal.actions.targets.registry import Registry
from autoheal.actions.targets.versions import NewVersion
from autoheal.clock import VirtualClock
from autoheal.daemon.watch import Watch
from autoheal.domain.events import ChampionObserved, FactsObserved, ReferenceObserved
from autoheal.domain.finding import Finding
from autoheal.domain.names import (
    AlarmKey,
    Health,
    IncidentId,
    IncidentState,
    ModelName,
    Severity,
    Target,
    Task,
    Verdict,
    Version,
)
from autoheal.domain.records import Facts, Incident, ModelState
from autoheal.domain.specs import Config, ModelSpec, MonitorSpec
from autoheal.domain.world import World
from autoheal.errors import ActionError
from autoheal.telemetry import parse_rows
from autoheal.telemetry.service import Telemetry

NAME = ModelName("bikes")
SPEC = ModelSpec(
    NAME,
    Task.REGRESSION,
    fallback="simple",
    monitors=(MonitorSpec("performance", every=timedelta(minutes=1)),),
)
WORLD = World(config=Config(models={NAME: SPEC}))


@dataclass
class House:
    """A registry with one model, and who watches it."""

    registry: Registry
    telemetry: Telemetry
    watch: Watch
    clock: VirtualClock
    source: Path

    def register(self, version: str) -> None:
        self.registry.register(NAME, self.source, NewVersion(version), at=self.clock.now())

    async def facts(self, world: World = WORLD) -> Facts:
        await self.watch.glance([NAME])
        (found,) = (e.facts for e in await self.watch.look(world, SPEC) if isinstance(e, FactsObserved))
        return found

    async def label(self, number: int) -> None:
        row = {"model": NAME, "kind": "prediction", "version": "v1", "id": f"r{number}", "features": {}}
        at = self.clock.now().timestamp()
        rows = [
            row | {"time": at, "prediction": 1.0},
            {"model": NAME, "kind": "outcome", "id": f"r{number}", "time": at, "label": 1.0},
        ]
        await self.telemetry.ingest(parse_rows(rows, self.telemetry.tasks))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    clock, registry, source = VirtualClock(), Registry.open(tmp_path / "registry"), tmp_path / "source"
    source.mkdir()
    (source / "model.bin").write_bytes(b"weights")
    async with await Telemetry.open(tmp_path / "telemetry.db", {NAME: SPEC}, clock) as telemetry:
        watch = Watch(clock, registry, None, telemetry, timedelta(days=1))
        made = House(registry, telemetry, watch, clock, source)
        made.register("v1")
        registry.set_champion(NAME, "v1", by="ci", at=clock.now())
        await clock.advance(timedelta(minutes=1))
        yield made


async def test_between_glances_the_registry_is_not_read(house: House) -> None:
    assert (await house.facts()).champion == "v1"
    champion = house.registry.root / NAME / "champion.json"
    champion.write_bytes(b"no JSON")
    assert any(isinstance(e, ChampionObserved) for e in await house.watch.look(WORLD, SPEC))
    await house.watch.glance([NAME])
    with pytest.raises(ActionError):
        await house.watch.look(WORLD, SPEC)


async def test_whatever_is_written_shows_after_the_next_glance(house: House) -> None:
    first = await house.facts()
    assert (first.champion, first.known_good, first.fallback) == ("v1", "", "")
    house.registry.mark_good(NAME, "v1", house.clock.now())
    house.register("simple")
    assert (await house.facts()).fallback == "simple"
    house.register("v2")
    house.registry.set_champion(NAME, "v2", by="ci", at=house.clock.now())
    moved = await house.facts()
    assert (moved.champion, moved.known_good) == ("v2", "v1")
    house.registry.anchor(NAME, "v2", {"rows": 1}, how="window", by="ann", at=house.clock.now())
    await house.watch.glance([NAME])
    (anchored,) = (e for e in await house.watch.look(WORLD, SPEC) if isinstance(e, ReferenceObserved))
    assert (anchored.version, anchored.by) == ("v2", "ann")


async def test_labels_are_counted_as_often_as_the_monitors_look(house: House) -> None:
    await house.label(1)
    assert (await house.facts()).matured_labels == 1
    await house.label(2)
    assert (await house.facts()).matured_labels == 1
    await house.clock.advance(timedelta(minutes=1))
    assert (await house.facts()).matured_labels == 2


async def test_labels_that_are_dear_to_count_are_counted_less_often(house: House) -> None:
    """Ten seconds of CPU for one model: every 200 seconds it takes a twentieth of a core."""
    readings = iter(range(0, 1_000, 10))
    house.watch.spent = lambda: next(readings)
    await house.label(1)
    assert (await house.facts()).matured_labels == 1
    await house.label(2)
    await house.clock.advance(timedelta(seconds=199))
    assert (await house.facts()).matured_labels == 1
    await house.clock.advance(timedelta(seconds=1))
    assert (await house.facts()).matured_labels == 2


async def test_labels_are_counted_at_every_look_while_an_incident_is_open(house: House) -> None:
    assert (await house.facts()).fresh_labels == 0
    await house.clock.advance(timedelta(seconds=1))
    await house.label(1)
    began = house.clock.now() - timedelta(seconds=1)
    incident = Incident(
        IncidentId("INC-1"),
        Target(NAME),
        (NAME,),
        IncidentState.OPEN,
        began,
        began,
        (AlarmKey("a"),),
        Severity.WARNING,
    )
    world = replace(WORLD, incidents={incident.id: incident})
    assert (await house.facts(world)).fresh_labels == 1


async def test_a_new_champion_has_its_labels_counted_at_once(house: House) -> None:
    await house.label(1)
    assert (await house.facts()).matured_labels == 1
    house.register("v2")
    house.registry.set_champion(NAME, "v2", by="ci", at=house.clock.now())
    assert (await house.facts()).matured_labels == 0


async def test_a_new_champion_of_a_healthy_model_has_to_prove_itself(house: House) -> None:
    """The model was healthy for long, under another version: that says nothing good about this one."""
    well = ModelState(
        NAME,
        health=Health.HEALTHY,
        health_since=house.clock.now() - timedelta(days=90),
        champion=Version("v1"),
    )
    seen = Finding(
        Target(NAME), "performance", "mae", house.clock.now(), Verdict.OK, n=500, version=Version("v1")
    )
    world = replace(WORLD, models={NAME: well}, findings={seen.key: seen})
    for wait, good in ((timedelta(hours=23), None), (timedelta(hours=2), "v1")):
        await house.clock.advance(wait)
        await house.watch.glance([NAME])
        await house.watch.look(world, SPEC)
        assert house.registry.known_good(NAME, exclude="") == good
