"""The shipped set: good without a word, on any fleet, with the actions that there really are."""

from __future__ import annotations

import importlib
from dataclasses import replace

import pytest

from autoheal.cli.check import known_here
from autoheal.domain.names import Cause
from autoheal.policy.files import shipped_root, shipped_texts
from autoheal.policy.known import STANDARD_ACTIONS, STANDARD_MONITORS, Known, action_inputs
from autoheal.policy.load import load_config
from autoheal.policy.testfile_build import parse_test
from tests.policy.world import GOOD, KNOWN

POLICIES = {
    "performance-drop", "concept-drift", "data-drift", "upstream-fault", "serving-fault", "emergency", "no-data",
    "slice-degraded",
}  # fmt: skip
RUNBOOKS = {"rollback", "retrain", "fallback", "restore", "notify"}
TESTS = sorted((shipped_root() / "policies").glob("*.test.yaml"))


def test_the_set_is_complete_and_good() -> None:
    loaded = load_config(shipped_texts(), Known.standard())
    assert loaded.warnings == ()
    assert {p.name for p in loaded.config.policies} == POLICIES
    assert set(loaded.config.runbooks) == RUNBOOKS


def test_it_is_good_behind_a_fleet_that_it_hardly_fits() -> None:
    model = GOOD["good/demand.yaml"]
    texts = shipped_texts()
    assert load_config({**texts, "m.yaml": model}, KNOWN, defaults=frozenset(texts)).warnings == ()


def test_guards_say_what_is_built_in() -> None:
    guards = load_config(shipped_texts(), Known.standard()).config.guards
    built_in = type(guards)()
    alarms = replace(guards.false_alarms, position=built_in.position)
    assert replace(guards, position=built_in.position, max_under_repair=0, false_alarms=alarms) == built_in


def test_nothing_shipped_retrains_on_broken_data() -> None:
    config = load_config(shipped_texts(), Known.standard()).config
    trains = {
        name for name, r in config.runbooks.items() if any(s.action == "pipeline.train" for s in r.steps)
    }
    for policy in config.policies:
        if Cause.UPSTREAM_FAULT in policy.causes or not policy.causes:
            assert not trains & {rung.runbook for rung in policy.ladder}, policy.name


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_each_policy_has_a_test_that_forbids_something(policy: str) -> None:
    file = shipped_root() / "policies" / f"{policy}.test.yaml"
    test = parse_test(file.name, file.read_text(), KNOWN)
    assert len(test.expect) >= 3
    assert any(e.no_incident or e.no_run for e in test.expect)


@pytest.mark.parametrize("file", TESTS, ids=[t.name for t in TESTS])
def test_the_tests_speak_of_what_there_is(file: object) -> None:
    config = load_config(shipped_texts(), Known.standard()).config
    path = shipped_root() / "policies" / str(getattr(file, "name", ""))
    test = parse_test(path.name, path.read_text(), KNOWN)
    assert set(test.policies) <= POLICIES
    asked = [r for e in test.expect for r in (e.run, e.no_run) if r]
    assert {r.runbook for r in asked} <= set(config.runbooks)
    steps = {s.action for r in config.runbooks.values() for s in r.steps}
    assert set(test.actions) <= steps


def test_the_standard_monitors_are_those_there_are() -> None:
    assert set(STANDARD_MONITORS) == set(KNOWN.monitors)


def test_the_standard_actions_are_those_there_are() -> None:
    """They may take more than is said here, never less, and never need more."""
    actions = importlib.import_module("autoheal.actions").ACTIONS
    assert set(STANDARD_ACTIONS) == set(actions)
    for name, action in actions.items():
        real, said = action_inputs(name, action.Params), STANDARD_ACTIONS[name]
        assert real.required == said.required, name
        assert said.names <= real.names, name


def test_the_set_is_good_with_the_real_actions_and_monitors() -> None:
    loaded = load_config(shipped_texts(), known_here())
    assert loaded.warnings == ()
