"""More versions, levels and classes than are kept apart: what somebody asks for by name is never among the others."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoheal.clock import VirtualClock
from autoheal.domain.names import Version
from autoheal.errors import StoreError
from autoheal.monitors.view import View
from autoheal.telemetry import (
    Outcome,
    Prediction,
    Telemetry,
    build_performance,
    build_reference,
    load_reference,
)
from autoheal.telemetry.classes import MOST_CLASSES
from autoheal.telemetry.values import from_unix
from autoheal.telemetry.vocabulary import MAX_LEVELS, MAX_VERSIONS, OTHER

Opened = Callable[..., Awaitable[Telemetry]]
MANY = 3 * MAX_LEVELS


def row(
    make: Any, i: int, season: str = "a", version: str = "v1", said: Any = 1, score: float | None = None
) -> Prediction:
    features = {"temp": 1.0, "season": season}
    return Prediction(make.loans.name, version, f"r{i}", make.start + i / 100.0, features, said, score)


def seen(telemetry: Telemetry, make: Any, reference: Any = None, champion: str = "v1") -> View:
    at = from_unix(make.start + 3_600.0)
    return telemetry.view(
        make.loans.name, champion=Version(champion), since=None, reference=reference, now=at
    )


async def test_levels_of_the_reference_are_told_apart_however_late_they_come(
    opened: Opened, make: Any
) -> None:
    common = [f"k{i}" for i in range(40)]
    past = [common[i % 40] for i in range(2_000)]
    reference = load_reference(build_reference(make.loans.features, {"temp": [1.0] * 2_000, "season": past}))
    telemetry = await opened()
    await telemetry.ingest([row(make, i, f"junk{i}") for i in range(MANY)])
    await telemetry.ingest([row(make, MANY + i, common[i % 40]) for i in range(800)])
    blind = seen(telemetry, make).rows.features["season"]
    assert len(blind.levels) == MAX_LEVELS + 1
    assert reference.features["season"].tally(blind)[:-2].sum() == 0
    known = seen(telemetry, make, reference).rows
    counts = reference.features["season"].tally(known.features["season"])
    assert counts.tolist() == [20] * 40 + [MANY, 0]
    await telemetry.ingest([row(make, MANY + 800 + i, common[i % 40]) for i in range(40)])
    assert (
        reference.features["season"].tally(seen(telemetry, make, reference).rows.features["season"])[0] == 21
    )
    again = await opened()
    counts = reference.features["season"].tally(seen(again, make, reference).rows.features["season"])
    assert counts.tolist() == [21] * 40 + [MANY, 0], "the same after a restart"


async def test_a_sender_who_takes_an_id_for_a_version_hides_no_champion(
    opened: Opened, make: Any, tmp_path: Path, clock: VirtualClock
) -> None:
    clock.current = from_unix(make.start)
    telemetry = await opened()
    for start in range(0, MANY, 500):
        await telemetry.ingest([row(make, i, version=f"id{i}") for i in range(start, start + 500)])
        await telemetry.ingest(
            [Outcome(make.loans.name, f"r{i}", make.start, 1) for i in range(start, start + 500)]
        )
    await telemetry.ingest([row(make, MANY + i, version="v2") for i in range(60)])
    assert telemetry.matured(make.loans.name, now=from_unix(make.start + 9e4), version=Version("v2")) == 0
    await telemetry.ingest([Outcome(make.loans.name, f"r{MANY + i}", make.start, 1) for i in range(60)])
    assert telemetry.matured(make.loans.name, now=from_unix(make.start + 9e4), version=Version("v2")) == 60
    assert seen(telemetry, make, champion="v2").rows.version_is("v2").sum() == 60
    db = sqlite3.connect(tmp_path / "telemetry.db")
    versions = {v for (v,) in db.execute("SELECT DISTINCT version FROM summaries")}
    db.close()
    assert len(versions) == MAX_VERSIONS + 1, "labels are counted where their rows are"
    history = telemetry.history()
    span = (from_unix(make.start), from_unix(make.start + 3_600.0), timedelta(hours=1))
    found = {
        f.version: f for f in history.facts(make.loans, lambda _: [], *span, path="performance/accuracy")
    }
    history.close()
    assert sum(f.n for f in found.values()) == MANY + 60
    assert found[OTHER].n == MANY + 60 - MAX_VERSIONS


async def test_classes_without_end_have_a_bounded_confusion(opened: Opened, make: Any) -> None:
    """The truth is a text that hardly ever repeats; accuracy is exact all the same."""
    telemetry = await opened()
    rng = np.random.default_rng(4)
    truth = [f"c{i}" for i in range(500)]
    said = [name if rng.random() < 0.7 else f"no{i}" for i, name in enumerate(truth)]
    await telemetry.ingest([row(make, i, said=name) for i, name in enumerate(said)])
    await telemetry.ingest([Outcome(make.loans.name, f"r{i}", make.start + 9, "first") for i in range(500)])
    await telemetry.ingest(
        [Outcome(make.loans.name, f"r{i}", make.start + 10, name) for i, name in enumerate(truth)]
    )
    history = telemetry.history()
    span = (from_unix(make.start), from_unix(make.start + 3_600.0))
    whole = [one.summary for one in history.buckets(make.loans.name, *span)]
    [fact] = history.facts(make.loans, lambda _: [], *span, timedelta(hours=1), path="performance/accuracy")
    history.close()
    confusion = [pair for one in whole for pair in one.answers.confusion]
    assert len({name for pair in confusion for name in pair}) <= MOST_CLASSES + 2
    assert (fact.n, fact.error) == (500, 0.0)
    assert fact.value == pytest.approx(np.mean([a == b for a, b in zip(truth, said, strict=True)]))


async def test_scores_counted_before_any_reference_are_known_to_the_first(opened: Opened, make: Any) -> None:
    rng = np.random.default_rng(5)
    scores, truth = rng.random(300), rng.integers(0, 2, 300)
    telemetry = await opened()
    await telemetry.ingest([row(make, i, said=int(s > 0.5), score=float(s)) for i, s in enumerate(scores)])
    early = [
        Outcome(make.loans.name, f"r{i}", make.start + 9, int(y if i % 4 else 1 - y))
        for i, y in enumerate(truth)
    ]
    await telemetry.ingest(early)
    past = {"temp": [1.0] * 400, "season": ["a"] * 400}
    judged = build_performance(make.loans.task, [0, 1] * 200, [0, 1] * 200, [0.1, 0.9] * 200)
    reference = load_reference(build_reference(make.loans.features, past, judged))
    seen(telemetry, make, reference)
    await telemetry.ingest([row(make, 300, said=1, score=0.5)])
    mended = [
        Outcome(make.loans.name, f"r{i}", make.start + 20, int(y)) for i, y in enumerate(truth) if i % 4 == 0
    ]
    await telemetry.ingest(mended)
    history = telemetry.history()
    span = (from_unix(make.start), from_unix(make.start + 3_600.0), timedelta(hours=1))
    found = {f.path: f for f in history.facts(make.loans, lambda _: [reference], *span, path="performance/*")}
    history.close()
    exact = {
        "brier": np.mean((scores - truth) ** 2),
        "log_loss": -np.mean(np.log(np.where(truth == 1, scores, 1.0 - scores))),
    }
    for metric, value in exact.items():
        fact = found[f"performance/{metric}"]
        assert fact.n == 300
        assert abs(fact.value - value) <= fact.error < 1e-5


async def test_a_transaction_that_failed_costs_the_classes_of_the_reference_no_seat(
    opened: Opened, make: Any, tmp_path: Path
) -> None:
    past = {"temp": [1.0] * 400, "season": ["a"] * 400}
    judged = build_performance(make.loans.task, ["no", "yes"] * 200, ["no", "yes"] * 200)
    telemetry = await opened()
    await telemetry.ingest([row(make, i, said=f"c{i}") for i in range(80)])
    seen(telemetry, make, load_reference(build_reference(make.loans.features, past, judged)))
    labels = [Outcome(make.loans.name, f"r{i}", make.start + 9, f"c{i}") for i in range(80)]
    with sqlite3.connect(tmp_path / "telemetry.db") as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON class_seats WHEN NEW.class = 'c5' BEGIN SELECT RAISE(FAIL, 'full'); END"
        )
    with pytest.raises(StoreError):
        await telemetry.ingest(labels)
    with sqlite3.connect(tmp_path / "telemetry.db") as other:
        other.execute("DROP TRIGGER full")
    await telemetry.ingest(labels)
    seats = {name for (name,) in other.execute("SELECT class FROM class_seats")}
    other.close()
    assert {"no", "yes"} < seats
    assert len(seats) == MOST_CLASSES
