"""The label join is counted exactly: every outcome ends in one count, over restarts and limits too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoheal.clock import VirtualClock
from autoheal.telemetry import Joins, Prediction, Telemetry, parse_body
from autoheal.telemetry.store import TIDY_ROWS
from autoheal.telemetry.values import from_unix

Opened = Callable[..., Awaitable[Telemetry]]


async def test_each_fate_of_an_outcome_has_its_count(opened: Opened, make: Any) -> None:
    telemetry = await opened()
    await telemetry.ingest([make.outcome(0, 1.0), make.outcome(0, 1.0), make.outcome(0, 2.0)])
    await telemetry.ingest([make.prediction(i) for i in range(3)] + [make.prediction(0)])
    await telemetry.ingest(
        [make.outcome(1, 5.0), make.outcome(1, 5.0), make.outcome(1, 6.0), make.outcome(9)]
    )
    want = Joins(predictions=3, repeated=1, joined=2, early=1, doubled=2, corrected=2, waiting=1)
    assert telemetry.joins() == {make.bike.name: want}
    assert want.outcomes == 7
    await telemetry.close()
    assert (await opened()).joins() == {make.bike.name: want}


async def test_what_waited_in_vain_is_orphaned_and_what_had_no_label_expired(
    opened: Opened, make: Any, clock: VirtualClock
) -> None:
    telemetry = await opened(waiting_days=1.0, row_days=3.0, rows=100)
    await telemetry.ingest([make.prediction(i) for i in range(10)] + [make.outcome(i) for i in range(4)])
    await telemetry.ingest([make.outcome(50_000)])
    await clock.advance(timedelta(days=4))
    await telemetry.ingest([make.prediction(i) for i in range(100, 20_200)])
    counts = telemetry.joins()[make.bike.name]
    assert (counts.orphaned, counts.waiting) == (1, 0)
    assert counts.expired == 6 + 20_000, "six by age, the rest by number"
    await telemetry.ingest([make.outcome(1)])
    assert telemetry.joins()[make.bike.name].waiting == 1, "its prediction has gone"


async def test_a_flood_for_one_model_takes_no_labels_from_the_others(
    opened: Opened, make: Any, clock: VirtualClock
) -> None:
    telemetry = await opened(waiting=100)
    await telemetry.ingest([make.outcome(i, model="loans") for i in range(40)])
    await clock.advance(timedelta(minutes=1))
    await telemetry.ingest([make.outcome(i) for i in range(TIDY_ROWS)])
    counts = telemetry.joins()
    assert counts[make.loans.name].waiting == 40
    assert (counts[make.bike.name].waiting, counts[make.bike.name].orphaned) == (60, TIDY_ROWS - 60)


async def test_maturity_tells_share_and_watermark_of_each_version(
    telemetry: Telemetry, make: Any, clock: VirtualClock
) -> None:
    clock.current = from_unix(make.start + 1_000 * 3600)
    await telemetry.ingest([make.prediction(i) for i in range(100)])
    await telemetry.ingest([make.prediction(i, by="fallback") for i in range(100, 110)])
    await telemetry.ingest([make.prediction(i, prediction=None, error="timeout") for i in range(110, 120)])
    assert telemetry.maturity(make.bike.name, now=clock.now())[0].watermark is None
    await telemetry.ingest([make.outcome(i) for i in range(80) if i != 30])
    (v1,) = telemetry.maturity(make.bike.name, now=clock.now())
    assert (v1.version, v1.answers, v1.matured, v1.share) == ("v1", 100, 79, 0.79)
    assert v1.watermark == from_unix(make.start + 82 * 3600), "79 of the first 83 are at least 95%"
    young = telemetry.maturity(make.bike.name, now=datetime(2011, 7, 1, tzinfo=UTC))
    assert [(m.answers, m.share) for m in young] == [(0, None)]


@pytest.mark.parametrize("waits", [False, True], ids=["known", "waits"])
async def test_a_class_written_in_another_way_is_no_correction(
    telemetry: Telemetry, make: Any, waits: bool
) -> None:
    """As of a file, which has texts, and of a service, which has numbers or truth values."""
    prediction, labels = make.prediction(0, model="loans"), ("1", 1, True, 1.0, "1", 0, False, "0")
    if not waits:
        await telemetry.ingest([prediction])
    for label in labels:
        await telemetry.ingest([make.outcome(0, label, model="loans")])
    if waits:
        await telemetry.ingest([prediction])
    counts = telemetry.joins()[make.loans.name]
    assert (counts.joined, counts.corrected, counts.doubled) == (1, 1, len(labels) - 2)


@pytest.mark.parametrize("rows", [1, 100], ids=["single", "packed"])
@pytest.mark.parametrize("waits", [False, True], ids=["known", "waits"])
async def test_an_old_word_that_comes_again_does_not_undo_its_correction(
    opened: Opened, make: Any, rows: int, waits: bool
) -> None:
    """A queue that delivers at least once brings the first label again after the second."""
    telemetry = await opened()
    predictions = [make.prediction(i) for i in range(rows)]
    said = [(10, 1.0), (20, 2.0), (10, 1.0), (30, 2.0), (25, 9.0), (30, 2.0)]
    if not waits:
        await push(telemetry, predictions)
    for seconds, value in said:
        await telemetry.ingest([replace(make.outcome(0, value), time=make.start + seconds)])
    if waits:
        await push(telemetry, predictions)
    counts = telemetry.joins()[make.bike.name]
    assert (counts.joined, counts.corrected, counts.doubled) == (1, 1, 4)

    def label(one: Telemetry) -> Any:
        return [row["label"] for row in one.labelled(make.bike.name, now=from_unix(4e9))]

    assert label(telemetry) == [2.0]
    await telemetry.close()
    telemetry = await opened()
    assert label(telemetry) == [2.0]
    await telemetry.ingest([replace(make.outcome(0, 3.0), time=make.start + 30)])
    assert label(telemetry) == [3.0], "of one time the last to come stands"


async def push(telemetry: Telemetry, predictions: list[Prediction]) -> None:
    body = b"\n".join(orjson.dumps(asdict(one)) for one in predictions)
    await telemetry.ingest(parse_body(body, telemetry.tasks, lines=True))


STEP = st.tuples(
    st.sampled_from(["prediction", "outcome", "restart"]),
    st.integers(0, 3),
    st.integers(0, 1),
    st.integers(0, 2),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(steps=st.lists(STEP, max_size=14))
async def test_counts_are_exact_in_any_order(
    steps: list[tuple[str, int, int, int]], tmp_path_factory: pytest.TempPathFactory, make: Any
) -> None:
    path = tmp_path_factory.mktemp("joins") / "telemetry.db"
    telemetry = await Telemetry.open(path, make.models, VirtualClock())
    seen: set[int] = set()
    labels: dict[int, tuple[int, int]] = {}
    early: set[int] = set()
    told: set[int] = set()
    doubled = corrected = repeated = 0
    for kind, i, value, at in steps:
        if kind == "restart":
            await telemetry.close()
            telemetry = await Telemetry.open(path, make.models, VirtualClock())
        elif kind == "prediction":
            await telemetry.ingest([make.prediction(i)])
            repeated += i in seen
            early |= {i} if i in labels and i not in seen else set()
            seen.add(i)
        else:
            await telemetry.ingest([replace(make.outcome(i, float(value)), time=make.start + at)])
            known = labels.setdefault(i, (at, value))
            newer = known[1] != value and at >= known[0]
            corrected += newer
            doubled += not newer and i in told
            told.add(i)
            labels[i] = (max(at, known[0]), value if newer else known[1])
    got = telemetry.joins().get(make.bike.name, Joins())
    await telemetry.close()
    joined = len(labels.keys() & seen)
    assert got == Joins(
        predictions=len(seen), repeated=repeated, joined=joined, early=len(early), doubled=doubled,
        corrected=corrected, waiting=len(labels.keys() - seen),
    )  # fmt: skip
