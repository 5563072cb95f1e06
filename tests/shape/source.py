"""The source tree as the shape tests read it: files and their syntax trees, nothing imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "autoheal"


def files(*folders: str) -> list[Path]:
    """Python files of the package, or of some of its folders (or single files)."""
    places = [PACKAGE / f for f in folders] or [PACKAGE]
    found = [f for place in places for f in ([place] if place.suffix == ".py" else place.rglob("*.py"))]
    return sorted(f for f in found if f.exists())


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), str(file))


def imports(file: Path) -> Iterator[tuple[str, int]]:
    """Every module that ``file`` imports, anywhere in it, with the line; imports for type checking alone are left out."""
    skipped = {id(n) for block in _typing_blocks(tree(file)) for n in ast.walk(block)}
    for node in ast.walk(tree(file)):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _typing_blocks(module: ast.Module) -> Iterator[ast.If]:
    for node in ast.walk(module):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield node


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call as ``a.b.c`` with its node."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node
