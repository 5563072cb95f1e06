"""History by slice: each column's slices add up to the whole, for rows and labels, whatever comes when."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoheal.clock import VirtualClock
from autoheal.domain.names import ModelName, Task
from autoheal.domain.specs import FeatureSpec, ModelSpec, SliceSpec
from autoheal.errors import StoreError
from autoheal.monitors.rows import NULL, PRESENT, Column
from autoheal.monitors.slicing import Cut, cut_of
from autoheal.telemetry import Outcome, Prediction, Telemetry
from autoheal.telemetry.history import export
from autoheal.telemetry.pack import pack
from autoheal.telemetry.records import Record
from autoheal.telemetry.summary import Summary
from autoheal.telemetry.values import from_unix

Opened = Callable[..., Awaitable[Telemetry]]
T0 = 1_309_478_400.0
FEATURES = (
    FeatureSpec("region", "categorical"),
    FeatureSpec("age", "numeric"),
    FeatureSpec("plan", "categorical"),
)
SLICES = (
    SliceSpec("region", most=3),
    SliceSpec("age", bins=(25.0, 45.0)),
    SliceSpec("plan", levels=("free", "paid")),
)
SPEC = ModelSpec(ModelName("shop"), Task.CLASSIFICATION, features=FEATURES, slices=SLICES)

region = st.sampled_from(
    ["north", "south", "new york", "new/york", "a" * 90, "east", "west", 1, 1.0, True, "", None]
)
age = st.sampled_from([25, 25.0, 25.001, 45.0, 46, -3.5, True, None, "old", 1e300])
plan = st.sampled_from(["free", "paid", "trial", None])


@st.composite
def streams(draw: st.DrawFn) -> list[list[Record]]:
    """Predictions and one or two labels of most of them, shuffled, in batches."""
    records: list[Record] = []
    for i in range(draw(st.integers(1, 12))):
        raw = {"region": draw(region), "age": draw(age), "plan": draw(plan)}
        features = {name: value for name, value in raw.items() if draw(st.booleans()) or value is not None}
        said, score = draw(st.sampled_from(["yes", "no"])), draw(st.sampled_from([None, 0.25, 0.75]))
        version = draw(st.sampled_from(["v1", "v2"]))
        when = T0 + draw(st.sampled_from([0.0, 30.0, 90.0, 7200.0]))
        records.append(Prediction(SPEC.name, version, f"r{i}", when, features, said, score))
        labels = draw(st.lists(st.sampled_from(["yes", "no"]), max_size=2))
        records += [Outcome(SPEC.name, f"r{i}", when + 60.0, label) for label in labels]
    order = draw(st.permutations(records))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=3)))
    return [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True) if b > a]


def totals(telemetry: Telemetry, slice_: str | None) -> dict[str, Counter[Any]]:
    """By slice: rows, answers and labels of all its buckets."""
    history = telemetry.history()
    found: dict[str, Counter[Any]] = {}
    start = from_unix(T0 - 86_400)
    for one in history.buckets(SPEC.name, start, start + timedelta(days=9), slice_=slice_):
        found.setdefault(one.bucket.slice, Counter()).update(flat(one.bucket.version, one.summary))
    history.close()
    return {name: Counter({k: n for k, n in one.items() if n}) for name, one in found.items()}


def flat(version: str, summary: Summary) -> Counter[Any]:
    counted: Counter[Any] = Counter({(version, "rows"): summary.rows})
    counted.update({(version, "cell", i): int(n) for i, n in enumerate(summary.counts)})
    counted.update({(version, "score", i): int(n) for i, n in enumerate(summary.answers.scores)})
    counted.update({(version, "label", *pair): n for pair, n in summary.answers.confusion.items()})
    return counted


def of_column(found: dict[str, Counter[Any]], feature: str) -> Counter[Any]:
    mine: Counter[Any] = Counter()
    for name, one in found.items():
        if name and feature in name.split("=")[0]:
            mine.update(one)
    return Counter({k: n for k, n in mine.items() if n})


async def stored(batches: Sequence[Sequence[Record]], folder: Path) -> dict[str, Counter[Any]]:
    clock = VirtualClock(from_unix(T0))
    async with await Telemetry.open(folder / "telemetry.db", {SPEC.name: SPEC}, clock) as telemetry:
        for batch in batches:
            await telemetry.ingest(batch)
    # Again from the disk, as after a restart.
    async with await Telemetry.open(folder / "telemetry.db", {SPEC.name: SPEC}, clock) as telemetry:
        return totals(telemetry, None)


@settings(max_examples=25, deadline=None)
@given(batches=streams())
def test_the_slices_of_a_column_add_up_to_the_whole_in_any_order(batches: list[list[Record]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(stored(batches, Path(folder)))
    for feature in ("region", "age", "plan"):
        assert of_column(found, feature) == found[""]


@settings(max_examples=15, deadline=None)
@given(batches=streams())
def test_labels_are_judged_in_the_slice_of_their_row_whatever_came_first(
    batches: list[list[Record]],
) -> None:
    records = [record for batch in batches for record in batch]
    last = {r.id: r.label for r in records if isinstance(r, Outcome)}
    expected: Counter[Any] = Counter()
    for row in records:
        if isinstance(row, Prediction) and row.id in last:
            value = row.features.get("age")
            place = Cut("age", (25.0, 45.0)).number(float(value) if isinstance(value, int | float) else None)
            expected[Cut("age", (25.0, 45.0)).names[place], last[row.id], row.prediction] += 1
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(stored(batches, Path(folder)))
    judged: Counter[Any] = Counter()
    for name, one in found.items():
        if "age" in name:
            for key, n in one.items():
                if key[1] == "label":
                    judged[name, key[2], key[3]] += n
    assert judged == expected


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_a_number_and_its_column_are_cut_alike(values: list[float]) -> None:
    cut = cut_of(SLICES[1])
    column = Column(
        "numeric", np.array([*values, np.nan]), np.array([PRESENT] * len(values) + [NULL], np.uint8)
    )
    assert cut.codes(column).tolist() == [*map(cut.number, values), cut.number(None)]
    assert cut.names == ("age<=25", "25<age<=45", "age>45", "age=<missing>")


@given(levels=st.lists(st.text(max_size=80), max_size=8, unique=True))
def test_levels_have_names_that_a_policy_can_write(levels: list[str]) -> None:
    cut = cut_of(SliceSpec("region", most=4), levels)
    assert len(set(cut.names)) == len(cut.names) <= 6
    for level in levels:
        name = cut.names[cut.level(level)]
        assert not set(name) & set(" \n\t/*?[]:")
        assert len(name) <= 100


async def test_packed_rows_have_slices_and_so_have_their_late_labels(tmp_path: Path) -> None:
    clock = VirtualClock(from_unix(T0))
    rng = np.random.default_rng(3)
    where = rng.choice(["north", "south", "east", "west"], 400).tolist()
    lines = [
        {
            "kind": "prediction", "model": "shop", "version": "v1", "id": f"p{i}", "time": T0 + i, "prediction": "yes",
            "features": {"region": where[i], "age": float(i % 60), "plan": "paid"},
        }
        for i in range(400)
    ]  # fmt: skip
    batch = pack(b"\n".join(map(orjson.dumps, lines)), {SPEC.name: SPEC.task})
    assert batch is not None
    async with await Telemetry.open(tmp_path / "telemetry.db", {SPEC.name: SPEC}, clock) as telemetry:
        await telemetry.ingest(batch)
        await telemetry.ingest([Outcome(SPEC.name, f"p{i}", T0 + i, "no") for i in range(400)])
        await telemetry.ingest([Outcome(SPEC.name, f"p{i}", T0 + i, "yes") for i in range(0, 400, 2)])
        found = totals(telemetry, None)
    for feature in ("region", "age", "plan"):
        assert of_column(found, feature) == found[""]
    north = [i for i in range(400) if where[i] == "north"]
    mine = found["region=north"]
    assert mine["v1", "rows"] == len(north)
    assert mine["v1", "label", "yes", "yes"] == sum(i % 2 == 0 for i in north)
    assert mine["v1", "label", "no", "yes"] == sum(i % 2 for i in north)


async def test_levels_beyond_the_bound_are_one_slice_and_stay_so_after_a_restart(tmp_path: Path) -> None:
    clock = VirtualClock(from_unix(T0))

    def row(i: int, where: str) -> Prediction:
        return Prediction(SPEC.name, "v1", f"r{i}", T0 + i, {"region": where, "age": 30.0}, "yes")

    async with await Telemetry.open(tmp_path / "telemetry.db", {SPEC.name: SPEC}, clock) as telemetry:
        await telemetry.ingest([row(i, where) for i, where in enumerate("abcde")])
    async with await Telemetry.open(tmp_path / "telemetry.db", {SPEC.name: SPEC}, clock) as telemetry:
        await telemetry.ingest([row(9, "e"), row(10, "c")])
        found = totals(telemetry, None)
    rows = {name: one["v1", "rows"] for name, one in found.items() if name.startswith("region=")}
    assert rows == {"region=a": 1, "region=b": 1, "region=c": 2, "region=<other>": 3}


async def test_a_batch_that_was_not_stored_takes_no_seats(tmp_path: Path) -> None:
    """Else a level without rows had one until the next start, and others were moved by it."""
    clock, path = VirtualClock(from_unix(T0)), tmp_path / "telemetry.db"

    def row(where: str) -> Prediction:
        return Prediction(SPEC.name, "v1", where, T0, {"region": where, "age": 30.0}, "yes")

    async with await Telemetry.open(path, {SPEC.name: SPEC}, clock) as telemetry:
        await telemetry.ingest([row("a")])
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("CREATE TRIGGER full BEFORE INSERT ON summaries BEGIN SELECT RAISE(FAIL, 'full'); END")
            with pytest.raises(StoreError, match="full"):
                await telemetry.ingest([row("b"), row("c")])
            db.execute("DROP TRIGGER full")
        await telemetry.ingest([row("d"), row("e"), row("f")])
        found = totals(telemetry, None)
    assert {name for name in found if name.startswith("region=")} == {
        "region=a", "region=d", "region=e", "region=<other>"
    }  # fmt: skip


async def test_a_changed_list_of_slices_counts_from_the_next_row(tmp_path: Path) -> None:
    clock = VirtualClock(from_unix(T0))
    row = Prediction(SPEC.name, "v1", "r1", T0, {"region": "north", "age": 30.0}, "yes")
    bare = replace(SPEC, slices=())
    async with await Telemetry.open(tmp_path / "telemetry.db", {SPEC.name: bare}, clock) as telemetry:
        await telemetry.ingest([row])
        assert set(totals(telemetry, None)) == {""}
        await telemetry.configure({SPEC.name: replace(SPEC, slices=SLICES[:1])})
        await telemetry.ingest([replace(row, id="r2")])
        await telemetry.configure({SPEC.name: replace(SPEC, slices=(SliceSpec("age", bins=(10.0,)),))})
        await telemetry.ingest([replace(row, id="r3")])
        rows = {name: one["v1", "rows"] for name, one in totals(telemetry, None).items()}
    assert rows == {"": 3, "region=north": 1, "age>10": 1}


@pytest.mark.parametrize("wanted", ["age>45", None])
async def test_history_is_exported_by_slice(tmp_path: Path, wanted: str | None) -> None:
    clock = VirtualClock(from_unix(T0))
    path = tmp_path / "telemetry.db"
    async with await Telemetry.open(path, {SPEC.name: SPEC}, clock) as telemetry:
        rows = [Prediction(SPEC.name, "v1", f"r{i}", T0, {"age": 20.0 * i}, "yes") for i in range(4)]
        await telemetry.ingest(rows)
    start = from_unix(T0 - 3600)
    got = list(export(path, {SPEC.name: SPEC}, start, start + timedelta(days=1), slice_=wanted))
    counted = {r["slice"]: r["rows"] for r in got if r["subject"] == "answers"}
    everything = {
        "": 4,
        "age<=25": 2,
        "25<age<=45": 1,
        "age>45": 1,
        "region=<missing>": 4,
        "plan=<missing>": 4,
    }
    assert counted == ({"age>45": 1} if wanted else everything)


async def test_names_from_before_a_column_was_sensitive_are_not_exported(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    async with await Telemetry.open(path, {SPEC.name: SPEC}, VirtualClock(from_unix(T0))) as telemetry:
        row = Prediction(SPEC.name, "v1", "r1", T0, {"region": "north", "age": 3.0, "plan": "free"}, "yes")
        await telemetry.ingest([row])
    hidden = replace(SPEC, features=tuple(replace(f, sensitive=True) for f in FEATURES))
    start = from_unix(T0 - 3600)
    got = {r["slice"] for r in export(path, {SPEC.name: hidden}, start, start + timedelta(days=1))}
    assert got == {"", "age<=25", "plan=free"}
