"""data_drift: truthful about what moved, silent about what did not, for many features over a long time."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from autoheal.domain.names import ModelName, Severity, Task, Verdict
from autoheal.domain.specs import FeatureSpec, ModelSpec, MonitorSpec
from autoheal.monitors.budget import Budget
from autoheal.monitors.data_drift import DataDriftState
from autoheal.monitors.data_drift.evidence import learn
from autoheal.monitors.rows import Column, Floats, Rows
from autoheal.telemetry import build_reference, load_reference


def test_what_moved_breaches_and_the_rest_does_not(build: Any) -> None:
    feed = build.feed("data_drift")
    build.live(feed, 500)
    assert {f.verdict for f in feed.look().values()} == {Verdict.OK}
    build.live(feed, 500, shift=1.0)
    found = feed.look()
    said = found["data_drift/x"]
    assert (said.verdict, said.severity, said.n) == (Verdict.BREACH, Severity.CRITICAL, 500)
    assert said.value > 0.5
    assert said.started_at is not None
    assert "PSI" in said.detail
    assert "KS 0.3" in said.detail
    effects = re.search(r"W1 ([\d.]+) IQR, JS ([\d.]+), TV ([\d.]+)", said.detail)
    assert effects is not None
    moved, bits, mass = (float(x) for x in effects.groups())
    assert moved == pytest.approx(1 / 1.349, rel=0.15), "one standard deviation, in interquartile ranges"
    assert 0.05 < bits < 0.3
    assert 0.25 < mass < 0.5
    assert found["data_drift/y"].verdict is found["data_drift/s"].verdict is Verdict.OK
    build.live(feed, 500)
    assert feed.look()["data_drift/x"].verdict is Verdict.OK


def test_categories_and_missing_values_are_drift_too(build: Any) -> None:
    feed = build.feed("data_drift")
    rows = [
        r | {"s": "a", "y": None if i % 2 else r["y"]} for i, r in enumerate(build.inputs(build.rng, 500))
    ]
    feed.add(rows, [1] * 500, None)
    found = feed.look()
    assert found["data_drift/s"].verdict is Verdict.BREACH
    assert "a 33% -> 100%" in found["data_drift/s"].detail.replace("34%", "33%")
    assert "<missing> 0% -> 50%" in found["data_drift/y"].detail


def test_too_few_rows_no_reference_and_unknown_columns_are_not_yet(build: Any) -> None:
    feed = build.feed("data_drift")
    build.live(feed, 199)
    said = feed.look()["data_drift/x"]
    assert (said.verdict, said.detail) == (Verdict.NOT_YET, "199 of 200 rows")
    build.live(feed, 1)
    assert feed.look()["data_drift/x"].verdict is Verdict.OK
    columns = {f.name: [1.0, 2.0, 3.0] for f in feed.spec.features[:1]}
    feed.reference = load_reference(build_reference(feed.spec.features[:1], columns))
    assert feed.look()["data_drift/s"].detail == "not in the reference"
    feed.reference = None
    assert feed.look()["data_drift/x"].verdict is Verdict.NOT_YET
    assert feed.look(wait=1e6)["data_drift/x"].verdict is Verdict.NOT_YET


def test_rows_of_the_stand_in_count_and_silence_is_no_data(build: Any) -> None:
    feed = build.feed("data_drift")
    build.live(feed, 500, shift=2.0, by="fallback")
    assert feed.look()["data_drift/x"].verdict is Verdict.BREACH
    assert feed.look(wait=11 * 3600)["data_drift/x"].verdict is Verdict.NO_DATA


def test_a_large_distance_suffices_even_between_bins(build: Any) -> None:
    feed = build.feed("data_drift", psi_warning=50.0, psi_critical=60.0)
    build.live(feed, 500, shift=1.0)
    said = feed.look()["data_drift/x"]
    assert (said.verdict, said.severity) == (Verdict.BREACH, Severity.WARNING)


@pytest.mark.parametrize("rows", [200, 500])
def test_fifty_healthy_features_looked_at_hourly_for_a_month_raise_nothing(rows: int) -> None:
    rng, hours = np.random.default_rng(3), 30 * 24
    features = tuple(FeatureSpec(f"f{i}", "numeric") for i in range(50))
    reference = load_reference(build_reference(features, {f.name: rng.normal(size=10_000) for f in features}))
    state = DataDriftState()
    for hour in range(hours):
        arrived = hour * 3600.0 + np.linspace(0, 3600, rows)
        known = {f.name: Column("numeric", rng.normal(size=rows), np.zeros(rows, np.uint8)) for f in features}
        state, _ = learn(
            state, reference.features, rows_of(arrived, known), arrived[-1], rows, 0.05, Budget()
        )
    assert not [f.name for f in features if state.gauge.level(f.name)]
    assert state.gauge.notify.days == pytest.approx(30, abs=0.1)


def test_windows_wait_until_they_are_large_enough() -> None:
    rng = np.random.default_rng(4)
    features = (FeatureSpec("x", "numeric"),)
    reference = load_reference(build_reference(features, {"x": rng.normal(size=10_000)}))
    state = DataDriftState()
    for rows, span in ((199, 7200.0), (400, 3000.0)):
        part = rows_of(
            np.linspace(0, span, rows), {"x": Column("numeric", np.ones(rows), np.zeros(rows, np.uint8))}
        )
        state, _ = learn(state, reference.features, part, span, 200, 0.05, Budget())
        assert state == DataDriftState(), "too few rows, or too short a time: they are looked at later"
    many = 6000
    part = rows_of(
        np.linspace(0, 60, many), {"x": Column("numeric", np.ones(many), np.zeros(many, np.uint8))}
    )
    state, _ = learn(state, reference.features, part, 60.0, 200, 0.05, Budget())
    assert (state.gauge.level("x"), state.cursor) == ("act", 60.0), (
        "five thousand rows need not wait for the hour"
    )


def rows_of(arrived: Floats, features: dict[str, Column]) -> Rows:
    """Rows that hold inputs and times only."""
    n, nothing = len(arrived), np.full(len(arrived), np.nan)
    no = np.zeros(n, np.bool_)
    return Rows(
        arrived, arrived, np.zeros(n, np.int32), ("v1",), no, no,
        nothing, nothing, nothing, nothing, nothing, (), features,
    )  # fmt: skip


def test_only_some_features_when_asked() -> None:
    spec = ModelSpec(
        ModelName("m"),
        Task.REGRESSION,
        features=(FeatureSpec("x", "numeric"),),
        monitors=(MonitorSpec("data_drift"),),
    )
    assert spec.monitors[0].options == {}
