"""Features as the training pipeline computes them meet those that were served, in whatever order they come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoheal import cli
from autoheal.clock import VirtualClock
from autoheal.domain.names import ModelName, Version
from autoheal.domain.past import SkewRecords
from autoheal.domain.specs import FeatureSpec, MonitorSpec
from autoheal.monitors.compared import DIFFERENT, EQUAL, NOT_SERVED, NOT_TRAINED
from autoheal.monitors.data_quality.options import SkewOptions
from autoheal.telemetry import (
    Features,
    Limits,
    Prediction,
    Record,
    Refusal,
    Telemetry,
    parse_body,
    parse_rows,
)
from autoheal.telemetry.same_features import compare, sampled
from autoheal.telemetry.skew_report import SkewReport

Open = Callable[..., Awaitable[Telemetry]]
BIKE = ModelName("bike")
SINCE, UNTIL = datetime(2000, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)


def trained(i: int, temp: Any = ..., season: Any = ..., time: float | None = None) -> Features:
    """What the pipeline says of the conftest's prediction ``i``: the same, unless told otherwise."""
    features = {"temp": float(i) if temp is ... else temp, "season": "ab"[i % 2] if season is ... else season}
    return Features(BIKE, f"r{i}", features, time)


def told(path: Path) -> tuple[dict[str, tuple[int, ...]], SkewRecords]:
    report = SkewReport(path)
    try:
        rows = report.features(BIKE, SINCE, UNTIL)
        return {
            r.feature: (r.compared, r.different, r.not_served, r.not_trained, round(r.apart * 1e6))
            for r in rows
        }, report.fates(BIKE)
    finally:
        report.close()


def test_a_record_of_features_is_checked_as_the_others(make: Any) -> None:
    row = {"kind": "features", "model": "bike", "id": 7, "features": {"temp": 1, "season": None}}
    found = parse_rows([row, row | {"time": "2011-07-01T00:00:00Z"}], make.tasks)
    assert found == [
        Features(BIKE, "7", {"temp": 1.0, "season": None}),
        Features(BIKE, "7", {"temp": 1.0, "season": None}, make.start),
    ]
    body = b"\n".join([orjson.dumps(row)] * 100)
    assert list(parse_body(body, make.tasks, lines=True)) == [found[0]] * 100
    for field, value in (("features", [1]), ("features", {"temp": [1]}), ("time", "now"), ("id", "")):
        with pytest.raises(Refusal) as refusal:
            parse_rows([row | {field: value}], make.tasks)
        assert refusal.value.field.startswith(field)
    with pytest.raises(Refusal, match="is missing"):
        parse_rows([{k: v for k, v in row.items() if k != "features"}], make.tasks)
    with pytest.raises(Refusal) as refusal:
        parse_rows([row | {"model": "nobody"}], make.tasks)
    assert refusal.value.reason == "unknown_model"


SAME: list[tuple[str, Any, Any, int]] = [
    ("temp", 1.0, 1.0 + 1e-9, EQUAL),
    ("temp", 1.0, 1.1, DIFFERENT),
    ("temp", 0.0, 1e-10, EQUAL),
    ("temp", 1e308, -1e308, DIFFERENT),
    ("temp", True, 1.0, EQUAL),
    ("temp", "1", 1.0, DIFFERENT),
    ("temp", None, float("nan"), EQUAL),
    ("temp", float("inf"), 2.0, NOT_SERVED),
    ("temp", 2.0, None, NOT_TRAINED),
    ("season", 1.0, "1", EQUAL),
    ("season", "true", True, EQUAL),
    ("season", "", None, EQUAL),
    ("season", "a", "b", DIFFERENT),
    ("season", "a", None, NOT_TRAINED),
]


@pytest.mark.parametrize(("name", "ours", "theirs", "code"), SAME)
def test_values_are_equal_when_a_model_would_see_the_same(
    make: Any, name: str, ours: Any, theirs: Any, code: int
) -> None:
    assert compare(make.bike.features, {name: ours}, {name: theirs}, SkewOptions())[name][0] == code


