"""``${{ }}``: a lone placeholder keeps its type, in text it is formatted, without a value it is an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.runbook.template import (
    TemplateError,
    input_references,
    references,
    resolve,
    scan,
    step_references,
)

CONTEXT = {
    "model": "fraud",
    "reason": "it fell",
    "inputs": {"share": 0.123456789, "n": 3, "loud": True, "list": ["a", 1]},
    "steps": {"target": {"version": "v1", "previous": {"v2": 100}}, "train": {}},
    "nothing": None,
}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("plain", "plain"),
        (3, 3),
        ("${{ inputs.n }}", 3),
        ("  ${{ inputs.n }}\n", 3),
        ("${{ inputs.loud }}", True),
        ("${{ steps.target.previous }}", {"v2": 100}),
        ("${{ inputs.n + 1 }}", 4),
        ("n=${{ inputs.n }}", "n=3"),
        ("${{ model }}${{ inputs.n }}", "fraud3"),
        ("share ${{ inputs.share }}", "share 0.123457"),
        ("loud ${{ inputs.loud }}, ${{ inputs.list }}, ${{ nothing }}.", "loud true, a, 1, ."),
        ("was ${{ steps.target.previous }}", "was v2: 100"),
        ("""${{ {"a": {"b": 1}}.a.b }}""", 1),
        ("${{ '}}' }}", "}}"),
        ("""x${{ "a\\"}}" }}y""", 'xa"}}y'),
        ("${ model } {{ model }}", "${ model } {{ model }}"),
        ({"a": ["${{ model }}", {"b": "${{ inputs.n }}"}], "c": None}, {"a": ["fraud", {"b": 3}], "c": None}),
    ],
)
def test_resolve(value: object, wanted: object) -> None:
    assert resolve(value, CONTEXT) == wanted


@pytest.mark.parametrize(
    "value",
    [
        "${{ steps.train.candidate }}",
        "${{ nobody }}",
        "${{ model + 1 }}",
        "${{ }}",
        "${{ model",
        "${{ 1 / 0 }}",
    ],
)
def test_without_a_value_it_is_an_error(value: str) -> None:
    with pytest.raises(TemplateError):
        resolve({"deep": [value]}, CONTEXT)


def test_references_are_found_anywhere() -> None:
    assert references({"a": ["${{ x }} and ${{ y }}"], "b": "${{ z"}) == ("x", "y")
    assert step_references("steps.a.b + steps.c.d.e + steps . f") == (("a", "b"), ("c", "d"), ("f", ""))
    assert input_references("inputs.a + inputs.b.c") == ("a", "b")


@given(st.text(alphabet="${}'\"\\ abx\n", max_size=40))
def test_scanning_never_raises_and_stays_inside(text: str) -> None:
    found, _closed = scan(text)
    end = 0
    for one in found:
        assert end <= one.start < one.end <= len(text)
        assert text[one.start : one.end].startswith("${{")
        assert text[one.start : one.end].endswith("}}")
        end = one.end


@given(
    st.recursive(
        st.none() | st.text(max_size=30) | st.integers(),
        lambda i: st.lists(i) | st.dictionaries(st.text(), i),
    )
)
def test_anything_resolves_or_is_an_error(value: object) -> None:
    try:
        resolve(value, CONTEXT)
    except TemplateError:
        return
