"""Parsing: what is taken, and what exactly is said about what is not."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.domain.names import ModelName, Task
from autoheal.telemetry import Metric, Outcome, Prediction, Refusal, parse_body, parse_rows

TASKS = {ModelName("bike"): Task.REGRESSION, ModelName("loans"): Task.CLASSIFICATION}
GOOD: dict[str, Any] = {
    "kind": "prediction",
    "model": "bike",
    "version": "v1",
    "id": "a",
    "time": "2011-07-01T00:00:00Z",
    "features": {"temp": 1, "season": "summer", "open": True, "gone": None},
    "prediction": 12.5,
}
OUTCOME: dict[str, Any] = {"kind": "outcome", "model": "bike", "id": "a", "time": 5, "label": 3}


def refusal(*rows: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        parse_rows(rows, TASKS)
    return caught.value


def test_the_three_kinds_are_read() -> None:
    metric = {"kind": "metric", "model": "bike", "name": "error_rate", "value": 0.5, "time": 7.5}
    prediction, outcome, sample = parse_rows([GOOD, OUTCOME, metric], TASKS)
    assert isinstance(prediction, Prediction)
    assert prediction.time == 1_309_478_400.0
    assert prediction.features == {"temp": 1.0, "season": "summer", "open": True, "gone": None}
    assert isinstance(outcome, Outcome)
    assert outcome.label == 3.0
    assert isinstance(sample, Metric)
    assert sample.value == 0.5


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"id": "x" * 1_000_000}, "id", "at most 200 characters"),
        ({"id": ""}, "id", "must not be empty"),
        ({"id": None}, "id", "string"),
        ({"id": 10**5000}, "id", "string"),
        ({"time": math.nan}, "time", "between 1970 and 2100"),
        ({"time": math.inf}, "time", "between 1970 and 2100"),
        ({"time": 1_309_478_400_000}, "time", "not milliseconds"),
        ({"time": -1}, "time", "between 1970 and 2100"),
        ({"time": "2011-07-01T00:00:00"}, "time", "offset"),
        ({"time": "yesterday"}, "time", "ISO 8601"),
        ({"time": True}, "time", "ISO 8601 text or unix seconds"),
        ({"score": math.nan}, "score", "finite"),
        ({"score": 1.5}, "score", "less than or equal to 1"),
        ({"score": True}, "score", "number"),
        ({"latency_ms": "3"}, "latency_ms", "number"),
        ({"features": []}, "features", "object"),
        ({"features": {"temp": [1]}}, "features.temp", "a number, a text"),
        ({"features": {"temp": "x" * 2000}}, "features.temp", "at most 1000 characters"),
        ({"prediction": math.inf}, "prediction", "finite"),
        ({"prediction": {"a": 1}}, "prediction", "number"),
        ({"prediction": "many"}, "prediction", "bike is a regression"),
        ({"prediction": None}, "prediction", "no error says why"),
        ({"by": "me"}, "by", "champion"),
        ({"kind": "guess"}, "kind", "prediction, outcome, metric or features"),
        ({"model": "nobody"}, "model", "no model is called 'nobody'"),
    ],
)
def test_one_bad_field_refuses_the_batch_and_names_it(
    change: dict[str, Any], field: str, message: str
) -> None:
    said = refusal(GOOD, GOOD | {"id": "b"} | change)
    assert (said.row, said.field) == (1, field)
    assert message in said.message
    assert len(str(said)) < 400, "the refusal must not repeat the input"


@pytest.mark.parametrize("gone", ["model", "version", "id", "time", "kind"])
def test_a_missing_field_is_named(gone: str) -> None:
    said = refusal({k: v for k, v in GOOD.items() if k != gone})
    assert (said.row, said.field) == (0, gone)
    assert "missing" in said.message


@pytest.mark.parametrize("label", [math.nan, math.inf, None, [], "many"])
def test_a_label_of_a_regression_is_a_finite_number(label: object) -> None:
    assert refusal(OUTCOME | {"label": label}).field == "label"


def test_an_error_may_stand_for_a_prediction() -> None:
    (record,) = parse_rows([GOOD | {"prediction": None, "error": "timeout", "by": "fallback"}], TASKS)
    assert isinstance(record, Prediction)
    assert (record.error, record.by) == ("timeout", "fallback")


def test_nan_in_features_means_missing_and_is_taken() -> None:
    (record,) = parse_body(b'{"kind":"prediction","model":"bike","version":"v","id":"a","time":1,'
                           b'"features":{"temp":NaN,"hum":Infinity},"prediction":1}', TASKS)  # fmt: skip
    assert isinstance(record, Prediction)
    assert not any(math.isfinite(v) for v in record.features.values() if isinstance(v, float))


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[1,", b'{"a":1}x'])
def test_what_is_not_json_says_so(body: bytes) -> None:
    with pytest.raises(Refusal, match="not JSON") as caught:
        parse_body(body, TASKS)
    assert caught.value.reason == "not_json"


def test_json_may_be_one_record_a_list_or_an_envelope_and_ndjson_skips_empty_lines() -> None:
    one = orjson.dumps(GOOD)
    assert len(parse_body(one, TASKS)) == 1
    assert len(parse_body(b"[" + one + b"]", TASKS)) == 1
    assert len(parse_body(b'{"records":[' + one + b"]}", TASKS)) == 1
    assert len(parse_body(b"\n" + one + b"\r\n\n" + one + b"\n", TASKS, lines=True)) == 2
    with pytest.raises(Refusal) as caught:
        parse_body(one + b"\n{oops", TASKS, lines=True)
    assert (caught.value.reason, caught.value.row) == ("not_json", 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from([*GOOD, "label", "score", "error", "latency_ms", "name", "value"]), JSON)
)
def test_any_json_is_either_taken_or_refused_with_its_row(change: dict[str, Any]) -> None:
    said: Refusal | None = None
    try:
        records = parse_rows([GOOD, GOOD | change], TASKS)
    except Refusal as refused:
        said = refused
    if said is None:
        assert len(records) == 2
        assert all(r.time is None or math.isfinite(r.time) for r in records)
    else:
        assert said.row == 1
        assert said.field


@given(st.binary(max_size=200))
def test_any_bytes_are_either_taken_or_refused(body: bytes) -> None:
    for lines in (False, True):
        said: Refusal | None = None
        try:
            parse_body(body, TASKS, lines=lines)
        except Refusal as refused:
            said = refused
        assert said is None or said.reason in {"not_json", "bad_row"}
