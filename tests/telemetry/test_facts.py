"""What is read off history is what the rows that were there gave, within the stated error: 30 days, most of them gone."""

from __future__ import annotations

import sqlite3
import tracemalloc
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoheal.clock import VirtualClock
from autoheal.domain.names import ModelName, Task
from autoheal.domain.past import Fact
from autoheal.domain.specs import FeatureSpec, ModelSpec, SliceSpec
from autoheal.monitors.reference import Reference
from autoheal.monitors.scores import Answers, measure
from autoheal.stats import psi
from autoheal.telemetry import (
    Metric,
    Outcome,
    Prediction,
    Telemetry,
    build_performance,
    build_reference,
    load_reference,
)
from autoheal.telemetry.ages import Ages
from autoheal.telemetry.facts import check_step
from autoheal.telemetry.grid import layout
from autoheal.telemetry.history import export, overlap
from autoheal.telemetry.ring import Ring
from autoheal.telemetry.scored import scores_of
from autoheal.telemetry.summary import Judged, empty, total
from autoheal.telemetry.values import from_unix

Opened = Callable[..., Awaitable[Telemetry]]
DAYS, AN_HOUR = 30, 16
#: Days without a row.
GAP = range(10, 12)


def bike_reference(make: Any) -> Reference:
    rng = np.random.default_rng(1)
    temp = rng.normal(50.0, 20.0, 3_000)
    columns = {"temp": temp.tolist(), "season": ["ab"[i % 2] for i in range(3_000)]}
    performance = build_performance(Task.REGRESSION, temp.tolist(), (temp + rng.normal(0, 5, 3_000)).tolist())
    return load_reference(build_reference(make.bike.features, columns, performance, 25.0))


@dataclass(slots=True)
class Month:
    """Rows of 30 days as they were sent."""

    rows: list[Prediction] = field(default_factory=list)
    labels: dict[str, float] = field(default_factory=dict)
    latency: list[Metric] = field(default_factory=list)

    def between(self, since: datetime, until: datetime) -> list[Prediction]:
        first, last = (
            bisect_left(self.rows, when.timestamp(), key=attrgetter("time")) for when in (since, until)
        )
        return self.rows[first:last]


async def month(telemetry: Telemetry, make: Any) -> Month:
    """Rows hour by hour that drift and get worse from the middle on; labels come two hours late, and some never."""
    rng = np.random.default_rng(2)
    sent, waiting = Month(), []
    for hour in range(DAYS * 24):
        if hour // 24 in GAP:
            continue
        at = make.start + 3_600.0 * hour
        drift = max(hour / 24 - 15.0, 0.0)
        batch: list[Any] = []
        for i in range(AN_HOUR):
            temp = None if rng.random() < 0.03 else float(rng.normal(50.0 + drift, 20.0))
            said = float(rng.normal(50.0, 20.0))
            row = Prediction(
                make.bike.name, "v1", f"{hour}-{i}", at + i * 220.0,
                {"temp": temp, "season": "abz"[int(rng.integers(0, 2 + (drift > 0)))]}, said,
                latency_ms=float(rng.lognormal(2, 0.5)), error="late" if rng.random() < 0.02 else None,
            )  # fmt: skip
            batch.append(row)
            if rng.random() < 0.7:
                sent.labels[row.id] = said + float(rng.normal(0.0, 5.0 + drift))
                waiting.append((hour + 2, Outcome(row.model, row.id, at + 7_200.0, sent.labels[row.id])))
        sent.rows += batch
        sent.latency += [Metric(make.bike.name, "latency_p95_ms", float(rng.lognormal(3, 0.3)), at + i * 600.0) for i in range(6)]  # fmt: skip
        due = [outcome for when, outcome in waiting if when <= hour]
        waiting = [(when, outcome) for when, outcome in waiting if when > hour]
        await telemetry.ingest([*batch, *due, *sent.latency[-6:]])
    await telemetry.ingest([outcome for _, outcome in waiting])
    return sent


