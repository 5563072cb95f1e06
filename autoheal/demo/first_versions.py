"""Fills the registry as a team would before autoheal: a first version and a stand-in of each model, and later, in the
player's hands, a bad release. Writes files; called once at the start and once by the player.

The baseline of a version is measured as its users will feel it: by rows that come *after* those it learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from autoheal.actions.targets.registry import Registry
from autoheal.actions.targets.versions import Lineage, NewVersion
from autoheal.demo import estimator
from autoheal.demo.estimator import Estimator, StandIn
from autoheal.demo.feeds import START, Row
from autoheal.demo.fleet import DemoModel, training_rows
from autoheal.domain.names import Task
from autoheal.domain.specs import FeatureSpec
from autoheal.telemetry.reference import build_performance, build_reference

STAND_IN = "baseline"
#: The last part of the training data, held back to measure the baseline.
HELD_BACK = 0.1


def install(registry: Registry, model: DemoModel, scratch: Path) -> None:
    """Version v1 as champion since before the start, and the stand-in."""
    rows = training_rows(model)
    cut = round(len(rows) * (1 - HELD_BACK))
    measured = fit(model, rows[:cut])
    reference = _reference(model, rows, rows[cut:], measured)
    put(registry, model, fit(model, rows), "v1", rows=rows, scratch=scratch, reference=reference)
    stand_in = StandIn(model.task, model.stand_in, model.echo).fit(
        [r.features for r in rows], [r.label for r in rows]
    )
    put(registry, model, stand_in, STAND_IN, rows=rows, scratch=scratch, role="fallback")
    registry.set_champion(model.name, "v1", by="ci", at=START - timedelta(days=30))


@dataclass(frozen=True, slots=True)
class Made:
    """A version that waits to be released."""

    estimator: Estimator
    rows: Sequence[Row]
    reference: dict[str, Any]


def with_unit_error(model: DemoModel, rows: Sequence[Row], column: str, factor: float) -> Made:
    """A version that somebody trained on a column in another unit. Its release notes look fine: it was measured on
    data with the same mistake."""
    wrong = [
        Row(r.time, r.id, {**r.features, column: _scaled(r.features[column], factor)}, r.label) for r in rows
    ]
    cut = round(len(rows) * (1 - HELD_BACK))
    measured = fit(model, wrong[:cut])
    return Made(fit(model, wrong), rows, _reference(model, rows, wrong[cut:], measured))


def _scaled(value: object, factor: float) -> float:
    return float(value) * factor if isinstance(value, int | float) else float("nan")


def fit(model: DemoModel, rows: Sequence[Row]) -> Estimator:
    return Estimator(model.task, model.features).fit([r.features for r in rows], [r.label for r in rows])


def specs(model: DemoModel) -> tuple[FeatureSpec, ...]:
    return tuple(
        FeatureSpec(name, "numeric" if kind == "numeric" else "categorical")
        for name, kind in model.features.items()
    )


def _reference(
    model: DemoModel, rows: Sequence[Row], held: Sequence[Row], measured: Estimator
) -> dict[str, Any]:
    predictions, scores = measured.predict([r.features for r in held])
    performance = build_performance(Task(model.task), [r.label for r in held], predictions, scores, "1")
    columns = {name: [r.features[name] for r in rows] for name in model.features}
    return build_reference(specs(model), columns, performance)


def put(
    registry: Registry,
    model: DemoModel,
    made: Estimator | StandIn,
    version: str,
    *,
    rows: Sequence[Row],
    scratch: Path,
    role: Any = "model",
    at: datetime = START - timedelta(days=30),
    reference: dict[str, Any] | None = None,
) -> None:
    folder = scratch / f"{model.name}-{version}"
    estimator.save(made, folder)
    new = NewVersion(
        version=version,
        role=role,
        lineage=Lineage(rows[0].time, rows[-1].time, len(rows)),
        code_revision="demo-1",
        parameters={"rows": len(rows)},
    )
    registry.register(model.name, folder, new, at=at, reference=reference)
