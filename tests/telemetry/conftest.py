"""A small model and records for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from autoheal.clock import VirtualClock
from autoheal.domain.names import ModelName, Task
from autoheal.domain.specs import FeatureSpec, ModelSpec
from autoheal.telemetry import Limits, Outcome, Prediction, Telemetry

FEATURES = (FeatureSpec("temp", "numeric"), FeatureSpec("season", "categorical"))
BIKE = ModelSpec(ModelName("bike"), Task.REGRESSION, features=FEATURES, label_lag=timedelta(hours=1))
LOANS = ModelSpec(ModelName("loans"), Task.CLASSIFICATION, features=FEATURES)
T0 = 1_309_478_400.0


class Make:
    """Records of the two models."""

    bike, loans, start = BIKE, LOANS, T0
    models: ClassVar = {BIKE.name: BIKE, LOANS.name: LOANS}
    tasks: ClassVar = {BIKE.name: BIKE.task, LOANS.name: LOANS.task}

    @staticmethod
    def prediction(i: int, model: str = "bike", **rest: Any) -> Prediction:
        given: dict[str, Any] = {
            "features": {"temp": float(i), "season": "ab"[i % 2]},
            "prediction": float(i),
        }
        return Prediction(ModelName(model), "v1", f"r{i}", T0 + 3600.0 * i, **(given | rest))

    @staticmethod
    def bike_row(seconds: float, temp: float) -> Prediction:
        """An answer so many seconds after the start; it says what the temperature is."""
        features: dict[str, Any] = {"temp": temp, "season": "a"}
        return Prediction(BIKE.name, "v1", f"t{seconds}", T0 + seconds, features, temp)

    @staticmethod
    def truth(row: Prediction, label: float) -> Outcome:
        return Outcome(row.model, row.id, row.time + 60, label)

    @staticmethod
    def hidden(spec: ModelSpec) -> ModelSpec:
        """The same model with all features marked sensitive."""
        return replace(spec, features=tuple(replace(f, sensitive=True) for f in spec.features))

    @staticmethod
    def outcome(i: int, label: float | str | bool = 1.0, model: str = "bike") -> Outcome:
        return Outcome(ModelName(model), f"r{i}", T0 + 3600.0 * i + 60, label)


@pytest.fixture
def make() -> type[Make]:
    return Make


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def opened(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Callable[..., Awaitable[Telemetry]]]:
    """Open telemetry.db of this test, as often as wanted; all are closed at the end."""
    open_ones: list[Telemetry] = []

    async def opener(**limits: Any) -> Telemetry:
        telemetry = await Telemetry.open(tmp_path / "telemetry.db", Make.models, clock, Limits(**limits))
        open_ones.append(telemetry)
        return telemetry

    yield opener
    for telemetry in open_ones:
        await telemetry.close()


@pytest.fixture
async def telemetry(opened: Callable[..., Awaitable[Telemetry]]) -> Telemetry:
    return await opened()