def facts(telemetry: Telemetry, make: Any, reference: Reference, step: timedelta) -> list[Fact]:
    history = telemetry.history()
    start = from_unix(make.start)
    span = (start, start + timedelta(days=DAYS))
    found = list(history.facts(make.bike, lambda _: [reference], *span, step))
    history.close()
    return found


def check(found: Iterable[Fact], sent: Month, make: Any, reference: Reference) -> None:
    """Each fact against the raw rows of its stretch."""
    for fact in found:
        rows = sent.between(fact.since, fact.until)
        if fact.path == "serving/latency_p95_ms":
            values = [
                m.value for m in sent.latency if fact.since.timestamp() <= m.time < fact.until.timestamp()
            ]
            assert (fact.n, fact.version) == (len(values), "")
            assert fact.more["mean"] == pytest.approx(np.mean(values))
            assert (fact.more["low"], fact.more["high"]) == (min(values), max(values))
            assert abs(fact.value - np.quantile(values, 0.5, method="lower")) <= fact.error
            continue
        assert rows, fact
        monitor, subject, *rule = fact.path.split("/")
        if monitor == "performance":
            own = [row for row in rows if row.error is None and row.id in sent.labels]
            off = np.array([sent.labels[row.id] - float(row.prediction or 0.0) for row in own])
            exact = np.abs(off).mean() if subject == "mae" else np.sqrt((off**2).mean())
            assert fact.n == len(own)
            assert abs(fact.value - exact) <= fact.error + 1e-9
            assert fact.error < 0.001 * exact
            assert fact.reference == reference.performance[subject].value
            assert fact.known_at == fact.until + make.bike.label_lag
        elif fact.path == "serving/latency":
            slow = [row.latency_ms for row in rows]
            assert (fact.n, fact.reference) == (len(rows), 25.0)
            for share, told in ((0.5, fact.more["p50"]), (0.95, fact.value), (0.99, fact.more["p99"])):
                assert told == pytest.approx(np.quantile(slow, share, method="lower"), rel=0.021)
            assert abs(fact.value - np.quantile(slow, 0.95, method="lower")) <= fact.error
        elif monitor == "serving":
            said = {"traffic": len(rows) / (fact.until - fact.since).total_seconds(), "stand_in": 0.0}
            said["errors"] = sum(row.error is not None for row in rows) / len(rows)
            assert (fact.value, fact.n) == (pytest.approx(said[subject]), len(rows))
        elif rule == ["missing"]:
            assert fact.value == sum(row.features[subject] is None for row in rows) / len(rows)
        elif monitor == "data_drift":
            assert fact.n == len(rows)
            ring = Ring(make.bike, 100_000)
            ring.append(range(1, len(rows) + 1), rows, 0.0)
            known = reference.features[subject]
            raw = ring.rows().features[subject]
            assert fact.value == pytest.approx(psi.psi(known.counts, known.tally(raw)), abs=1e-12)


async def test_thirty_days_of_facts_are_those_of_the_rows(opened: Opened, make: Any, tmp_path: Path) -> None:
    reference = bike_reference(make)
    telemetry = await opened(rows=1_500, metric_samples=200)
    telemetry.view(make.bike.name, champion="v1", since=None, reference=reference, now=from_unix(make.start))  # type: ignore[arg-type]
    sent = await month(telemetry, make)
    db = sqlite3.connect(tmp_path / "telemetry.db")
    assert db.execute("SELECT count(*) FROM predictions").fetchone()[0] < len(sent.rows) * 0.6
    assert {w for (w,) in db.execute("SELECT DISTINCT width FROM summaries")} == {60, 3_600}
    db.close()
    hourly = facts(telemetry, make, reference, timedelta(hours=1))
    check(hourly, sent, make, reference)
    drift = [fact for fact in hourly if fact.path == "data_drift/temp"]
    assert len(drift) == (DAYS - len(GAP)) * 24, "every hour that had rows, and no other"
    days = {int((fact.since - from_unix(make.start)).days) for fact in hourly}
    assert days == set(range(DAYS)) - set(GAP)
    assert {fact.path for fact in hourly} == {
        "data_drift/temp", "data_drift/season", "data_quality/temp/missing", "data_quality/temp/range",
        "data_quality/season/missing", "data_quality/season/category", "performance/mae", "performance/rmse",
        "serving/traffic", "serving/errors", "serving/stand_in", "serving/latency", "serving/latency_p95_ms",
    }  # fmt: skip
    daily = facts(telemetry, make, reference, timedelta(days=2))
    check(daily, sent, make, reference)
    values = [fact.value for fact in daily if fact.path == "data_drift/temp"]
    assert values[-1] > 2.0 * max(values[:5]), "the drift is seen"
    assert sum(fact.n for fact in daily if fact.path == "serving/errors") == len(sent.rows)


