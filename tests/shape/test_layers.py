"""Who may import whom: import-linter's contracts, plug-ins that do not know each other, pure folders."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shape.source import PACKAGE, ROOT, files, imports, name, tree

CONTRACTS = Path(__file__).with_name("importlinter.ini")
PURE = (
    "domain",
    "stats",
    "monitors",
    "engine",
    "tui/present",
    "client/state.py",
    "api/wire.py",
    "cli/spans.py",
)
#: Whatever of these a pure module imports, it could read the clock, the disk, the network or chance.
IMPURE = {
    "asyncio",
    "sqlite3",
    "socket",
    "logging",
    "time",
    "random",
    "secrets",
    "uuid",
    "os",
    "subprocess",
    "threading",
    "httpx",
    "autoheal.clock",
    "autoheal.net",
}


def test_contracts_of_import_linter() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--config", CONTRACTS, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


@pytest.mark.parametrize("folder", PURE)
def test_pure_means_pure(folder: str) -> None:
    found = [
        f"{name(file)}:{line}: {module}"
        for file in files(folder)
        for module, line in imports(file)
        if module in IMPURE or module.split(".")[0] in IMPURE
    ]
    assert not found, "\n".join(found)


def plugins(folder: str) -> dict[str, Path]:
    """Modules of a folder that define a plug-in: a class with its ``kind`` or ``name`` written as a class variable."""
    return {
        "autoheal." + ".".join(file.relative_to(PACKAGE).with_suffix("").parts): file
        for file in files(folder)
        if any(_names_itself(node) for node in ast.walk(tree(file)) if isinstance(node, ast.ClassDef))
    }


def _names_itself(node: ast.ClassDef) -> bool:
    return any(
        isinstance(line, ast.AnnAssign)
        and isinstance(line.target, ast.Name)
        and line.value is not None
        and line.target.id in {"kind", "name"}
        and "ClassVar" in ast.unparse(line.annotation)
        for line in node.body
    )


@pytest.mark.parametrize("folder", ["monitors", "sources", "actions", "notifiers"])
def test_plugins_of_one_kind_do_not_know_each_other(folder: str) -> None:
    known = plugins(folder)
    found = [
        f"{name(file)}:{line}: {module}"
        for mine, file in known.items()
        for module, line in imports(file)
        if module in known and module != mine and module.rpartition(".")[0] != mine
    ]
    assert not found, "\n".join(found)


def test_every_module_says_first_what_it_is() -> None:
    silent = [name(f) for f in files() if f.read_text().strip() and ast.get_docstring(tree(f)) is None]
    assert not silent, silent
