"""A version is compared with its own reference, through promotion, roll-back, a new anchor and its undoing."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from autoheal.actions.targets.registry import Registry
from autoheal.actions.targets.versions import NewVersion
from autoheal.clock import SystemClock
from autoheal.domain.events import ConfigApplied
from autoheal.domain.names import ModelName, Task, Verdict
from autoheal.domain.specs import Config, FeatureSpec, ModelSpec, MonitorSpec
from autoheal.engine.step import step
from autoheal.telemetry import Outcome, Prediction, build_performance, build_reference
from autoheal.telemetry.service import Telemetry
from tests.daemon.house import eventually, living, watching

NAME = ModelName("m")
SPEC = ModelSpec(
    NAME,
    Task.REGRESSION,
    features=(FeatureSpec("x", "numeric"),),
    monitors=(MonitorSpec("performance", {"min_rows": 50}, every=timedelta(milliseconds=50)),),
)


def reference(error: float) -> dict[str, Any]:
    """Of a version whose mean error was this on held-out rows."""
    chance = random.Random(4)
    labels = [chance.gauss(0, 10) for _ in range(400)]
    said = [label + chance.uniform(0, 2 * error) for label in labels]
    return build_reference(SPEC.features, {"x": labels}, build_performance(SPEC.task, labels, said))


def served(version: str, first: int, error: float, now: float) -> list[Any]:
    chance, made = random.Random(first), []
    for n in range(first, first + 400):
        at, x = now - 400 + n % 400, chance.gauss(0, 10)
        said = x + chance.uniform(0, 2 * error)
        made.append(Prediction(NAME, version, f"r{n}", at, {"x": x}, said))
        made.append(Outcome(NAME, f"r{n}", at, x))
    return made


async def test_findings_follow_the_reference_of_the_version(tmp_path: Path) -> None:
    registry = Registry.open(tmp_path / "registry")
    source = tmp_path / "source"
    source.mkdir()
    (source / "model.bin").write_bytes(b"weights")
    past = datetime.now(UTC) - timedelta(hours=1)
    for version, error in (("v1", 2.0), ("v2", 4.0)):
        registry.register(NAME, source, NewVersion(version), at=past, reference=reference(error))
    registry.set_champion(NAME, "v1", by="ci", at=past)
    async with (
        living(tmp_path / "state", step=step) as (kernel, _),
        await Telemetry.open(tmp_path / "telemetry.db", {NAME: SPEC}, SystemClock()) as telemetry,
    ):
        now = datetime.now(UTC).timestamp()
        await telemetry.ingest(served("v1", 0, 2.0, now) + served("v2", 1000, 4.0, now))
        await kernel.submit(ConfigApplied(Config(models={NAME: SPEC}), "test"))

        def measured(version: str, baseline: float, verdict: Verdict) -> Callable[[], bool]:
            def there() -> bool:
                found = kernel.world.findings.get("m|performance|mae")
                return (
                    found is not None
                    and (found.version, found.verdict) == (version, verdict)
                    and found.reference is not None
                    and abs(found.reference - baseline) < 0.4
                )

            return there

        async with watching(tmp_path, registry, kernel, telemetry):
            await eventually(measured("v1", 2.0, Verdict.OK))
            registry.set_champion(NAME, "v2", by="ci", at=past)  # promotion
            await eventually(measured("v2", 4.0, Verdict.OK))
            registry.anchor(NAME, "v2", reference(2.0), how="training", by="ann", at=past, detail="file")
            await eventually(measured("v2", 2.0, Verdict.BREACH))
            state = kernel.world.models[NAME]
            assert state.reference == registry.anchors(NAME, "v2")[-1].digest
        async with watching(tmp_path, registry, kernel, telemetry):
            registry.restore_reference(NAME, "v2", by="ann", at=past)  # while the daemon starts
            await eventually(measured("v2", 4.0, Verdict.OK))
            assert kernel.world.models[NAME].reference == ""
            registry.set_champion(NAME, "v1", by="ann", at=past)  # taken back
            await eventually(measured("v1", 2.0, Verdict.OK))