async def test_where_hours_have_become_days_stretches_are_days(opened: Opened, make: Any) -> None:
    reference = bike_reference(make)
    ages = Ages(minutes=3_600, hours=5 * 86_400, days=90 * 86_400)
    telemetry = await opened(rows=2_000, metric_samples=200, ages=ages)
    telemetry.view(make.bike.name, champion="v1", since=None, reference=reference, now=from_unix(make.start))  # type: ignore[arg-type]
    sent = await month(telemetry, make)
    found = facts(telemetry, make, reference, timedelta(minutes=20))
    check([fact for fact in found if fact.path != "serving/latency_p95_ms"], sent, make, reference)
    widths = {fact.until - fact.since for fact in found if fact.path == "serving/errors"}
    assert widths == {timedelta(minutes=20), timedelta(hours=1), timedelta(days=1)}
    counted = sum(fact.n for fact in found if fact.path == "serving/errors")
    assert counted == len(sent.rows), "each row is in one stretch"


@pytest.mark.parametrize(("step", "fine"), [(60, True), (1_200, True), (21_600, True), (172_800, True),
                                            (0, False), (90, False), (5_400, False), (18_000 * 5, False), (0.5, False)])  # fmt: skip
def test_a_step_is_one_that_buckets_add_up_to(step: float, fine: bool) -> None:
    if fine:
        assert check_step(timedelta(seconds=step)) == step
    else:
        with pytest.raises(ValueError, match="a step is"):
            check_step(timedelta(seconds=step))


SPEC = ModelSpec(ModelName("loans"), Task.CLASSIFICATION, features=(FeatureSpec("amount", "numeric"),))
LOANS = load_reference(
    build_reference(
        SPEC.features,
        {"amount": [float(i) for i in range(400)]},
        build_performance(Task.CLASSIFICATION, [0, 1] * 200, [0, 1, 1, 0] * 100, [0.1, 0.9] * 200),
    )
)
ANSWER = st.tuples(st.integers(0, 1), st.integers(0, 1), st.floats(0, 1))


@settings(max_examples=80, deadline=None)
@given(st.lists(ANSWER, min_size=2, max_size=40), st.integers(0, 40))
def test_scores_are_within_their_error(answers: list[tuple[int, int, float]], cut: int) -> None:
    made = layout(SPEC, LOANS)
    parts = [empty(made), empty(made)]
    for i, (truth, said, score) in enumerate(answers):
        parts[i >= cut].answers.judge(Judged(str(truth), str(said), score), made)
    truth, said, score = (np.array(column, np.float64) for column in zip(*answers, strict=True))
    raw = Answers(said, truth, score, positive=1)
    found = {one.metric: one for one in scores_of(parts)}
    assert list(scores_of([total(made, parts)])) == list(found.values())
    for metric in ("accuracy", "f1", "brier", "auc", "log_loss"):
        exact = measure(metric, raw)  # type: ignore[arg-type]
        assert (exact is None) == (metric not in found), metric
        if exact is not None:
            assert abs(found[metric].value - exact.value) <= found[metric].error + 1e-12, metric  # type: ignore[index]
            assert found[metric].n == exact.n  # type: ignore[index]
    assert found["accuracy"].error == 0.0


def test_no_labels_no_score() -> None:
    assert list(scores_of([empty(layout(SPEC, LOANS))])) == []


