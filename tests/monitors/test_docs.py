"""Every monitor and every option is documented, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autoheal.monitors import MONITORS
from autoheal.monitors.options import MonitorOptions
from autoheal.monitors.registry import SHIPPED

DOC = (Path(__file__).parents[2] / "docs" / "monitors.md").read_text()


@pytest.mark.parametrize("kind", SHIPPED)
def test_each_option_has_its_row(kind: str) -> None:
    part = DOC.split(f"\n## {kind}\n", 1)[1].split("\n## ", 1)[0]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert named == set(MONITORS[kind].Options.model_fields) - set(MonitorOptions.model_fields)