def test_tolerances_are_the_features_own() -> None:
    options = SkewOptions.model_validate({"tolerance": {"relative": 0.1}, "features": {"b": {"absolute": 5}}})
    specs = (FeatureSpec("a", "numeric"), FeatureSpec("b", "numeric"), FeatureSpec("c", "numeric"))
    found = compare(specs, {"a": 10.0, "b": 10.0}, {"a": 10.9, "b": 15.0, "c": 1.0, "x": 1.0}, options)
    assert {name: code for name, (code, _) in found.items()} == {"a": EQUAL, "b": EQUAL, "c": NOT_SERVED}


async def test_before_with_and_after_the_prediction(telemetry: Telemetry, make: Any, tmp_path: Path) -> None:
    await telemetry.ingest([trained(1, temp=1.5)])
    counts = await telemetry.ingest([trained(2, season=None), make.prediction(2)])
    assert (counts.accepted, counts.waiting) == (2, 0)
    await telemetry.ingest([make.prediction(1), make.prediction(3)])
    await telemetry.ingest([trained(3), trained(9)])
    features, fates = told(tmp_path / "telemetry.db")
    assert features == {"temp": (3, 1, 0, 0, 111111), "season": (3, 0, 0, 1, 0)}
    assert fates == SkewRecords(compared=3, waiting=1)


async def test_batches_that_share_a_transaction_meet(telemetry: Telemetry, make: Any, tmp_path: Path) -> None:
    await asyncio.gather(
        telemetry.ingest([make.prediction(1000)]),
        *(telemetry.ingest([trained(i)]) for i in range(20)),
        telemetry.ingest(lines(make, 100)),
        telemetry.ingest([make.prediction(500)]),
    )
    assert told(tmp_path / "telemetry.db")[1] == SkewRecords(compared=20)


async def test_a_correction_takes_the_first_word_back(
    telemetry: Telemetry, make: Any, tmp_path: Path
) -> None:
    await telemetry.ingest([make.prediction(1), trained(1, temp=7.0, time=100.0)])
    assert told(tmp_path / "telemetry.db")[0]["temp"][:2] == (1, 1)
    counts = await telemetry.ingest([trained(1, time=200.0), trained(1, temp=7.0, time=100.0)])
    assert (counts.accepted, counts.corrected, counts.duplicates) == (1, 1, 1)
    assert told(tmp_path / "telemetry.db") == (
        {"temp": (1, 0, 0, 0, 0), "season": (1, 0, 0, 0, 0)},
        SkewRecords(compared=1, corrected=1, doubled=1),
    )


def lines(make: Any, n: int) -> Sequence[Record]:
    """A batch large enough to be packed."""
    rows = [
        {
            "kind": "prediction", "model": "bike", "version": "v1", "id": f"r{i}", "time": make.start + i,
            "features": {"temp": float(i), "season": "ab"[i % 2]}, "prediction": 1.0,
        }
        for i in range(n)
    ]  # fmt: skip
    return parse_body(b"\n".join(map(orjson.dumps, rows)), make.tasks, lines=True)


async def test_packed_predictions_are_met_too(telemetry: Telemetry, make: Any, tmp_path: Path) -> None:
    await telemetry.ingest([trained(5, temp=6.0), trained(1000)])
    await telemetry.ingest(lines(make, 200))
    await telemetry.ingest([trained(7), trained(8, season="z")])
    features, fates = told(tmp_path / "telemetry.db")
    assert (features["temp"][:2], features["season"][:2]) == ((3, 1), (3, 1))
    assert fates == SkewRecords(compared=3, waiting=1)


