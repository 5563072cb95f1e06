"""Each shipped policy does what its own test file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoheal.policy.files import read_paths, shipped_root
from autoheal.policy.known import Known
from autoheal.policy.load import load_config
from autoheal.policy.testfile_build import parse_test
from autoheal.replay.policy_test import play

POLICIES = shipped_root() / "policies"
FILES = sorted(POLICIES.glob("*.test.yaml"))


def test_each_policy_has_a_test() -> None:
    policies = {
        p.name.removesuffix(".yaml") for p in POLICIES.glob("*.yaml") if not p.name.endswith(".test.yaml")
    }
    assert {p.name.removesuffix(".test.yaml") for p in FILES} >= policies - {"fleet"}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_it_holds(file: Path) -> None:
    texts = read_paths([], shipped=True)
    config = load_config(texts.sources, Known.standard(), defaults=texts.defaults).config
    failures = play(parse_test(file.name, file.read_text(), Known.standard()), config)
    assert not failures, "\n".join(map(str, failures))


def test_a_wrong_expectation_fails_with_its_place() -> None:
    """A test that cannot fail is a defect: turn one expectation round."""
    file = next(f for f in FILES if f.name == "performance-drop.test.yaml")
    text = file.read_text()
    assert "no_incident: true" in text
    wrong = parse_test(file.name, text.replace("state: closed", "state: acting"), Known.standard())
    texts = read_paths([], shipped=True)
    config = load_config(texts.sources, Known.standard(), defaults=texts.defaults).config
    failures = play(wrong, config)
    assert failures
    assert failures[0].position.line > 0
