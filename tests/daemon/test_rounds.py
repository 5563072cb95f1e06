"""The rounds: a model whose files are broken costs no other model its turn, and is well again when they are; who ends
them loses no evidence."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from autoheal.actions.targets.registry import Registry
from autoheal.actions.targets.versions import NewVersion
from autoheal.clock import SystemClock
from autoheal.domain.events import ConfigApplied
from autoheal.domain.names import ModelName, Task, Verdict
from autoheal.domain.specs import Config, ModelSpec, MonitorSpec
from autoheal.engine.step import step
from autoheal.telemetry.service import Telemetry
from tests.daemon.house import eventually, living, watching

NAMES = (ModelName("good"), ModelName("odd"))
MODELS = {
    name: ModelSpec(
        name, Task.REGRESSION, monitors=(MonitorSpec("performance", every=timedelta(milliseconds=50)),)
    )
    for name in NAMES
}


async def test_what_goes_wrong_with_one_model_stays_with_it(tmp_path: Path) -> None:
    registry, clock = Registry.open(tmp_path / "registry"), SystemClock()
    source = tmp_path / "source"
    source.mkdir()
    (source / "model.bin").write_bytes(b"weights")
    for name in NAMES:
        registry.register(name, source, NewVersion("v1"), at=datetime.now(UTC))
        registry.set_champion(name, "v1", by="ci", at=datetime.now(UTC))
    champion = tmp_path / "registry" / "odd" / "champion.json"
    sound = champion.read_bytes()
    champion.unlink()
    champion.mkdir()  # reading it raises what nobody foresaw
    async with (
        living(tmp_path / "state", step=step) as (kernel, _),
        await Telemetry.open(tmp_path / "telemetry.db", MODELS, clock) as telemetry,
    ):
        await kernel.submit(ConfigApplied(Config(models=MODELS), "test"))
        async with watching(tmp_path, registry, kernel, telemetry) as rounds:
            await eventually(
                lambda: {"good|performance|mae", "odd|monitor|round"} <= kernel.world.findings.keys()
            )
            broken = kernel.world.findings["odd|monitor|round"]
            assert broken.verdict is Verdict.ERROR
            assert broken.detail
            champion.rmdir()
            champion.write_bytes(sound)
            await eventually(lambda: "odd|performance|mae" in kernel.world.findings)
            await eventually(lambda: kernel.world.findings["odd|monitor|round"].verdict is Verdict.OK)
            await eventually(rounds.state_file.exists)
            rounds.state_file.unlink()  # saved as seldom as once in five seconds
        assert set(json.loads(rounds.state_file.read_bytes())) == set(NAMES)
