"""The monitors on the demo's own data: real models, real growth, a real shift, and no alarm before them."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autoheal
from autoheal.domain.finding import Finding
from autoheal.domain.names import ModelName, Severity, Task, Verdict
from autoheal.domain.specs import FeatureSpec, ModelSpec, MonitorSpec
from autoheal.telemetry import build_performance, build_reference, load_reference

DATA = Path(autoheal.__file__).parent / "demo" / "data"
NUMBERS = ("hr", "holiday", "weekday", "workingday", "weathersit", "temp", "hum", "windspeed")


def read(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(gzip.decompress((DATA / name).read_bytes()).decode())))


def breaches(found: Mapping[str, Finding]) -> set[str]:
    return {path for path, f in found.items() if f.verdict is Verdict.BREACH}


@pytest.fixture(scope="module")
def bike() -> dict[str, Any]:
    """A demand model trained on the first half-year, measured on every fourth day of it, serving from July."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    raw = read("bike.csv.gz")
    days = [datetime.fromisoformat(r["date"]).replace(tzinfo=UTC) for r in raw]
    times = np.array(
        [(d + timedelta(hours=int(r["hr"]))).timestamp() for d, r in zip(days, raw, strict=True)]
    )
    x = np.array([[float(r[n]) for n in NUMBERS] for r in raw])
    y = np.array([float(r["cnt"]) for r in raw])
    cut = int(np.searchsorted(times, datetime(2011, 7, 1, tzinfo=UTC).timestamp()))
    held = np.array([d.toordinal() % 4 == 0 for d in days[:cut]])
    trial = HistGradientBoostingRegressor(random_state=0).fit(x[:cut][~held], y[:cut][~held])
    performance = build_performance(Task.REGRESSION, y[:cut][held], trial.predict(x[:cut][held]))
    model = HistGradientBoostingRegressor(random_state=0).fit(x[:cut], y[:cut])
    features = tuple(FeatureSpec(n, "numeric") for n in NUMBERS)
    columns = {n: x[:cut, i] for i, n in enumerate(NUMBERS)}
    return {
        "features": features,
        "reference": load_reference(build_reference(features, columns, performance)),
        "rows": [dict(zip(NUMBERS, row.tolist(), strict=True)) for row in x[cut:]],
        "said": model.predict(x[cut:]).tolist(),
        "true": y[cut:].tolist(),
        "times": times[cut:],
    }


def feed_of(build: Any, data: Mapping[str, Any], name: str, task: Task, *monitors: MonitorSpec) -> Any:
    feed = build.feed(task=task)
    feed.spec = ModelSpec(ModelName(name), task, features=data["features"], monitors=monitors)
    feed.reference = data["reference"]
    feed.__post_init__()
    feed.since = float(data["times"][0])
    return feed


def push(feed: Any, data: Mapping[str, Any], start: int, end: int) -> None:
    """Rows at their own times, labelled at once."""
    for i in range(start, end):
        feed.now = float(data["times"][i]) - feed.step
        feed.add(data["rows"][i : i + 1], data["said"][i : i + 1], data["true"][i : i + 1])


def test_bike_demand_is_healthy_in_summer_and_outgrown_by_autumn(build: Any, bike: dict[str, Any]) -> None:
    kinds = [
        MonitorSpec(k) for k in ("performance", "concept_drift", "data_drift", "data_quality", "serving")
    ]
    feed = feed_of(build, bike, "bike", Task.REGRESSION, *kinds)
    first: dict[str, datetime] = {}
    for start in range(0, 24 * 200, 24):
        push(feed, bike, start, start + 24)
        for path, said in feed.look().items():
            if said.verdict is Verdict.BREACH and said.level != "notify":
                first.setdefault(path, datetime.fromtimestamp(feed.now, UTC))
    worse = {p: t for p, t in first.items() if p.startswith(("performance", "concept_drift/error"))}
    assert worse.keys() == {"performance/mae", "performance/rmse", "concept_drift/error"}
    assert worse["concept_drift/error"] > datetime(2011, 8, 25, tzinfo=UTC), (
        "the summer is nearly as good as training"
    )
    assert min(worse.values()) > datetime(2011, 7, 20, tzinfo=UTC), (
        "but for hot weeks late in July, a quarter worse"
    )
    assert max(worse.values()) < datetime(2011, 11, 15, tzinfo=UTC), "the error has nearly doubled by then"
    assert not [p for p in first if p.startswith(("data_drift", "data_quality", "serving"))], (
        "half a year of weather, of which an hour resembles the next, cannot tell a season from a drift"
    )


