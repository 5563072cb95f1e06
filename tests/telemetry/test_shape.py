"""What the decoder of a shape reads is what the exact way reads, however odd the text: values, bytes, keys, times."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from autoheal.telemetry import parse_rows
from autoheal.telemetry.pack import pack

N = 300
MODELS = st.sampled_from(["bike", "loans"])


def rows(make: Any, model: str = "bike", **rest: Any) -> list[dict[str, Any]]:
    return [
        {
            "kind": "prediction", "model": model, "version": "v1", "id": f"r{i}", "time": make.start + i * 60.0,
            "features": {"temp": i * 0.5, "season": "ab"[i % 2]}, "prediction": i % 2, "score": 0.25,
        } | rest
        for i in range(N)
    ]  # fmt: skip


def lines(records: list[dict[str, Any]]) -> bytes:
    return b"\n".join(map(orjson.dumps, records))


def agree(body: bytes, make: Any) -> None:
    """The fast way says nothing, or what the exact way says."""
    found = pack(body, make.tasks)
    if found is None:
        return
    want = parse_rows([from_json(line) for line in body.split(b"\n") if line.strip()], make.tasks)
    assert said(found) == said(want)


def said(records: Any) -> list[tuple[str, ...]]:
    """As texts, since 1.0 equals True and no NaN equals another; keys may stand in any order."""
    whole = [(r, sorted(r.features.items())) for r in records]
    return [
        tuple(map(repr, (r.model, r.version, r.id, r.time, r.prediction, r.score, r.latency_ms, f)))
        for r, f in whole
    ]


#: A value of a feature as it may stand in a text, in order or not.
TOKENS = [
    "1",
    "-0",
    "-0.0",
    "01",
    "1.",
    ".5",
    "+1",
    "-",
    "1e5",
    "1E+5",
    "1e",
    "1e400",
    "-1e309",
    "1e-400",
    "4.9e-324",
    "123456789012345678901234567890",
    "9007199254740993",
    "0.1",
    "NaN",
    "Infinity",
    "nul",
    "null",
    "true",
    "false",
    '""',
    '"a"',
    '"\\ud800"',
    '"\\ud83d\\ude00"',
    '"\\u0061\\u0000"',
    '"\\x"',
    '"é"',
    "[1]",
    "{}",
    "[]",
    "1,",
    '1,"temp":2',
    "1}}",
    "1}}{",
    "1\r",
    "1_0",
    '"a",',
]


@pytest.mark.parametrize("token", TOKENS)
def test_a_value_is_read_alike_however_odd_its_text(token: str, make: Any) -> None:
    usual = lines(rows(make)).split(b"\n")
    for place, key in (
        (0, b'"temp":'),
        (N - 3, b'"temp":'),
        (7, b'"season":'),
        (5, b'"prediction":'),
        (6, b'"time":'),
    ):
        changed = list(usual)
        before, _, after = changed[place].partition(key)
        end = min(at for at in (after.find(b","), after.find(b"}")) if at >= 0)
        changed[place] = before + key + token.encode() + after[end:]
        agree(b"\n".join(changed), make)


@pytest.mark.parametrize(
    "text", [b"\x01", b"\t", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\x00", b"\x7f", b'"']
)
def test_bytes_that_are_no_text_are_not_taken_for_one(text: bytes, make: Any) -> None:
    body = lines(rows(make, more="here"))
    for inside in (b'"season":"a', b'"id":"r5', b'"version":"v', b'"more":"h', b'"seas'):
        agree(body.replace(inside, inside + text), make)
        agree(body.replace(inside, inside + text, 1), make)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(data=st.data())
def test_columns_of_any_kind_come_back_as_they_were(data: Any, make: Any) -> None:
    scalar = st.one_of(
        st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**70), 2**70), st.text(max_size=5), st.booleans(),
        st.none(),
    )  # fmt: skip
    names = data.draw(st.lists(st.text(max_size=6), min_size=1, max_size=4, unique=True))
    usual = data.draw(st.fixed_dictionaries(dict.fromkeys(names, scalar)))
    odd = data.draw(
        st.dictionaries(
            st.integers(0, N - 1), st.fixed_dictionaries(dict.fromkeys(names, scalar)), max_size=4
        )
    )
    first = data.draw(
        st.sampled_from([{}, {"more": 1}, {"x": None, "é": "é"}, {"by": "champion"}, {"error": None}])
    )
    made = [
        row | first | {"features": odd.get(i, usual)} for i, row in enumerate(rows(make, data.draw(MODELS)))
    ]
    agree(b"\n".join(to_json(row) for row in made), make)


@pytest.mark.parametrize(
    "stamp",
    ["2011-07-01T00:00:00Z", "2011-07-01T02:00:00.25+02:00", "2011-07-01T00:00:00", "then", 1.0, -1.0],
)
def test_times_as_texts_are_packed_too(stamp: Any, make: Any) -> None:
    body = lines([row | {"time": stamp} for row in rows(make)])
    agree(body, make)
    assert (pack(body, make.tasks) is None) == (stamp in ("then", "2011-07-01T00:00:00", -1.0))