async def test_counts_and_the_newest_comparisons_survive_the_end_of_the_process(
    opened: Open, make: Any, clock: VirtualClock, tmp_path: Path
) -> None:
    watched = replace(make.bike, monitors=(MonitorSpec("data_quality", {"skew": {}}),))

    async def begin() -> Telemetry:
        telemetry = await opened()
        await telemetry.configure({BIKE: watched})
        return telemetry

    def seen(telemetry: Telemetry) -> Any:
        view = telemetry.view(BIKE, champion=Version("v1"), since=None, reference=None, now=clock.now())
        assert view.skew is not None
        return view.skew.time.tolist(), {n: c.tolist() for n, c in view.skew.codes.items()}

    first = await begin()
    await first.ingest([make.prediction(i) for i in range(5)])
    await first.ingest([trained(0, temp=9.0), trained(1), trained(30)])
    before, shown = told(tmp_path / "telemetry.db"), seen(first)
    assert shown[1] == {"temp": [DIFFERENT, EQUAL], "season": [EQUAL, EQUAL]}
    await first.close()
    again = await begin()
    assert (told(tmp_path / "telemetry.db"), seen(again)) == (before, shown)
    await again.ingest([make.prediction(30)])
    assert told(tmp_path / "telemetry.db")[1] == SkewRecords(compared=3)
    assert len(seen(again)[0]) == 3


async def test_a_model_that_is_not_watched_has_no_part_of_it_in_its_view(
    telemetry: Telemetry, make: Any, clock: VirtualClock
) -> None:
    await telemetry.ingest([make.prediction(1), trained(1)])
    assert (
        telemetry.view(BIKE, champion=Version("v1"), since=None, reference=None, now=clock.now()).skew is None
    )


async def test_what_waits_is_bounded_in_number_and_time(
    opened: Open, make: Any, clock: VirtualClock, tmp_path: Path
) -> None:
    telemetry = await opened(waiting=50, waiting_days=1.0)
    await telemetry.ingest([trained(i) for i in range(20_000, 40_000)])
    assert told(tmp_path / "telemetry.db")[1] == SkewRecords(waiting=50, orphaned=19_950)
    await clock.advance(timedelta(days=2))
    await telemetry.ingest([make.prediction(i) for i in range(20_000)])
    assert told(tmp_path / "telemetry.db")[1] == SkewRecords(orphaned=20_000)


async def test_counts_of_old_data_stay_as_long_as_those_of_new(
    opened: Open, make: Any, clock: VirtualClock, tmp_path: Path
) -> None:
    """Data of 2011 that comes in 2026 is not old; what came long ago is."""
    telemetry = await opened(row_days=10.0)
    await telemetry.ingest([make.prediction(1), trained(1)])
    await telemetry.ingest([make.prediction(i) for i in range(2, 20_002)])
    assert told(tmp_path / "telemetry.db")[0]["temp"][0] == 1
    await clock.advance(timedelta(days=11))
    await telemetry.ingest([make.prediction(i, model="loans") for i in range(20_000)])
    assert told(tmp_path / "telemetry.db") == ({}, SkewRecords(compared=1))


async def test_sensitive_features_are_counted_and_no_more(opened: Open, make: Any, tmp_path: Path) -> None:
    telemetry = await opened()
    await telemetry.configure({BIKE: make.hidden(make.bike)})
    await telemetry.ingest([make.prediction(4), trained(4, temp=8.0)])
    assert told(tmp_path / "telemetry.db")[0]["temp"] == (1, 1, 0, 0, 0)


async def test_sampled_ids_are_those_that_every_pipeline_computes(
    telemetry: Telemetry, make: Any, tmp_path: Path
) -> None:
    await telemetry.ingest(lines(make, 300))
    await telemetry.ingest([make.prediction(i) for i in range(300, 500)])
    report = SkewReport(tmp_path / "telemetry.db")
    wanted = list(report.wanted(BIKE, 0.1, SINCE, UNTIL))
    assert [one.id for one in wanted] == [f"r{i}" for i in range(500) if sampled(f"r{i}", 0.1)]
    assert 30 <= len(wanted) <= 70
    assert wanted[0].version == "v1"
    assert len(list(report.wanted(BIKE, 1.0, SINCE, UNTIL))) == 500
    await telemetry.ingest([trained(int(wanted[0].id[1:]))])
    assert list(report.wanted(BIKE, 0.1, SINCE, UNTIL)) == wanted[1:]
    assert list(report.wanted(BIKE, 0.1, SINCE, UNTIL, known=True)) == wanted
    assert list(report.wanted(BIKE, 0.1, wanted[0].time, wanted[1].time)) == wanted[1:2]
    report.close()


