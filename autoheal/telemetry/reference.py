"""reference.json: what a model version was trained on, summarised; built by trainers, read by monitors.

``build_reference`` takes columns as any training script has them (lists, arrays; None or NaN for missing) *in the
order of time*, and the answers on held-out rows; it gives plain JSON data. ``load_reference`` turns that into the
frozen ``Reference``. ``References`` keeps the loaded ones per version. Surprise: performance must come from rows that
were not trained on, or every model looks worse live than in training.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from autoheal.domain.names import ModelName, Task, Version
from autoheal.domain.specs import FeatureSpec, SliceSpec
from autoheal.errors import TelemetryError
from autoheal.monitors.reference import Reference
from autoheal.monitors.scores import METRICS, Answers, Metric, alike, losses, measure, scored
from autoheal.telemetry.reference_columns import as_numbers, build_column, cells_of, load_column
from autoheal.telemetry.reference_parts import build_joint, build_output, load_joint, load_output
from autoheal.telemetry.slice_reference import (
    add_features,
    judged_slices,
    load_loss,
    load_performance,
    load_slices,
)
from autoheal.telemetry.values import class_of

_LOG = logging.getLogger(__name__)


def build_reference(
    features: Sequence[FeatureSpec],
    columns: Mapping[str, Sequence[Any]],
    performance: Mapping[str, Any] | None = None,
    latency_p95_ms: float | None = None,
    *,
    slices: Sequence[SliceSpec] = (),
) -> dict[str, Any]:
    """reference.json for training data ``columns``, with ``performance`` from ``build_performance``; both with the same
    ``slices`` where these are to be watched."""
    rows = len(columns[features[0].name]) if features else 0
    if any(len(columns[f.name]) != rows for f in features) or not rows:
        raise ValueError("all columns of a reference need the same number of rows, at least one")
    raw = {f.name: build_column(f, columns[f.name]) for f in features}
    made = {
        "rows": rows,
        "features": raw,
        "joint": build_joint({f.name: f.kind for f in features}, as_numbers(features, columns)),
        "latency_p95_ms": latency_p95_ms,
        **(performance or {"performance": {}}),
    }
    if slices:
        known = {name: load_column(rows, one) for name, one in raw.items()}
        cells = {f.name: cells_of(f, columns[f.name], raw[f.name]) for f in features}
        made["slices"] = add_features(made.get("slices", {}), slices, columns, known, cells)
    return made


def build_performance(
    task: Task,
    labels: Sequence[Any],
    predictions: Sequence[Any],
    scores: Sequence[float] | None = None,
    positive: str = "",
    *,
    slices: Sequence[SliceSpec] = (),
    columns: Mapping[str, Sequence[Any]] | None = None,
) -> dict[str, Any]:
    """The keys performance, loss, classes, positive, output of reference.json, from held-out rows in time order, and
    slices, when their features are given as ``columns``."""
    classes: list[str] = []
    if task is Task.CLASSIFICATION:
        classes = sorted({class_of(v) for v in labels} | {class_of(v) for v in predictions})
        positive = positive or _positive(classes)
        codes = {name: float(i) for i, name in enumerate(classes)}
        truth, said = ([codes[class_of(v)] for v in side] for side in (labels, predictions))
    else:
        truth, said = [float(v) for v in labels], [float(v) for v in predictions]
    answers = Answers(
        np.array(said, np.float64),
        np.array(truth, np.float64),
        np.full(len(truth), np.nan) if scores is None else np.array(scores, np.float64),
        classes.index(positive) if positive in classes else -1,
    )
    if not (np.isfinite(answers.label).all() and np.isfinite(answers.prediction).all()):
        raise ValueError("labels and predictions must be finite")
    measured = {metric: measure(metric, answers) for metric in METRICS[task]}
    made = {
        "performance": {
            metric: {"value": m.value, "n": m.n, "sd": m.error * math.sqrt(m.n)}
            | _resembling(metric, answers)
            for metric, m in measured.items()
            if m
        },
        "loss": _loss(task, answers),
        "classes": classes,
        "positive": positive,
        "output": build_output(answers, classes),
    }
    if slices and columns:
        made["slices"] = judged_slices(slices, columns, lambda rows: _part(task, answers, rows))
    return made


def _resembling(metric: Metric, answers: Answers) -> dict[str, float]:
    """How alike neighbours are in a loss that is not the error."""
    if metric not in {"log_loss", "brier"}:
        return {}
    return {"alike": alike(losses(metric, scored(answers)))}


def _part(task: Task, answers: Answers, rows: NDArray[np.int64]) -> dict[str, Any]:
    """What is kept of the held-out rows of one slice."""
    mine = Answers(answers.prediction[rows], answers.label[rows], answers.score[rows], answers.positive)
    metric = METRICS[task][0]
    found = measure(metric, mine)
    assert found is not None
    kept = {"value": found.value, "n": found.n, "sd": found.error * math.sqrt(found.n)}
    return {"performance": {metric: kept}, "loss": _loss(task, mine)}


def load_reference(data: bytes | str | Mapping[str, Any]) -> Reference:
    """The frozen reference of one version; raises ``TelemetryError`` when the file is not one."""
    try:
        raw = orjson.loads(data) if isinstance(data, bytes | str) else data
        loss = raw.get("loss")
        features = {name: load_column(int(raw["rows"]), f) for name, f in raw["features"].items()}
        return Reference(
            rows=int(raw["rows"]),
            features=features,
            performance=load_performance(raw["performance"]),
            loss=load_loss(loss) if loss else None,
            latency_p95_ms=raw.get("latency_p95_ms"),
            classes=tuple(raw.get("classes", ())),
            positive=raw.get("positive", ""),
            output=load_output(raw["output"]) if raw.get("output") else None,
            joint=load_joint(raw["joint"]) if raw.get("joint") else None,
            slices=load_slices(raw.get("slices", {}), features),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TelemetryError(f"not a reference.json: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Known:
    """A reference, and a digest of its bytes that stands for it."""

    path: Path
    digest: str
    reference: Reference


class References:
    """References by model and version, each loaded once; ``locate`` names the file (or None: has none). Another path is
    another reference: what a version is compared with may be anchored anew. ``former`` names the files of other times,
    the newest first."""

    def __init__(
        self,
        locate: Callable[[ModelName, Version], Path | None],
        former: Callable[[ModelName, Version], Sequence[Path]] = lambda _model, _version: (),
    ) -> None:
        self._locate = locate
        self._former = former
        self._loaded: dict[tuple[ModelName, Version], Known] = {}

    def known(self, model: ModelName, version: Version) -> Known | None:
        """The present reference, or None when the version has none; reads a file the first time."""
        path = self._locate(model, version)
        held = self._loaded.get((model, version))
        if path is None or (held is not None and held.path == path):
            return held if path is not None else None
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        found = Known(path, hashlib.sha256(data).hexdigest(), load_reference(data))
        self._loaded[model, version] = found
        return found

    def get(self, model: ModelName, version: Version) -> Reference | None:
        """As ``known``, without its digest."""
        found = self.known(model, version)
        return found.reference if found else None

    def ever(self, model: ModelName, version: Version) -> tuple[Reference, ...]:
        """All that the version was ever compared with, the present one first; former ones are read each time, and those
        that cannot be are left out, since the present must not suffer for them."""
        found = [] if (present := self.get(model, version)) is None else [present]
        for path in self._former(model, version):
            try:
                found.append(load_reference(path.read_bytes()))
            except (OSError, TelemetryError) as error:
                _LOG.warning("%s %s: a former reference is left out: %s: %s", model, version, path, error)
        return tuple(found)


def _positive(classes: Iterable[str]) -> str:
    """The class that scores are about, when nobody says: 1, else the last of two by name (yes, true, ...)."""
    names = sorted(classes)
    return "1" if "1" in names and len(names) <= 2 else names[-1] if len(names) == 2 else ""


def _loss(task: Task, answers: Answers) -> dict[str, float]:
    """The mean bounded loss, its scale, and how alike neighbours are."""
    scale, bounded = 1.0, losses("accuracy" if task is Task.CLASSIFICATION else "mae", answers)
    if task is Task.REGRESSION:
        scale = float(np.quantile(bounded, 0.999)) or 1.0
        bounded = np.minimum(bounded, scale) / scale
    return {"mean": float(bounded.mean()), "n": len(bounded), "scale": scale, "alike": alike(bounded)}
