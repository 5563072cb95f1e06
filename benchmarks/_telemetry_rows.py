"""Models and rows that the telemetry benchmarks share: numbers that look like a service's, and their references."""

from __future__ import annotations

import random

import numpy as np
import orjson

from autoheal.domain.names import ModelName, Task
from autoheal.domain.specs import FeatureSpec, ModelSpec, MonitorSpec
from autoheal.monitors.reference import Reference
from autoheal.telemetry import build_performance, build_reference, load_reference

START = 1_700_000_000.0
REGIONS = ("north", "south", "east")
WINDOW = 1_000
MONITORS = (
    MonitorSpec("performance", {"window": {"rows": WINDOW}}),
    MonitorSpec("data_drift", {"window": {"rows": WINDOW}}),
)


def spec(name: str, features: int, categorical: int = 2, monitors: tuple[MonitorSpec, ...] = ()) -> ModelSpec:
    """A classification with so many features, the last ones categorical."""
    kinds = ["numeric"] * (features - categorical) + ["categorical"] * categorical
    columns = tuple(
        FeatureSpec(f"feature_{i:02d}", "numeric" if kind == "numeric" else "categorical")
        for i, kind in enumerate(kinds)
    )
    return ModelSpec(ModelName(name), Task.CLASSIFICATION, features=columns, monitors=monitors)


def reference(model: ModelSpec, rows: int = 5_000) -> Reference:
    """What such a model was trained on."""
    rng = np.random.default_rng(1)
    columns = {
        f.name: rng.normal(0.0, 10.0, rows).tolist()
        if f.kind == "numeric"
        else [REGIONS[i % 3] for i in range(rows)]
        for f in model.features
    }
    truth = rng.integers(0, 2, rows)
    score = np.clip(0.8 * truth + 0.1 + rng.normal(0, 0.2, rows), 0.0, 1.0)
    said = (score > 0.5).astype(int)
    performance = build_performance(model.task, truth.tolist(), said.tolist(), score.tolist())
    return load_reference(build_reference(model.features, columns, performance))


def bodies(model: ModelSpec, batches: int, rows: int, per_second: float = 1_000.0) -> list[bytes]:
    """Batches of predictions as NDJSON, as a service would push them."""
    rng, choose = np.random.default_rng(2), random.Random(2)
    made = []
    numeric = [f.name for f in model.features if f.kind == "numeric"]
    named = [f.name for f in model.features if f.kind == "categorical"]
    for batch in range(batches):
        values = np.round(rng.normal(0.0, 10.0, (rows, len(numeric))), 4).tolist()
        lines = []
        for i, row in enumerate(values):
            number = batch * rows + i
            features: dict[str, object] = dict(zip(numeric, row, strict=True))
            features |= {name: choose.choice(REGIONS) for name in named}
            record = {
                "kind": "prediction", "model": model.name, "version": "v1", "id": f"request-{number:010d}",
                "time": START + number / per_second, "features": features, "prediction": choose.choice((0, 1)),
                "score": round(choose.random(), 4), "latency_ms": 3.1,
            }  # fmt: skip
            lines.append(orjson.dumps(record))
        made.append(b"\n".join(lines))
    return made


def outcomes(model: ModelSpec, numbers: range, per_second: float = 1_000.0) -> bytes:
    """The truth about some of these predictions, as NDJSON."""
    lines = []
    for number in numbers:
        time = START + number / per_second
        record = {"kind": "outcome", "model": model.name, "id": f"request-{number:010d}", "time": time}
        lines.append(orjson.dumps(record | {"label": number % 2}))
    return b"\n".join(lines)