def test_an_empty_weather_column_is_seen_within_a_window_and_over_within_another(
    build: Any, bike: dict[str, Any]
) -> None:
    kinds = (MonitorSpec("data_quality", {"rows": 24}), MonitorSpec("performance"))
    feed = feed_of(build, bike, "bike", Task.REGRESSION, *kinds)
    push(feed, bike, 0, 24 * 20)
    assert not breaches(feed.look())
    broken = bike | {"rows": [r | {"temp": None} for r in bike["rows"]], "said": [0.0] * len(bike["said"])}
    push(feed, broken, 24 * 20, 24 * 21)
    found = feed.look()
    assert breaches(found) == {"data_quality/temp"}, "answers on broken inputs are not the model's fault"
    assert found["data_quality/temp"].severity is Severity.CRITICAL
    push(feed, bike, 24 * 21, 24 * 22)
    assert not breaches(feed.look())


@pytest.fixture(scope="module")
def loans() -> dict[str, Any]:
    """A repayment model trained on 15,000 loans, measured on 5,000, serving the 50,000 that shift in their middle."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    raw = read("loans.csv.gz")
    numbers = ("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure")
    names = (*numbers, "salary_range", "repaid_on_prev_car", "downpayment")
    features = tuple(FeatureSpec(n, "numeric" if n in numbers else "categorical") for n in names)
    codes = {n: {v: i for i, v in enumerate(sorted({r[n] for r in raw}))} for n in names if n not in numbers}
    x = np.array([[float(r[n] or "nan") if n in numbers else codes[n][r[n]] for n in names] for r in raw])
    y = [int(r["repaid"]) for r in raw]
    model = HistGradientBoostingClassifier(random_state=0).fit(x[:15_000], y[:15_000])
    said = model.predict(x).tolist()
    rows = [{n: (float(r[n]) if r[n] else None) if n in numbers else r[n] for n in names} for r in raw]
    performance = build_performance(Task.CLASSIFICATION, y[15_000:20_000], said[15_000:20_000])
    columns = {n: [r[n] for r in rows[:15_000]] for n in names}
    times = [datetime.fromisoformat(r["time"]).replace(tzinfo=UTC).timestamp() for r in raw]
    return {
        "features": features,
        "reference": load_reference(build_reference(features, columns, performance)),
        "rows": rows[20_000:],
        "said": said[20_000:],
        "true": y[20_000:],
        "times": np.array(times[20_000:]),
    }


def test_car_loans_shift_at_row_25000_and_nowhere_before(build: Any, loans: dict[str, Any]) -> None:
    kinds = (
        MonitorSpec("performance", {"metrics": ["accuracy"], "window": {"rows": 2000}, "max_drop": 0.02}),
        MonitorSpec("concept_drift"),
        MonitorSpec("data_drift"),
        MonitorSpec("data_quality"),
    )
    feed = feed_of(build, loans, "loans", Task.CLASSIFICATION, *kinds)
    first: dict[str, int] = {}
    for start in range(0, 30_000, 250):
        push(feed, loans, start, start + 250)
        for path in breaches(feed.look()):
            first.setdefault(path, start + 250)
    assert min(first.values()) > 25_000, first
    assert first["data_drift/car_value"] <= 25_500
    assert first["performance/accuracy"] <= 27_500
    assert first["concept_drift/error"] <= 28_500
    assert not [p for p in first if p.startswith("data_quality")], first
