"""The player against doors that answer as told: what it sends, what it waits for, what it breaks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autoheal.actions.targets.registry import Registry
from autoheal.clock import ScaledClock, SystemClock
from autoheal.demo import faults, first_versions
from autoheal.demo.faults import BadRelease, Faults, UpstreamFault
from autoheal.demo.fleet import DemoModel, service_rows
from autoheal.demo.player import Player
from tests.demo.house import Door, door, small

NEVER = datetime(2013, 1, 1, tzinfo=UTC)


@dataclass
class Scene:
    player: Player
    models: tuple[DemoModel, ...]
    said: list[str]


@pytest.fixture
def stage(tmp_path: Path):
    """A player of some small models over two doors, in data time that runs very fast."""

    def build(gateway: Door, telemetry: Door, plan: Faults, *names: str, rows: int = 240) -> Scene:
        models = tuple(small(name, 0, rows) for name in names)
        registry = Registry.open(tmp_path / "registry")
        for model in models:
            first_versions.install(registry, model, tmp_path)
        first = min(service_rows(m)[0].time for m in models)
        clock = ScaledClock(first, SystemClock().now(), 2_000_000)
        said: list[str] = []
        player = Player(
            clock,
            models,
            plan,
            gateway.url,
            telemetry.url,
            registry,
            tmp_path,
            lambda _at: False,
            say=said.append,
        )
        return Scene(player, models, said)

    return build


def quiet() -> Faults:
    return Faults(
        BadRelease("loan-repayment", NEVER, "driver_tenure", 12.0), UpstreamFault("temp", NEVER, NEVER)
    )


async def test_every_row_is_asked_once_and_every_label_told_once(stage) -> None:
    async with door() as gateway, door() as telemetry:
        scene = stage(gateway, telemetry, quiet(), "bike-demand", "bike-busy")
        await scene.player.run()
    for model in scene.models:
        wanted = [r.id for r in service_rows(model)]
        asked = [r["id"] for b in gateway.bodies(f"/v1/models/{model.name}/") for r in b["rows"]]
        told = [
            r for b in telemetry.bodies("/v1/telemetry") for r in b["records"] if r["model"] == model.name
        ]
        assert asked == wanted
        assert sorted(r["id"] for r in told) == sorted(wanted)
        truth = {r.id: r for r in service_rows(model)}
        assert all(r["label"] == truth[r["id"]].label for r in told)
        assert all(datetime.fromisoformat(r["time"]) == truth[r["id"]].time + model.lag for r in told)
        assert scene.player.books.unanswered(model.name) == 0


async def test_labels_wait_for_a_daemon_that_is_away(stage) -> None:
    async with door() as gateway, door(503, 429, 500) as telemetry:
        scene = stage(gateway, telemetry, quiet(), "bike-busy")
        await scene.player.run()
    taken = [r["id"] for b in telemetry.bodies("/v1/telemetry")[3:] for r in b["records"]]
    assert sorted(taken) == sorted(r.id for r in service_rows(scene.models[0]))


async def test_labels_that_can_never_be_taken_do_not_block_the_others(stage) -> None:
    async with door() as gateway, door(422) as telemetry:
        scene = stage(gateway, telemetry, quiet(), "bike-busy")
        await scene.player.run()
    first, *rest = ([r["id"] for r in b["records"]] for b in telemetry.bodies("/v1/telemetry"))
    assert not set(first) & {i for ids in rest for i in ids}
    assert len(first) + sum(map(len, rest)) == len(service_rows(scene.models[0]))


async def test_a_gateway_that_does_not_answer_is_noted_and_survived(stage) -> None:
    async with door() as telemetry:
        async with door() as gone:
            pass
        scene = stage(gone, telemetry, quiet(), "bike-demand", rows=48)
        await scene.player.run()
    assert scene.player.books.unanswered("bike-demand") == 48
    assert scene.player.books.compare("bike-demand", "mae", *_ever()) is None


async def test_the_feed_breaks_for_both_models_and_their_twins(stage) -> None:
    async with door() as gateway, door() as telemetry:
        scene = stage(gateway, telemetry, quiet(), "bike-demand", "bike-busy")
        start = service_rows(scene.models[0])[100].time
        fault = UpstreamFault("temp", start, start + timedelta(days=2))
        scene.player.faults = replace(scene.player.faults, upstream=fault)
        await scene.player.run()
    for model in scene.models:
        rows = [r for b in gateway.bodies(f"/v1/models/{model.name}/") for r in b["rows"]]
        empty = [r["time"] for r in rows if r["features"]["temp"] is None]
        assert [datetime.fromisoformat(t) for t in empty] == [
            r.time for r in service_rows(model) if fault.start <= r.time < fault.end
        ]
    assert len(scene.said) == 1
    assert "temp" in scene.said[0]


async def test_ci_releases_the_bad_version_as_it_would_any(stage) -> None:
    async with door() as gateway, door() as telemetry:
        scene = stage(gateway, telemetry, quiet(), "loan-repayment", rows=990)
        (model,) = scene.models
        at = service_rows(model)[400].time
        scene.player.faults = replace(
            scene.player.faults, release=BadRelease(model.name, at, "driver_tenure", 12.0)
        )
        await scene.player.run()
        books = scene.player.books
    champion = scene.player.registry.champion(model.name)
    assert champion is not None
    assert (champion.version, champion.previous, champion.by) == ("v2", "v1", "ci")
    assert gateway.bodies("/admin/routes/loan-repayment") == [{"weights": {"v2": 100.0}, "key": "ci-v2"}]
    assert scene.player.released_at is not None
    assert scene.player.released_at >= at
    before = books.compare(model.name, "accuracy", _ever()[0], service_rows(model)[330].time)
    after = books.compare(model.name, "accuracy", service_rows(model)[330].time, NEVER)
    assert before is not None
    assert after is not None
    assert before[1] > 0.9  # the twin serves v1 ...
    assert after[1] < 0.75  # ... and then what its team released, for ever


def test_every_seed_gives_a_model_that_exists() -> None:
    assert {faults.plan(seed).release.model for seed in range(5)} == {"loan-repayment"}


def _ever() -> tuple[datetime, datetime]:
    return datetime.min.replace(tzinfo=UTC), NEVER
