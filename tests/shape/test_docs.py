"""What is documented exists, and what exists is documented."""

from __future__ import annotations

import argparse
import importlib
import re
from typing import get_args

import pytest

from autoheal.api.app import create_app
from autoheal.api.hub import Hub
from autoheal.cli import COMMANDS
from autoheal.domain.events import Event
from tests.shape.source import PACKAGE, ROOT

CLI = ROOT / "docs" / "cli.md"
API = ROOT / "docs" / "api.md"


def section(command: str) -> str:
    """The part of docs/cli.md about one command."""
    found = re.search(rf"^## `autoheal {command}`.*?(?=^## |\Z)", CLI.read_text(), re.MULTILINE | re.DOTALL)
    return found.group(0) if found else ""


@pytest.mark.parametrize("command", [name for name, _ in COMMANDS])
def test_every_command_and_option_is_documented(command: str) -> None:
    text = section(command)
    assert text, f"docs/cli.md has no section `autoheal {command}`"
    if not (PACKAGE / "cli" / f"{command}.py").exists():
        pytest.skip(f"{command} is not written yet")
    parser = argparse.ArgumentParser()
    importlib.import_module(f"autoheal.cli.{command}").add_arguments(parser)
    options = {o for action in parser._actions for o in action.option_strings if o.startswith("--")} - {
        "--help"
    }
    assert not sorted(o for o in options if f"`{o}" not in text)


def test_no_command_is_documented_that_does_not_exist() -> None:
    assert set(re.findall(r"^## `autoheal ([a-z-]+)", CLI.read_text(), re.MULTILINE)) <= {
        n for n, _ in COMMANDS
    }


def test_every_event_is_documented() -> None:
    union = get_args(get_args(Event)[0]) or get_args(Event)
    kinds = {cls.__dataclass_fields__["kind"].default for cls in union}
    assert len(kinds) > 30
    text = API.read_text()
    assert not sorted(k for k in kinds if f"`{k}`" not in text), "docs/api.md lacks events"
    table = text.split("## Events", 1)[1].split("\n## ", 1)[0]
    assert not set(re.findall(r"^\| `([a-z_]+)`", table, re.MULTILINE)) - kinds, (
        "docs/api.md has events of the past"
    )


def test_every_route_and_metric_is_documented() -> None:
    text = API.read_text()
    hub = Hub("docs", *(None, None, None))  # type: ignore[arg-type]
    for path in create_app(hub).openapi()["paths"]:
        assert f"`{path}`" in text or f" {path}`" in text or f"{path}?" in text, f"docs/api.md lacks {path}"
    source = (PACKAGE / "api" / "metrics.py").read_text()
    for metric in set(re.findall(r'"(autoheal_[a-z_]+)"', source)):
        assert f"`{metric}" in text, f"docs/api.md lacks {metric}"


def test_what_the_readme_says_to_type_exists() -> None:
    readme = (ROOT / "README.md").read_text()
    blocks = "\n".join(re.findall(r"```(?:sh|console|bash|text)?\n(.*?)```", readme, re.DOTALL))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", readme)) <= targets
    typed = set(re.findall(r"^\s*\$?\s*autoheal ([a-z]+)", blocks, re.MULTILINE))
    assert typed <= {n for n, _ in COMMANDS}
