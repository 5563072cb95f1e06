"""What a message may be: JSON, lines, MessagePack; whatever it is, good records are kept and bad ones counted."""

from __future__ import annotations

from typing import Any

import msgpack
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.domain.names import ModelName, Task
from autoheal.sources.payload import records
from autoheal.sources.tally import Tally
from autoheal.telemetry import Outcome

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