SHOP = ModelSpec(
    ModelName("shop"),
    Task.CLASSIFICATION,
    features=(FeatureSpec("amount", "numeric"), FeatureSpec("region", "categorical"), FeatureSpec("age", "numeric")),
    slices=(SliceSpec("region", most=4), SliceSpec("age", bins=(30.0,))),
    label_lag=timedelta(hours=1),
)  # fmt: skip


def shop_rows(rng: np.random.Generator, n: int, regions: str, shift: float) -> dict[str, list[Any]]:
    region = [str(rng.choice(list(regions))) for _ in range(n)]
    amount = [float(rng.normal(shift if r == "n" else 0.0)) for r in region]
    return {"amount": amount, "region": region, "age": rng.normal(35.0, 10.0, n).tolist()}


async def test_slices_are_measured_against_their_own_reference(tmp_path: Path, make: Any) -> None:
    """``w`` is no slice of the reference: it has buckets of its own, and is among the reference's others all the same."""
    rng = np.random.default_rng(3)
    known = shop_rows(rng, 1_200, "nns", 0.0)
    said, truth = [int(v > 0) for v in rng.normal(size=1_200)], [int(v > 0) for v in rng.normal(size=1_200)]
    judged = build_performance(SHOP.task, truth, said, [0.5] * 1_200, slices=SHOP.slices, columns=known)
    reference = load_reference(build_reference(SHOP.features, known, judged, slices=SHOP.slices))
    live = shop_rows(rng, 900, "nsw", 3.0)
    rows = [
        Prediction(SHOP.name, "v1", f"r{i}", make.start + i, {k: v[i] for k, v in live.items()}, int(i % 3 == 0), 0.4)
        for i in range(900)
    ]  # fmt: skip
    labels = [int(rng.random() < 0.5) for _ in rows]
    start, clock = from_unix(make.start), VirtualClock()
    async with await Telemetry.open(tmp_path / "t.db", {SHOP.name: SHOP}, clock) as telemetry:
        telemetry.view(SHOP.name, champion="v1", since=None, reference=reference, now=start)  # type: ignore[arg-type]
        await telemetry.ingest(rows)
        await telemetry.ingest([Outcome(SHOP.name, r.id, r.time + 9, label) for r, label in zip(rows, labels, strict=True)])  # fmt: skip
        history = telemetry.history()
        span = (start, start + timedelta(hours=1), timedelta(hours=1))
        found = {f.path: f for f in history.facts(SHOP, lambda _: [reference], *span, path="slices/*")}
        fewer = list(history.facts(SHOP, lambda _: [reference], *span, path="slices/region=n:*"))
        bare = {f.path: f for f in history.facts(SHOP, lambda _: [], *span)}
        history.close()
    ring = Ring(SHOP, 1_000)
    ring.append(range(1, 901), rows, 0.0)
    columns, right = ring.rows().features, np.array([r.prediction for r in rows]) == labels
    want = set()
    for feature, one in reference.slices.items():
        codes = one.cut.codes(columns[feature])
        for place, name in enumerate(one.cut.names):
            inside = codes == place
            if not inside.any():
                continue
            want.add(f"slices/{name}:accuracy")
            fact, part = found[f"slices/{name}:accuracy"], one.parts.get(name)
            assert (fact.value, fact.n) == (pytest.approx(right[inside].mean()), inside.sum())
            base = part.performance.get("accuracy") if part else None
            assert fact.reference == (base and base.value)
            assert fact.known_at == fact.until + SHOP.label_lag
            if part is not None and part.features:
                want.add(f"slices/{name}:drift")
                moved = {f: psi.psi(r.counts, r.tally(columns[f].take(np.flatnonzero(inside)))) for f, r in part.features.items()}  # fmt: skip
                fact = found[f"slices/{name}:drift"]
                assert fact.more == pytest.approx(moved)
                assert (fact.value, fact.n) == (max(fact.more.values()), inside.sum())
    assert set(found) == want
    assert {"slices/region=<other>:accuracy", "slices/age<=30:drift"} <= want
    assert found["slices/region=n:drift"].value > 1.0 > 10 * found["slices/region=s:drift"].value
    assert {fact.path for fact in fewer} == {"slices/region=n:accuracy", "slices/region=n:drift"}
    assert bare["slices/region=w:accuracy"].reference is None
    assert not [path for path in bare if path.endswith(":drift")]


