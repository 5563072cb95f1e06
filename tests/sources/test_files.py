"""CSV files that grow, rotate, shrink and hold bad rows; every good row exactly once, over restarts too."""

# ruff: noqa: ASYNC240 - a test may wait for its own small files

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from autoheal.clock import SystemClock
from autoheal.domain.names import ModelName, Task, Verdict
from autoheal.domain.specs import FeatureSpec, ModelSpec
from autoheal.errors import StoreError
from autoheal.sources.files import Files
from autoheal.telemetry import Features, Outcome, Prediction

SPEC = ModelSpec(
    ModelName("m"),
    Task.REGRESSION,
    features=(FeatureSpec("temp", "numeric"), FeatureSpec("s", "categorical")),
)
HEADER = "request,ts,truth\n"


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in" / "labels.csv"


def source(labels: Path, pattern: str = "*.csv", **rest: Any) -> Files:
    given: dict[str, Any] = {
        "holds": "outcomes",
        "columns": {"id": "request", "time": "ts", "label": "truth"},
    } | rest
    return Files("labels", path=str(labels.parent / pattern), spec=SPEC, state_file=labels.parent.parent / "labels.json", **given)  # fmt: skip


def ids(sink: Any) -> list[str]:
    return [r.id for r in sink.records]


async def test_rows_are_handed_on_once_as_the_file_grows(labels: Path, sink: Any) -> None:
    one = source(labels)
    labels.write_text(HEADER + "a,2011-07-01 05:00:00,1.5\nb,1309500000,2")
    await one.poll(sink)
    assert sink.records == [Outcome(SPEC.name, "a", 1_309_496_400.0, 1.5)], "an unfinished line waits"
    with labels.open("a") as file:
        file.write("0\nc,2011-07-02,3\n")
    await one.poll(sink)
    await one.poll(sink)
    assert [(r.id, r.time, r.label) for r in sink.records[1:]] == [
        ("b", 1.3095e9, 20.0),
        ("c", 1_309_564_800.0, 3.0),
    ]


async def test_a_restart_goes_on_where_it_was(labels: Path, sink: Any) -> None:
    labels.write_text(HEADER + "a,1,1\n")
    await source(labels).poll(sink)
    with labels.open("a") as file:
        file.write("b,2,2\n")
    await source(labels).poll(sink)
    assert ids(sink) == ["a", "b"]
    assert labels.parent.parent.joinpath("labels.json").stat().st_mode & 0o777 == 0o600


async def test_a_rotated_file_is_finished_and_the_new_one_begun(labels: Path, sink: Any) -> None:
    one = source(labels, "labels*")
    labels.write_text(HEADER + "a,1,1\n")
    await one.poll(sink)
    with labels.open("a") as file:
        file.write("b,2,2\n")
    labels.rename(labels.with_name("labels.csv.1"))
    labels.write_text(HEADER + "c,3,3\n")
    await one.poll(sink)
    assert sorted(ids(sink)) == ["a", "b", "c"]
    labels.write_text(HEADER)
    await one.poll(sink)
    with labels.open("a") as file:
        file.write("d,4,4\n")
    await one.poll(sink)
    assert ids(sink)[-1] == "d"
    assert len(ids(sink)) == 4, "a truncated file is begun again, with what is new in it"


async def test_bad_rows_are_counted_and_skipped(
    labels: Path, sink: Any, caplog: pytest.LogCaptureFixture
) -> None:
    labels.write_text(
        HEADER + "a,1,1\n,2,2\nc,yesterday,3\nd,4,much\n\ne,5\nf,6,6,7,8\n" + "x" * 300 + ",1,1\ng,7,7\n"
    )
    one = source(labels)
    await one.poll(sink)
    assert ids(sink) == ["a", "f", "g"]
    assert one.refused == {"id": 2, "time": 1, "label": 2}
    assert "skipped" in caplog.text


async def test_predictions_with_features(labels: Path, sink: Any) -> None:
    labels.write_text(
        "\ufeffid,time,version,prediction,temp,s,latency_ms\r\np,1,v1,2.5,21,1,3\r\nq,2,v1,2.5,warm,,\r\n"
    )
    await source(labels, holds="predictions", columns={}).poll(sink)
    assert sink.records == [
        Prediction(SPEC.name, "v1", "p", 1.0, {"temp": 21.0, "s": "1"}, 2.5, None, 3.0),
        Prediction(SPEC.name, "v1", "q", 2.0, {"temp": "warm", "s": None}, 2.5),
    ]


async def test_features_of_the_training_pipeline(labels: Path, sink: Any) -> None:
    labels.write_text("id,time,temp,s\np,2011-07-01T00:00:00Z,21.5,1\nq,,,b\n")
    await source(labels, holds="features", columns={}).poll(sink)
    assert sink.records == [
        Features(SPEC.name, "p", {"temp": 21.5, "s": "1"}, 1_309_478_400.0),
        Features(SPEC.name, "q", {"temp": None, "s": "b"}),
    ]


async def test_a_store_that_is_full_loses_nothing(labels: Path, sink: Any) -> None:
    labels.write_text(HEADER + "a,1,1\n")
    one = source(labels)
    sink.refuse = StoreError("disk full")
    with pytest.raises(StoreError):
        await one.poll(sink)
    await one.poll(sink)
    assert ids(sink) == ["a"]


async def test_no_file_is_away_and_a_foreign_state_file_is_begun_anew(
    labels: Path, sink: Any, clock: SystemClock
) -> None:
    labels.parent.parent.joinpath("labels.json").write_text("[1,2")
    task = asyncio.create_task(source(labels, every=0.01).run(sink, clock))
    try:
        await sink.until(lambda: bool(sink.findings) and sink.findings[-1].verdict is Verdict.BREACH)
        assert "no file matches" in sink.findings[-1].detail
        labels.write_text(HEADER + "a,1,1\n")
        await sink.until(lambda: sink.findings[-1].verdict is Verdict.OK)
        assert ids(sink) == ["a"]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_many_rows_come_in_pieces(labels: Path, sink: Any) -> None:
    labels.write_text(HEADER + "".join(f"{i},1,{i}\n" for i in range(300_000)))
    await source(labels).poll(sink)
    assert len(sink.records) == 300_000
    assert len(set(ids(sink))) == 300_000
