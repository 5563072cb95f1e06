"""CEL: true, false, or unknown; refused at load as far as that can be known."""

from __future__ import annotations

import pytest

from autoheal.domain import events as ev
from autoheal.domain.names import ModelName
from autoheal.engine.conditions import context
from autoheal.policy.expression import LONGEST, ExpressionError, check, compute, evaluate
from autoheal.policy.vocabulary import CONDITION, TEMPLATE
from autoheal.replay.simulate import Script, simulate
from tests.engine.build import at, config, series, start

NAMES = frozenset(CONDITION)


@pytest.mark.parametrize(
    ("source", "known", "answer"),
    [
        ("a > 1", {"a": 2}, True),
        ("a > 1", {"a": 0.5}, False),
        ("a > 1", {}, None),
        ("a.b > 1", {"a": {}}, None),
        ("a > 1", {"a": "text"}, None),
        ("a > 1", {"a": None}, None),
        ("a", {"a": 3}, None),
        ("a / 0 > 1", {"a": 1}, None),
        ("a.matches('[')", {"a": "x"}, None),
        ("a >", {"a": 1}, None),
        ("a > 1", {"a": object()}, None),
        ("false && a > 1", {}, False),
        ("true || a > 1", {}, True),
        ("true && a > 1", {}, None),
        ("has(a.b)", {"a": {}}, False),
        ("a.exists(x, x > 2)", {"a": [1, 3]}, True),
    ],
)
def test_an_answer_is_true_false_or_unknown(
    source: str, known: dict[str, object], answer: bool | None
) -> None:
    assert evaluate(source, known) is answer


def test_hostile_expressions_are_refused_before_they_run() -> None:
    nested = "[1,2,3]" + ".map(a, [1,2,3].map(b, [1,2,3].map(c, a)))"
    for source in ("1 + " * LONGEST + "1", nested, "(" * 500 + "1" + ")" * 500):
        assert evaluate(source, {}) is None
        with pytest.raises(ExpressionError):
            compute(source, {})


def test_where_the_fault_is() -> None:
    fault = check("attempts > 1 &&\n  severty == 'critical'", NAMES, CONDITION, boolean=True)
    assert fault is not None
    assert (fault.line, fault.column, fault.name) == (2, 3, "severty")


def test_names_bound_by_a_macro_are_known() -> None:
    assert check("['a'].exists(each, each == model)", NAMES, CONDITION, boolean=True) is None


def test_the_engine_gives_conditions_the_names_that_the_loader_knows() -> None:
    world = simulate(Script((*start(), *series(1, 1, "breach"))), at(2)).world
    incident = next(iter(world.incidents.values()))
    given = context(world, incident)
    assert set(given) == set(CONDITION)
    assert set(given["facts"]) == set(CONDITION["facts"])  # type: ignore[call-overload]
    findings = given["findings"]
    assert isinstance(findings, dict)
    sample = {"value", "effect", "n", "verdict"}
    assert all(set(f) == sample for f in findings.values())


def test_the_engine_gives_templates_the_names_that_the_loader_knows() -> None:
    world = simulate(Script((*start(config()), *series(1, 1, "breach"))), at(2)).world
    run = next(iter(world.runs.values()))
    assert {*run.inputs, "inputs", "steps", "run"} == set(TEMPLATE)


def test_a_run_by_hand_has_no_cause() -> None:
    asked = ev.RunRequested("rollback", ModelName("fraud"), {}, "mara")
    world = simulate(Script((*start(), (at(1), asked))), at(2)).world
    run = next(iter(world.runs.values()))
    assert {"model", "reason", "incident"} <= set(run.inputs)