async def test_reading_history_keeps_a_stretch_in_memory_and_not_a_day(tmp_path: Path, make: Any) -> None:
    """Each minute of each slice is a bucket: unpacked all at once they would be hundreds of times the file."""
    names = [f"x{i}" for i in range(20)]
    spec = ModelSpec(
        ModelName("wide"), Task.CLASSIFICATION, slices=(SliceSpec("region", most=10),),
        features=(*(FeatureSpec(name, "numeric") for name in names), FeatureSpec("region", "categorical")),
    )  # fmt: skip
    rng = np.random.default_rng(5)
    columns: dict[str, Any] = {name: rng.normal(size=1_000).tolist() for name in names}
    columns["region"] = [f"r{i % 10}" for i in range(1_000)]
    reference = load_reference(build_reference(spec.features, columns, slices=spec.slices))
    rows = [
        Prediction(spec.name, "v1", f"r{i}", make.start + 6.0 * i, {n: c[i % 1_000] for n, c in columns.items()}, 1)
        for i in range(1_500)
    ]  # fmt: skip
    start = from_unix(make.start)
    span = (start, start + timedelta(hours=3))
    async with await Telemetry.open(tmp_path / "t.db", {spec.name: spec}, VirtualClock()) as telemetry:
        telemetry.view(spec.name, champion="v1", since=None, reference=reference, now=start)  # type: ignore[arg-type]
        await telemetry.ingest(rows)
        history = telemetry.history()
        buckets = history.buckets(spec.name, *span, slice_=None)
        unpacked = sum(one.layout.size * 8 for one in buckets)
        tracemalloc.start()
        found = sum(1 for _ in history.facts(spec, lambda _: [reference], *span, timedelta(hours=1)))
        exported = sum(1 for _ in export(tmp_path / "t.db", {spec.name: spec}, *span))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        history.close()
    assert len(buckets) > 1_500
    assert (found > 200, exported) == (True, len(buckets) * 22)
    assert peak < unpacked / 3


async def test_each_stretch_stands_beside_the_reference_that_was_in_force(opened: Opened, make: Any) -> None:
    """Anchored anew after two hours, and back again after four."""
    first = bike_reference(make)
    rng, seasons = np.random.default_rng(4), ["ab"[i % 2] for i in range(2_000)]
    temp = rng.normal(90.0, 20.0, 2_000).tolist()
    truth = build_performance(Task.REGRESSION, [0.0] * 100, [9.0] * 100)
    second = load_reference(build_reference(make.bike.features, {"temp": temp, "season": seasons}, truth))
    telemetry, late = await opened(), list[Prediction]()
    for hour in range(6):
        now, known = from_unix(make.start), second if hour in {2, 3} else first
        telemetry.view(make.bike.name, champion="v1", since=None, reference=known, now=now)  # type: ignore[arg-type]
        rows = [make.bike_row(3_600.0 * hour + i, temp=float(rng.normal(90.0, 20.0))) for i in range(200)]
        # Half of the labels come after the next rows, beside another reference perhaps.
        await telemetry.ingest([*rows, *(make.truth(row, 0.0) for row in [*rows[::2], *late])])
        late = rows[1::2]
    history = telemetry.history()
    start = from_unix(make.start)
    span = (start, start + timedelta(hours=6), timedelta(hours=1))
    found = list(history.facts(make.bike, lambda _: (first, second), *span))
    only = list(history.facts(make.bike, lambda _: (first,), *span, path="data_drift/temp"))
    history.close()
    drift = [fact.value for fact in found if fact.path == "data_drift/temp"]
    assert [value > 1.0 for value in drift] == [True, True, False, False, True, True]
    usual = [fact.reference for fact in found if fact.path == "performance/mae"]
    assert usual == [known.performance["mae"].value for known in (first, first, second, second, first, first)]
    assert len(only) == 4, "rows on a grid that nobody has a reference of are not measured"


