"""Every key that the schemas know is in the documentation, and every example in it is good."""

from __future__ import annotations

import importlib
import re

import pytest
from pydantic import BaseModel

from autoheal.policy import (
    guards_schema,
    model_schema,
    policy_schema,
    testfile_schema,
)
from autoheal.policy.files import shipped_root, shipped_texts
from autoheal.policy.load import OTHER_KINDS, load_config
from autoheal.policy.testfile_build import parse_test
from autoheal.runbook import schema
from tests.policy.world import KNOWN

DOCS = shipped_root() / "docs"
WHERE = {
    "policies.md": (policy_schema, model_schema, guards_schema, testfile_schema),
    "runbooks.md": (schema,),
}
EVERYWHERE = {"version", "kind", "name"}


def keys(module: object) -> set[str]:
    parts = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, BaseModel)]
    return {f.alias or name for part in parts for name, f in part.model_fields.items()} - EVERYWHERE


@pytest.mark.parametrize("page", WHERE)
def test_every_key_is_documented(page: str) -> None:
    text = re.sub(r"```.*?```", "", (DOCS / page).read_text(), flags=re.DOTALL)
    code = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]+)`", text))))
    for module in WHERE[page]:
        assert not sorted(keys(module) - code), f"docs/{page}"


def test_every_action_and_its_inputs_are_documented() -> None:
    text = (DOCS / "runbooks.md").read_text()
    for name, action in importlib.import_module("autoheal.actions").ACTIONS.items():
        row = next((r for r in text.splitlines() if r.startswith(f"| `{name}` |")), "")
        fields = {f.alias or key for key, f in action.Params.model_fields.items()}
        assert fields <= set(re.findall(r"`([a-z_]+)`", row)), f"docs/runbooks.md: {name}"


def examples() -> list[tuple[str, str]]:
    pages = [(page, (DOCS / page).read_text()) for page in WHERE]
    return [
        (page, text) for page, whole in pages for text in re.findall(r"```yaml\n(.*?)```", whole, re.DOTALL)
    ]


@pytest.mark.parametrize(("page", "text"), examples())
def test_every_example_is_good(page: str, text: str) -> None:
    kind = re.search(r"^kind: (\S+)$", text, re.MULTILINE)
    assert kind
    if kind[1] in OTHER_KINDS:
        assert parse_test(page, text, KNOWN).expect
        return
    shipped = shipped_texts()
    texts = {**shipped, page: text.replace("bike-train", "fraud-train")}
    assert load_config(texts, KNOWN, defaults=frozenset(shipped)).config.digest