VALUES = st.sampled_from([1.0, 2.0, None])


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_order_and_any_batches_give_the_same_counts(data: st.DataObject) -> None:
    """Predictions, the pipeline's words for them, corrections and repeats: only the last words count."""
    words = data.draw(
        st.lists(
            st.tuples(st.integers(0, 3), VALUES, st.integers(1, 4)),
            max_size=8,
            unique_by=lambda word: (word[0], word[2]),
        )
    )
    records: list[Record] = [trained(i, temp=temp, time=float(time)) for i, temp, time in words]
    served = {0: 1.0, 1: 2.0, 2: None}
    for i, temp in served.items():
        records.append(Prediction(BIKE, "v1", f"r{i}", 1e9, {"temp": temp, "season": "ab"[i % 2]}, 1.0))
    repeats = data.draw(st.lists(st.sampled_from(records), max_size=4))
    order = data.draw(st.permutations(records + repeats))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=3)))
    last = {i: temp for i, temp, _ in sorted(words, key=lambda w: w[2]) if i in served}
    pairs = [(served[i], temp) for i, temp in last.items()]
    features, fates = asyncio.run(ingested(order, cuts))
    if not pairs:
        assert features == {}
    else:
        assert features["temp"][:4] == (
            len(pairs),
            sum(a is not None and b is not None and a != b for a, b in pairs),
            sum(a is None and b is not None for a, b in pairs),
            sum(a is not None and b is None for a, b in pairs),
        )
    said = sum(isinstance(r, Features) for r in order)
    assert fates.compared == len(pairs)
    assert fates.waiting == len({i for i, _, _ in words} - set(served))
    assert fates.compared + fates.doubled + fates.corrected + fates.waiting == said


async def ingested(order: Sequence[Record], cuts: Sequence[int]) -> Any:
    from tests.telemetry.conftest import Make

    with TemporaryDirectory() as folder:
        path = Path(folder) / "telemetry.db"
        async with await Telemetry.open(path, Make.models, VirtualClock(), Limits()) as telemetry:
            for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True):
                await telemetry.ingest(order[start:end])
        return told(path)


MODEL = """\
version: 1
kind: model
name: bike
task: regression
features:
  temp: {type: numeric}
  season: {type: categorical}
monitors:
  data_quality: {skew: {share: 20%, features: {temp: {absolute: 0.5}}}}
"""


async def test_the_command_prints_what_differs_and_which_ids_to_compute(
    make: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("conf", "state"):
        (tmp_path / folder).mkdir()
    (tmp_path / "conf" / "bike.yaml").write_text(MODEL)
    (tmp_path / "autoheal.yaml").write_text("version: 1\nkind: daemon\n")
    path = tmp_path / "state" / "telemetry.db"
    async with await Telemetry.open(path, make.models, VirtualClock()) as telemetry:
        await telemetry.ingest(lines(make, 100))
        await telemetry.ingest([trained(1, temp=4.0), trained(2)])

    def run(*rest: str) -> tuple[int, list[dict[str, Any]]]:
        given = ["--config", str(tmp_path / "autoheal.yaml"), "--until", "2011-07-02T00:00:00Z", *rest]
        status = cli.invoke(["skew", "bike", *given])
        return status, [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]

    status, found = run("--since", "2d")
    assert status == 0
    assert [(line["feature"], line["compared"], line["share"]) for line in found[:2]] == [
        ("season", 2, 0.0),
        ("temp", 2, 0.5),
    ]
    assert found[2]["records"]["compared"] == 2
    status, ids = run("--ids", "--since", "2d")
    assert [line["id"] for line in ids] == [
        f"r{i}" for i in range(100) if sampled(f"r{i}", 0.2) and i not in (1, 2)
    ]
    assert ids[0]["time"].startswith("2011-07-01T00:0")
    assert len(run("--ids", "--all", "--since", "2d")[1]) >= len(ids)
    assert run("--ids", "--since", "1h", "--until", "2011-06-01T00:00:00Z") == (0, [])
    (tmp_path / "conf" / "bike.yaml").write_text(MODEL.split("monitors", maxsplit=1)[0])
    assert run("--ids")[0] == 2
    assert run("--until", "soon")[0] == 2
