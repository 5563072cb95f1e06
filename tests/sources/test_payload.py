"""What a message may be: JSON, lines, MessagePack; whatever it is, good records are kept and bad ones counted."""

from __future__ import annotations

from typing import Any

import msgpack
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.domain.names import ModelName, Task
from autoheal.sources.payload import LARGEST, columns, records
from autoheal.sources.tally import Tally
from autoheal.telemetry import Outcome
from autoheal.telemetry.pack import LEAST

MODEL = ModelName("m")


def outcome(i: int) -> dict[str, Any]:
    return {"id": f"{i}", "time": 5.5, "label": "yes"}


def read(payload: bytes) -> tuple[list[Any], Tally]:
    tally = Tally("t")
    return records(payload, MODEL, "outcome", {MODEL: Task.CLASSIFICATION}, tally), tally


@pytest.mark.parametrize("document", [outcome(1), [outcome(1)], {"records": [outcome(1)]}])
def test_json_and_messagepack_mean_the_same(document: Any) -> None:
    for payload in (
        orjson.dumps(document),
        msgpack.packb(document),
        msgpack.packb(document, use_single_float=True),
    ):
        found, tally = read(payload)
        assert found == [Outcome(MODEL, "1", 5.5, "yes")]
        assert not tally.refused


def test_times_bytes_and_odd_keys_of_messagepack() -> None:
    found, tally = read(
        msgpack.packb(
            [outcome(1), outcome(2) | {"label": b"yes"}, outcome(3) | {"time": msgpack.Timestamp(7)}]
        )
    )
    assert [r.id for r in found] == ["1"]
    assert tally.refused == {"label": 1, "time": 1}
    assert read(msgpack.packb({1: 2}))[1].refused == {"not_msgpack": 1}


@given(st.binary(max_size=60) | st.binary(max_size=20).map(lambda b: b"\x91" + b) | st.recursive(
    st.none() | st.booleans() | st.integers(-2**63, 2**64 - 1) | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("records"), inner, max_size=3),
).map(msgpack.packb))  # fmt: skip
def test_any_bytes_give_records_or_a_count(payload: bytes) -> None:
    found, tally = read(payload)
    assert isinstance(found, list)
    assert (
        found
        or tally.refused
        or not payload.strip()
        or b"records" in payload
        or payload[:1] in b"[{\x80\x90\xdc\xde"
    )


def answer(i: int, **rest: Any) -> dict[str, Any]:
    usual = {
        "version": "v1",
        "id": f"r{i}",
        "time": 5.5,
        "features": {"a": i / 2, "b": "x"},
        "prediction": i % 2,
    }
    return usual | rest


USUAL = [orjson.dumps(answer(i)) for i in range(LEAST)]
ODD = (
    b"", b" ", b"{", b"[]", b"{}", b"\x81\xa1a\x01", b'{"records": []}', orjson.dumps([answer(900)]), b"\n".join(USUAL[:3]),
    b"\n".join([USUAL[0], b"{", USUAL[1]]), orjson.dumps(answer(901, model="m", kind="prediction")),
    orjson.dumps(answer(902, model="other")), orjson.dumps(answer(903, kind="outcome")), orjson.dumps(answer(904, records=1)),
    orjson.dumps(answer(905, records=[answer(906)])), orjson.dumps(answer(907), option=orjson.OPT_INDENT_2),
    USUAL[4].replace(b",", b",\r"), b"\n".join([USUAL[5].replace(b",", b",\r", 1), USUAL[6]]), USUAL[7] + b"\n", USUAL[8] + USUAL[9],
    orjson.dumps(answer(908, features={"a": None, "b": None})), orjson.dumps(answer(909, more=1)), b"x" * (LARGEST + 1),
)  # fmt: skip


@given(
    odd=st.dictionaries(st.integers(0, LEAST), st.sampled_from(ODD), max_size=2),
    every=st.sampled_from([{}, {"model": "m"}, {"kind": "prediction"}, {"model": "m", "kind": "prediction"}, {"kind": "metric"}, {"records": 1}]),
    kind=st.sampled_from(["prediction", "prediction", None, "outcome"]),
)  # fmt: skip
def test_messages_read_together_give_what_each_gives(
    odd: dict[int, bytes], every: dict[str, Any], kind: Any
) -> None:
    payloads = [orjson.dumps(answer(i, **every)) for i in range(LEAST)]
    for place, payload in odd.items():
        payloads.insert(place, payload)
    together = columns(payloads, MODEL, kind, {MODEL: Task.CLASSIFICATION})
    tally = Tally("t")
    each = [r for p in payloads for r in records(p, MODEL, kind, {MODEL: Task.CLASSIFICATION}, tally)]
    if together is not None:
        assert list(together) == each
        assert not tally.refused


def test_the_usual_messages_are_read_together() -> None:
    assert len(columns(USUAL, MODEL, "prediction", {MODEL: Task.CLASSIFICATION}) or ()) == LEAST
    assert columns(USUAL, MODEL, None, {MODEL: Task.CLASSIFICATION}) is None
    assert columns(USUAL, ModelName("gone"), "prediction", {MODEL: Task.CLASSIFICATION}) is None
