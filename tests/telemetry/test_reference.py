"""reference.json: built from columns, read back, refused when it is none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.domain.names import ModelName, Task, Version
from autoheal.domain.specs import FeatureSpec, SliceSpec
from autoheal.errors import TelemetryError
from autoheal.monitors.rows import Column
from autoheal.telemetry import References, build_performance, build_reference, load_reference

NUMBER, LEVEL = FeatureSpec("x", "numeric"), FeatureSpec("s", "categorical")


def test_a_reference_survives_json() -> None:
    rng = np.random.default_rng(1)
    x = [None if i % 50 == 0 else float(v) for i, v in enumerate(rng.normal(size=1000))]
    s = [None if i % 100 == 0 else "abc"[i % 3] for i in range(1000)]
    y, p = rng.normal(size=400), rng.normal(size=400)
    raw = build_reference([NUMBER, LEVEL], {"x": x, "s": s}, build_performance(Task.REGRESSION, y, p), 4.5)
    reference = load_reference(orjson.dumps(raw))
    assert reference.rows == 1000
    assert reference.latency_p95_ms == 4.5
    assert reference.performance["mae"].value == pytest.approx(np.abs(y - p).mean())
    assert reference.performance["rmse"].value == pytest.approx(math.sqrt(((y - p) ** 2).mean()))
    one, two = reference.features["x"], reference.features["s"]
    assert one.counts.sum() == two.counts.sum() == 1000
    assert (one.missing, two.missing) == (0.02, 0.01)
    assert one.bins is not None
    assert one.counts[one.bins.missing] == 20
    assert two.levels is not None
    assert dict(zip(two.labels, two.counts.tolist(), strict=True)) == {
        "a": 330,
        "b": 330,
        "c": 330,
        "<other>": 0,
        "<missing>": 10,
    }
    assert (one.run, two.run) == (1, 1)


def test_numbers_with_few_values_are_levels_and_constants_too() -> None:
    reference = load_reference(build_reference([NUMBER], {"x": [0, 1.0, 2] * 50}))
    assert reference.features["x"].labels == ("0", "1", "2", "<other>", "<missing>")
    constant = load_reference(build_reference([NUMBER], {"x": [7] * 30})).features["x"]
    assert (constant.labels[0], constant.run, constant.low, constant.high) == ("7", 30, 7.0, 7.0)
    empty = load_reference(build_reference([NUMBER], {"x": [None] * 30})).features["x"]
    assert (empty.missing, empty.counts.tolist()) == (1.0, [0, 30])


def test_classes_their_positive_one_and_scores() -> None:
    found = build_performance(
        Task.CLASSIFICATION, [1, 0, "1", True, 0], [1, 1, 1, 0, 0], [0.9, 0.6, 0.8, 0.4, 0.1]
    )
    assert (found["classes"], found["positive"]) == (["0", "1"], "1")
    assert found["performance"]["accuracy"]["value"] == pytest.approx(0.6)
    assert found["performance"]["f1"]["value"] == pytest.approx(4 / 6)
    assert found["performance"]["log_loss"]["value"] == pytest.approx(
        -np.log([0.9, 0.4, 0.8, 0.4, 0.9]).mean()
    )
    assert found["loss"] == {"mean": pytest.approx(0.4), "n": 5, "scale": 1.0, "alike": 1.0}
    many = build_performance(Task.CLASSIFICATION, ["a", "b", "c"] * 10, ["a", "b", "a"] * 10)
    assert many["positive"] == ""
    assert many["performance"]["f1"]["value"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert "log_loss" not in many["performance"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"rows":1,"performance":{},"features":{"x":{}}}',
        b"null",
        b'{"rows":1,"performance":{"mae":1},"features":{}}',
    ],
)
def test_what_is_no_reference_says_so(raw: bytes) -> None:
    with pytest.raises(TelemetryError, match=r"not a reference\.json"):
        load_reference(raw)


def test_references_are_read_once_and_absent_ones_may_still_come(tmp_path: Path) -> None:
    path = tmp_path / "reference.json"
    references = References(lambda _m, v: path if v == "v1" else None)
    model, one, two = ModelName("m"), Version("v1"), Version("v2")
    assert references.get(model, one) is None
    assert references.get(model, two) is None
    path.write_bytes(orjson.dumps(build_reference([NUMBER], {"x": [1.0, 2.0]})))
    first = references.get(model, one)
    assert first is not None
    path.unlink()
    assert references.get(model, one) is first


def test_former_references_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("now", "broken", "gone", "before")]
    for path, rows in zip(files, ([1.0, 2.0], [], [], [1.0, 2.0, 3.0]), strict=True):
        path.write_bytes(orjson.dumps(build_reference([NUMBER], {"x": rows})) if rows else b"{}")
    files[2].unlink()
    references = References(lambda _m, _v: files[0], lambda _m, _v: files[1:])
    assert [found.rows for found in references.ever(ModelName("m"), Version("v1"))] == [2, 3]


@given(st.lists(st.none() | st.floats() | st.integers(-1000, 1000), min_size=1, max_size=80))
def test_any_numeric_column_has_a_reference(column: list[Any]) -> None:
    found = load_reference(orjson.dumps(build_reference([NUMBER], {"x": column}))).features["x"]
    assert found.counts.sum() == len(column)
    assert (found.counts >= 0).all()
    assert len(found.labels) == len(found.counts)


def test_slices_have_their_own_baselines_and_inputs() -> None:
    rng = np.random.default_rng(8)
    where = np.array(["n", "s", "rare"])[np.r_[np.tile([0, 1], 1_000), [2] * 30]]
    x = np.where(where == "n", 5.0, 0.0) + rng.normal(size=len(where))
    truth = rng.integers(0, 2, len(where))
    said = np.where((where == "s") & (rng.random(len(where)) < 0.3), 1 - truth, truth)
    cuts = (SliceSpec("s", most=2), SliceSpec("x", bins=(2.5,)))
    columns = {"x": x.tolist(), "s": where.tolist()}
    performance = build_performance(
        Task.CLASSIFICATION, truth.tolist(), said.tolist(), slices=cuts, columns=columns
    )
    raw = orjson.dumps(build_reference([NUMBER, LEVEL], columns, performance, slices=cuts))
    found = load_reference(raw).slices
    by_level, by_number = found["s"], found["x"]
    assert by_level.cut.levels == ("n", "s")
    assert by_level.parts["s=n"].performance["accuracy"].value == 1.0
    assert by_level.parts["s=s"].performance["accuracy"].value == pytest.approx(0.7, abs=0.05)
    assert by_level.parts["s=<other>"].loss is None
    assert [by_number.parts[name].rows for name in ("x<=2.5", "x>2.5")] == [
        int((x <= 2.5).sum()),
        int((x > 2.5).sum()),
    ]
    whole = load_reference(raw).features["x"]
    split = sum(by_level.parts[f"s={name}"].features["x"].counts for name in "ns")
    rare = whole.tally(Column("numeric", x[where == "rare"], np.zeros(30, np.uint8)))
    assert (split + rare == whole.counts).all()
    assert set(by_number.parts["x>2.5"].features) == {"s"}
