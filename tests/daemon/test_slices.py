"""From a configuration with slices to the finding, the alarm and its words: what operators see of a corner that fell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from autoheal.actions.targets.registry import Registry
from autoheal.actions.targets.versions import NewVersion
from autoheal.api.wire import why_of
from autoheal.clock import SystemClock
from autoheal.domain.events import ConfigApplied
from autoheal.domain.names import Verdict
from autoheal.domain.specs import ModelSpec
from autoheal.engine.step import step
from autoheal.monitors import MONITORS
from autoheal.policy.known import STANDARD_ACTIONS, Known
from autoheal.policy.load import load_config
from autoheal.telemetry import Outcome, Prediction, build_performance, build_reference
from autoheal.telemetry.service import Telemetry
from autoheal.tui.present.line import text_of
from autoheal.tui.present.model import model_lines
from autoheal.tui.present.why import why_lines
from tests.daemon.house import eventually, living, watching
from tests.tui.sight import look, of_world

CONFIG = """\
version: 1
kind: model
name: shop
task: classification
features:
  region: {type: categorical}
  age: {type: numeric}
slices: [region, {feature: age, bins: [25, 45]}]
monitors:
  slices: {every: 50ms}
"""
REGIONS = ("north", "south", "east", "west")


def rows(rng: np.random.Generator, n: int, north: float) -> list[dict[str, Any]]:
    """Rows of which a tenth are wrong, and of those from the north so many."""
    found = []
    for _ in range(n):
        region, truth = REGIONS[rng.integers(0, 4)], int(rng.integers(0, 2))
        wrong = rng.random() < (north if region == "north" else 0.1)
        features = {"region": region, "age": float(rng.uniform(18, 70))}
        found.append({"features": features, "truth": truth, "said": truth ^ int(wrong)})
    return found


def reference(spec: ModelSpec, rng: np.random.Generator) -> dict[str, Any]:
    held = rows(rng, 2_000, 0.1)
    columns = {f.name: [row["features"][f.name] for row in held] for f in spec.features}
    performance = build_performance(
        spec.task, [r["truth"] for r in held], [r["said"] for r in held], slices=spec.slices, columns=columns
    )
    return build_reference(spec.features, columns, performance, slices=spec.slices)


async def test_an_accuracy_that_fell_in_one_region_is_told_by_its_name(tmp_path: Path) -> None:
    known = Known(STANDARD_ACTIONS, {kind: one.Options for kind, one in MONITORS.items()})
    config = load_config({"shop.yaml": CONFIG}, known).config
    (spec,) = config.models.values()
    rng, clock, now = np.random.default_rng(2), SystemClock(), datetime.now(UTC)
    registry = Registry.open(tmp_path / "registry")
    source = tmp_path / "source"
    source.mkdir()
    (source / "model.bin").write_bytes(b"weights")
    born = now - timedelta(days=10)
    registry.register(spec.name, source, NewVersion("v1"), at=born, reference=reference(spec, rng))
    registry.set_champion(spec.name, "v1", by="ci", at=born)
    live = [*rows(rng, 3_000, 0.1), *rows(rng, 1_500, 0.35)]
    async with (
        living(tmp_path / "state", step=step) as (kernel, _),
        await Telemetry.open(tmp_path / "telemetry.db", config.models, clock) as telemetry,
    ):
        start = (now - timedelta(days=2)).timestamp()
        for i, row in enumerate(live):
            row["time"], row["id"] = start + 30.0 * i, f"r{i}"
        for at in range(0, len(live), 500):
            part = live[at : at + 500]
            await telemetry.ingest(
                [Prediction(spec.name, "v1", r["id"], r["time"], r["features"], r["said"]) for r in part]
            )
            await telemetry.ingest([Outcome(spec.name, r["id"], r["time"], r["truth"]) for r in part])
        await kernel.submit(ConfigApplied(config, "test"))
        async with watching(tmp_path, registry, kernel, telemetry):
            await eventually(lambda: "shop|slices|region=north:accuracy" in kernel.world.alarms)
            found = kernel.world.findings
            told = {key for key, one in found.items() if one.verdict is Verdict.BREACH}
            assert told == {"shop|slices|region=north:accuracy"}
            north = found["shop|slices|region=north:accuracy"]
            assert north.level == "act"
            assert "worse than the rest of the model" in north.detail
            assert (
                kernel.world.alarms["shop|slices|region=north:accuracy"].path
                == "slices/region=north:accuracy"
            )
            why = why_of(kernel.world, "shop", clock.now())
            assert why is not None
            told_why = " ".join(" ".join(why_lines(why)).split())
            assert "region=north: accuracy 0.6" in told_why
            assert "worse than the rest of the model (0.9" in told_why
            shown = "\n".join(text_of(one) for one in model_lines(look(of_world(kernel.world)), "shop", 100))
            assert "region=north:accuracy" in shown
