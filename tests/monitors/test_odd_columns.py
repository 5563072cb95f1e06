"""Columns as real tables have them, healthy and odd: none of them is an alarm, whatever the size of the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autoheal.domain.names import ModelName, Task, Verdict
from autoheal.domain.specs import FeatureSpec, ModelSpec, MonitorSpec
from autoheal.telemetry import build_performance, build_reference, load_reference
from tests.monitors.conftest import Feed

Draw = Callable[[np.random.Generator, int], Any]
NUMBERS: dict[str, Draw] = {
    "cauchy": lambda g, n: g.standard_cauchy(n),
    "lognormal": lambda g, n: g.lognormal(0, 3, n),
    "mostly_zero": lambda g, n: np.where(g.random(n) < 0.995, 0.0, g.exponential(5, n)),
    "count": lambda g, n: g.poisson(2, n).astype(float),
    "rounded": lambda g, n: np.round(g.normal(0, 1, n), 1),
    "nearly_constant": lambda g, n: np.where(g.random(n) < 0.999, 7.0, 8.0),
    "flag": lambda g, n: (g.random(n) < 0.02).astype(float),
    "often_missing": lambda g, n: np.where(g.random(n) < 0.4, np.nan, g.normal(size=n)),
    "mostly_missing": lambda g, n: np.where(g.random(n) < 0.98, np.nan, g.normal(size=n)),
    "tiny": lambda g, n: g.normal(0, 1e-12, n),
    "far_away": lambda g, n: g.normal(1e15, 1e3, n),
    "two_heaps": lambda g, n: g.normal(0, 1, n) + np.where(g.random(n) < 0.5, -100.0, 100.0),
}
TEXTS: dict[str, Draw] = {
    "rare": lambda g, n: g.choice(list("abcdef"), n, p=[0.9, 0.05, 0.03, 0.015, 0.004, 0.001]),
    "merchant": lambda g, n: [f"m{v}" for v in g.zipf(1.5, n)],
    "city": lambda g, n: [f"c{v}" for v in g.integers(0, 400, n)],
    "session": lambda g, n: [f"s{v}" for v in g.integers(0, 10**9, n)],
    "sparse": lambda g, n: g.choice(np.array([None, "x", "y"], object), n, p=[0.95, 0.03, 0.02]),
}
FEATURES = (
    *(FeatureSpec(name, "numeric") for name in NUMBERS),
    *(FeatureSpec(name, "categorical") for name in TEXTS),
)
KINDS = ("data_drift", "data_quality", "multivariate", "score_drift", "estimated_performance", "performance")


def columns(rng: np.random.Generator, n: int) -> dict[str, list[Any]]:
    drawn = {name: draw(rng, n) for name, draw in {**NUMBERS, **TEXTS}.items()}
    return {name: [None if str(v) in {"None", "nan"} else v for v in cells] for name, cells in drawn.items()}


def answers(rng: np.random.Generator, n: int) -> tuple[list[int], list[int], list[float]]:
    truth = rng.integers(0, 2, n)
    score = np.clip(rng.beta(2, 2, n) / 2 + 0.375 * truth, 0.01, 0.99)
    return truth.tolist(), (score > 0.5).astype(int).tolist(), score.tolist()


@pytest.mark.parametrize(("rows", "seed"), [(100, 1), (300, 2), (1_000, 3), (5_000, 4)])
def test_odd_but_healthy_columns_raise_no_alarm(rows: int, seed: int) -> None:
    """Four days at a row a minute, seen each hour; a producer leaves out the keys of what is missing."""
    rng = np.random.default_rng(seed)
    truth, said, score = answers(rng, rows)
    judged = build_performance(Task.CLASSIFICATION, truth, said, score)
    reference = load_reference(build_reference(FEATURES, columns(rng, rows), judged))
    monitors = tuple(MonitorSpec(kind, {}) for kind in KINDS)
    spec = ModelSpec(ModelName("m"), Task.CLASSIFICATION, features=FEATURES, monitors=monitors)
    feed = Feed(spec, reference, step=60.0)
    for _ in range(4 * 24):
        drawn = columns(rng, 60)
        live = [{k: v[i] for k, v in drawn.items() if v[i] is not None} for i in range(60)]
        truth, said, score = answers(rng, 60)
        feed.add(live, said, truth, scores=score)
        assert [f.detail for f in feed.look().values() if f.verdict is Verdict.BREACH] == []


def test_a_sparse_column_that_goes_away_is_seen_once_chance_no_longer_explains_it() -> None:
    rng = np.random.default_rng(6)
    features = (FeatureSpec("sparse", "categorical"),)
    reference = load_reference(build_reference(features, {"sparse": TEXTS["sparse"](rng, 4_000)}))
    spec = ModelSpec(
        ModelName("m"), Task.CLASSIFICATION, features=features, monitors=(MonitorSpec("data_quality"),)
    )
    feed = Feed(spec, reference, step=60.0)
    feed.add([{"sparse": v} for v in TEXTS["sparse"](rng, 1_000)], [1] * 1_000, None)
    feed.add([{"sparse": None}] * 200, [1] * 200, None)
    assert feed.look()["data_quality/sparse"].verdict is Verdict.OK
    feed.add([{"sparse": None}] * 200, [1] * 200, None)
    found = feed.look()["data_quality/sparse"]
    assert (found.verdict, found.level) == (Verdict.BREACH, "")
