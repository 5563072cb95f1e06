"""``Feed``: a model's life in a few lines: rows in, labels in, time on, findings out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from autoheal.domain.finding import Finding
from autoheal.domain.names import ModelName, Task, Version
from autoheal.domain.specs import FeatureSpec, ModelSpec, MonitorSpec
from autoheal.monitors import evaluate
from autoheal.monitors.reference import Reference
from autoheal.monitors.view import Series, View
from autoheal.telemetry import Prediction, build_performance, build_reference, load_reference
from autoheal.telemetry.ring import Ring
from autoheal.telemetry.values import from_unix

T0 = 1_300_000_000.0


@dataclass
class Feed:
    """One model. ``step`` is the seconds between rows; labels come at once unless told otherwise."""

    spec: ModelSpec
    reference: Reference | None
    step: float = 3600.0
    champion: str = "v1"
    since: float = T0
    now: float = T0
    states: dict[str, object] = field(default_factory=dict)
    metrics: dict[str, Series] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        self.ring = Ring(self.spec, 20_000)

    def add(
        self,
        features: Sequence[Mapping[str, Any]],
        predictions: Sequence[Any],
        labels: Sequence[Any] | None,
        *,
        version: str | None = None,
        scores: Sequence[float] | None = None,
        latency: Sequence[float] | None = None,
        error: str | None = None,
        by: Any = "champion",
    ) -> None:
        """Rows one step apart, each arriving at its own time, labelled as it arrives."""
        for i, row in enumerate(features):
            self.now += self.step
            self.count += 1
            record = Prediction(
                self.spec.name,
                version or self.champion,
                f"{self.count}",
                self.now,
                dict(row),
                None if error else predictions[i],
                None if scores is None else scores[i],
                None if latency is None else latency[i],
                error,
                by,
            )
            self.ring.append([self.count], [record], self.now)
            if labels is not None:
                self.ring.label(self.count, labels[i], self.now)

    def view(self) -> View:
        return View(
            self.spec,
            Version(self.champion),
            self.since,
            self.reference,
            self.now,
            self.ring.rows(),
            self.metrics,
        )

    def look(self, wait: float = 0.0) -> dict[str, Finding]:
        """One beat: the findings by their path."""
        self.now += wait
        self.states, found = evaluate(self.spec, self.states, self.view(), from_unix(self.now))
        return {f.path: f for f in found}


def spec_of(task: Task, monitors: Mapping[str, Mapping[str, Any]], lag: float = 0.0) -> ModelSpec:
    features = (FeatureSpec("x", "numeric"), FeatureSpec("y", "numeric"), FeatureSpec("s", "categorical"))
    specs = tuple(MonitorSpec(kind, options) for kind, options in monitors.items())
    return ModelSpec(
        ModelName("m"), task, features=features, monitors=specs, label_lag=timedelta(seconds=lag)
    )


def inputs(rng: np.random.Generator, n: int, shift: float = 0.0) -> list[dict[str, Any]]:
    """Healthy inputs: two normal columns and a category; ``shift`` moves x, in standard deviations."""
    x, y, s = rng.normal(shift, 1, n), rng.normal(5, 2, n), rng.integers(0, 3, n)
    return [{"x": float(a), "y": float(b), "s": "abc"[c]} for a, b, c in zip(x, y, s, strict=True)]


def reference_for(spec: ModelSpec, rng: np.random.Generator, quality: float) -> Reference:
    """A version whose held-out errors have a mean of ``quality`` (numbers) or that share (classes)."""
    rows = inputs(rng, 5000)
    columns = {f.name: [r[f.name] for r in rows] for f in spec.features}
    said, true = answers(spec.task, rng, 2000, quality)
    return load_reference(
        build_reference(spec.features, columns, build_performance(spec.task, true, said), 10.0)
    )


def answers(task: Task, rng: np.random.Generator, n: int, quality: float) -> tuple[list[Any], list[Any]]:
    """Predictions and truths whose mean loss is ``quality``."""
    if task is Task.REGRESSION:
        return [0.0] * n, rng.normal(0, quality * np.sqrt(np.pi / 2), n).tolist()
    truth = rng.integers(0, 2, n)
    wrong = rng.random(n) < quality
    return [int(t) ^ int(w) for t, w in zip(truth, wrong, strict=True)], truth.tolist()


@dataclass(frozen=True)
class Build:
    """Makes feeds and data for them."""

    rng: np.random.Generator
    inputs = staticmethod(inputs)
    answers = staticmethod(answers)

    def feed(
        self,
        *kinds: str,
        task: Task = Task.CLASSIFICATION,
        quality: float = 0.1,
        lag: float = 0.0,
        **options: Any,
    ) -> Feed:
        """A feed watched by these kinds of monitor; options are those of the first."""
        spec = spec_of(task, {k: options if i == 0 else {} for i, k in enumerate(kinds)}, lag)
        return Feed(spec, reference_for(spec, self.rng, quality))

    def live(self, feed: Feed, n: int, quality: float = 0.1, shift: float = 0.0, **rest: Any) -> None:
        """``n`` rows of life at this quality."""
        said, true = answers(feed.spec.task, self.rng, n, quality)
        feed.add(inputs(self.rng, n, shift), said, rest.pop("labels", true), **rest)


@pytest.fixture
def build() -> Build:
    return Build(np.random.default_rng(7))


Looks = Callable[[], dict[str, Finding]]
