"""What loading something loads: asked of fresh interpreters, because a warm one has everything."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.shape.source import PACKAGE, ROOT

HEAVY = (
    "numpy",
    "scipy",
    "textual",
    "httpx",
    "pydantic",
    "fastapi",
    "uvicorn",
    "sqlite3",
    "asyncio",
    "sklearn",
)
NUMERIC = ("numpy", "scipy", "sklearn", "fastapi", "uvicorn", "sqlite3", "sqlite_utils")


def loaded(code: str) -> set[str]:
    """Top-level modules in memory after ``code`` ran in a new process."""
    script = f"{code}\nimport sys\nsys.stderr.write(' '.join({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("argv", [["--help"], ["--version"], [], ["no-such-command"]])
def test_help_loads_next_to_nothing(argv: list[str]) -> None:
    code = f"from autoheal.cli import invoke\nimport io, sys\nerr, sys.stderr = sys.stderr, io.StringIO()\ninvoke({argv!r})\nsys.stderr = err"
    assert not loaded(code) & set(HEAVY)


@pytest.mark.parametrize(
    "command", ["status", "why", "incidents", "approve", "pause", "silence", "dashboard", "reload"]
)
def test_a_commands_help_loads_no_more(command: str) -> None:
    assert not loaded(f"from autoheal.cli import invoke\ninvoke([{command!r}, '--help'])") & set(HEAVY)


READERS = {
    "autoheal.tui.app": "tui/app.py",
    "autoheal.client.watch": "client/watch.py",
    "autoheal.tui.present.why": "tui/present/why.py",
}


@pytest.mark.parametrize("module", READERS)
def test_readers_load_no_numerics_and_no_server(module: str) -> None:
    if not (PACKAGE / READERS[module]).exists():
        pytest.skip(f"{module} is not written yet")
    assert not loaded(f"import {module}") & set(NUMERIC)


def test_the_daemon_does_without_scipy_stats() -> None:
    if not (PACKAGE / "daemon/app.py").exists():
        pytest.skip("the daemon is not written yet")
    code = "import autoheal.daemon.app, sys\nassert 'scipy.stats' not in sys.modules\nassert 'textual' not in sys.modules"
    loaded(code)