@pytest.mark.parametrize("labelled", ["before", "after"])
async def test_a_label_that_is_corrected_beside_another_reference_is_taken_back_whole(
    opened: Opened, make: Any, labelled: str
) -> None:
    """First there is none, then one with a baseline of performance, then one without, as ``reference.anchor`` makes them."""
    bare = load_reference(
        build_reference(make.bike.features, {"temp": [1.0, 2.0] * 300, "season": ["a", "b"] * 300})
    )
    telemetry, start = await opened(), from_unix(make.start)
    rows = [make.bike_row(float(i), temp=float(i)) for i in range(60)]
    await telemetry.ingest([*rows, *(make.truth(row, 0.0) for row in rows)])
    for i, known in enumerate((bike_reference(make), bare, bike_reference(make))):
        telemetry.view(make.bike.name, champion="v1", since=None, reference=known, now=start)  # type: ignore[arg-type]
        newer = [Outcome(row.model, row.id, row.time + 70 + i, 10.0 * i) for row in rows[20 * i :]]
        await telemetry.ingest(newer if labelled == "after" else [newer[0], *newer[2:]])
    truth = np.repeat([0.0, 10.0, 20.0], 20)
    if labelled == "before":
        truth[[1, 21, 41]] = [0.0, 0.0, 10.0]
    history = telemetry.history()
    span = (start, start + timedelta(hours=1), timedelta(hours=1))
    found = {f.path: f for f in history.facts(make.bike, lambda _: (), *span, path="performance/*")}
    history.close()
    off = np.arange(60.0) - truth
    assert (found["performance/mae"].value, found["performance/mae"].n) == (
        pytest.approx(np.abs(off).mean()),
        60,
    )
    assert found["performance/rmse"].value == pytest.approx(np.sqrt((off**2).mean()))


async def test_numbers_that_no_sum_can_hold_do_not_stop_the_rest(opened: Opened, make: Any) -> None:
    telemetry, start = await opened(), from_unix(make.start)
    telemetry.view(make.bike.name, champion="v1", since=None, reference=bike_reference(make), now=start)  # type: ignore[arg-type]
    rows = [make.bike_row(0.0, temp=1.0), replace(make.bike_row(1.0, temp=1.0), prediction=-1.7e308)]
    await telemetry.ingest([*rows, *(make.truth(row, 1.7e308) for row in rows)])
    history = telemetry.history()
    span = (start, start + timedelta(hours=1), timedelta(hours=1))
    found = {f.path: f for f in history.facts(make.bike, lambda _: (), *span, path="performance/*")}
    history.close()
    assert found["performance/mae"].n == 2
    assert found["performance/mae"].value >= 1e100


async def test_only_whole_steps_are_told(opened: Opened, make: Any) -> None:
    telemetry = await opened()
    await telemetry.ingest([make.bike_row(60.0 * i, temp=1.0) for i in range(6 * 60)])
    history = telemetry.history()
    start = from_unix(make.start)
    span = (start + timedelta(minutes=17, seconds=5), start + timedelta(minutes=280))
    found = list(history.facts(make.bike, lambda _: (), *span, timedelta(hours=1), path="serving/traffic"))
    history.close()
    assert [fact.since for fact in found] == [start + timedelta(hours=h) for h in (1, 2, 3)]
    assert {fact.value for fact in found} == {1 / 60}


@pytest.mark.parametrize(("glob", "some"), [("*", True), ("s*", True), ("slices/*", True), ("slices/a=b:drift", True), ("[s]lices/*", True),
                                            ("performance/*", False), ("slices", False), ("", False), ("serving/*", False)])  # fmt: skip
def test_slices_are_read_only_where_they_may_be_asked_for(glob: str, some: bool) -> None:
    assert overlap(glob, "slices/") is some
