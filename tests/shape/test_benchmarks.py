"""Every script in benchmarks/ has the one shape, so that all of them can be run and compared by the same words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shape.source import ROOT, calls, imports

SCRIPTS = sorted(f for f in (ROOT / "benchmarks").glob("*.py") if not f.name.startswith("_"))
FIELDS = {"name", "ours", "peer", "ratio", "goal", "met", "command"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda f: f.stem)
def test_scripts_have_the_one_shape(script: Path) -> None:
    assert "_shape" in {module for module, _ in imports(script)}
    assert "main" in {call.rpartition(".")[2] for call, _ in calls(script)}


def test_a_script_prints_and_writes_its_rows(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    argv = [sys.executable, "benchmarks/startup.py", "--quick", "--json", file]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    rows = json.loads(file.read_text())
    assert rows
    assert all(set(row) == FIELDS for row in rows)
    assert done.returncode == int(not all(row["met"] for row in rows))
    assert all(row["name"] in done.stdout for row in rows)
