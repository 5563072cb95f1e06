"""Whatever stands in a file: a configuration, or a ConfigError with places inside the file. Never anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from autoheal.domain.durations import LONGEST, format_duration, parse_duration
from autoheal.errors import ConfigError, Problem
from autoheal.policy import expression
from autoheal.policy.load import load_config
from autoheal.policy.testfile_build import parse_test
from autoheal.policy.vocabulary import CONDITION
from autoheal.policy.yaml_source import read
from tests.policy.world import DATA, GOOD, KNOWN

PIECES = [
    "version: 1\n", "kind: policy\n", "kind: runbook\n", "kind: model\n", "kind: guards\n", "kind: policy-test\n",
    "name: x\n", "match: ", "when:\n", "  - ", "{alarm: performance/*}", "{expr: 'a > 1'}", "ladder:\n",
    "{runbook: x}", "steps:\n", "id: a\n", "action: notify\n", "with: ", "${{ steps.a.b }}", "${{", "}}", "&a ", "*a",
    "!!map ", "? ", ": ", "\t", "\n", " ", "- ", "[", "]", "{", "}", "'", '"', "|", ">", "#", "%", "---\n", "...\n",
    "5m", "yes", "on", "off", "null", "~", "0x1", "1e400", ".nan", "é", "\U0001f600", "\u2028", "\x85", "\x00",
    "task: regression\n", "monitors: ", "features: ", "series:\n", "models:\n", "expect:\n", "at: 1h\n",
]  # fmt: skip
FILES = [p.read_text() for p in sorted((DATA / "bad").glob("*.yaml"))] + list(GOOD.values())


def problems_of(door: Callable[[], object]) -> tuple[Problem, ...]:
    """What a loader says about a text; anything but a ConfigError is let through, for it is a defect of ours."""
    try:
        door()
    except ConfigError as error:
        return (*error.problems, Problem("f.yaml", 1, 1, "refused"))
    return ()


def survives(text: str) -> None:
    rows = (
        text.count("\n")
        + text.count("\r")
        + text.count("\x85")
        + text.count("\u2028")
        + text.count("\u2029")
        + 1
    )
    for door in (lambda: load_config({"f.yaml": text}, KNOWN), lambda: parse_test("f.yaml", text, KNOWN)):
        found = problems_of(door)
        assert len(found) != 1, "a refusal without a reason"
        for problem in found:
            assert problem.file == "f.yaml"
            assert 1 <= problem.line <= rows + 1
            assert problem.column >= 1
            assert problem.message
            json.dumps(str(problem))


@given(st.text(max_size=200))
@example("\ufeff")
@example("a: \ud800")
@example("%YAML 9.9\n---\na: 1")
@example("a: !!float x")
@example("- " * 200)
def test_any_text(text: str) -> None:
    survives(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_anything_that_looks_like_yaml(text: str) -> None:
    survives(text)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FILES), st.data())
def test_a_slip_in_a_real_file(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    gone = data.draw(st.integers(0, 12))
    new = data.draw(st.sampled_from(PIECES) | st.text(max_size=5))
    survives(text[:at] + new + text[at + gone :])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=15,
)
HEADS = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "kind": st.sampled_from(["policy", "model", "runbook", "guards", "policy-test"]),
        "name": st.just("x"),
    },
    optional=dict.fromkeys(("match", "when", "unless", "ladder", "guards", "verify", "causes", "monitors", "features", "steps", "inputs", "freezes", "storm", "models", "series", "expect", "facts", "releases", "actions", "mode"), VALUES),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(HEADS)
def test_any_values_under_known_keys(document: dict[str, object]) -> None:
    survives(json.dumps(document))


@given(VALUES.filter(lambda v: isinstance(v, dict) and v))
def test_json_is_read_as_what_it_says(value: dict[str, object]) -> None:
    """JSON is YAML: numbers, texts and nesting come out as they went in."""
    document = read("f.yaml", json.dumps(value))
    if not document.problems:
        assert document.root is not None
        expected = json.loads(json.dumps(value), parse_constant=str, parse_int=_int)
        assert repr(document.root.plain()) == repr(expected)


def _int(text: str) -> object:
    return int(text) if len(text.lstrip("-")) <= 18 else text


@given(st.timedeltas(timedelta(0), LONGEST))
@example(timedelta(microseconds=1))
@example(timedelta(days=7))
def test_durations_round_trip(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


SOURCES = st.lists(
    st.sampled_from(
        [
            *CONDITION, "facts.fresh_labels", 'findings["a/b"].value', "x", ".", "(", ")", "[", "]", "{", "}", "?", ":",
            "&&", "||", "!", "==", "<", ">", "+", "-", "*", "/", "%", " in ", " ", "1", "2.5", "1u", "true", "null",
            "'a'", '"', "\\", ".map(x, x)", ".all(x, x)", "size(", ".matches('[')", "duration('5m')", "int('z')", ",",
            "9223372036854775807", "b'\\xff'", "timestamp('2026-01-01T00:00:00Z')", ".getHours()", "has(", "\n", "//",
        ]
    ),
    max_size=12,
).map("".join)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(
    SOURCES | st.text(max_size=30), st.dictionaries(st.sampled_from([*CONDITION, "x"]), VALUES, max_size=4)
)
def test_expressions_never_raise(source: str, context: dict[str, object]) -> None:
    assert expression.evaluate(source, context) in (True, False, None)
    expression.check(source, frozenset(CONDITION), CONDITION, boolean=True)


def test_a_hostile_file_says_only_so_much() -> None:
    assert len(read("f.yaml", "a: 1\n" * 5000).problems) == 100
