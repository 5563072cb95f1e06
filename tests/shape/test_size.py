"""Nothing grows into a god: lines of files, functions and classes; and calls that nobody makes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.shape.source import PACKAGE, calls, files, imports, name, tree

FILE, FUNCTION, CLASS = 400, 60, 200


def test_files_are_short() -> None:
    found = [f"{name(f)}: {n} lines" for f in files() if (n := len(f.read_text().splitlines())) > FILE]
    found = [f for f in found if not f.startswith("autoheal/domain/events.py")]  # one closed union, one place
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("kinds", "most"), [((ast.FunctionDef, ast.AsyncFunctionDef), FUNCTION), ((ast.ClassDef,), CLASS)]
)
def test_functions_and_classes_are_short(kinds: tuple[type[ast.stmt], ...], most: int) -> None:
    found = [
        f"{name(file)}:{node.lineno}: {getattr(node, 'name', '')} has {length} lines"
        for file in files()
        for node in ast.walk(tree(file))
        if isinstance(node, kinds) and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > most
    ]
    assert not found, "\n".join(found)


NEVER = {
    "eval",
    "exec",
    "compile",
    "os.system",
    "os.popen",
    "pickle.load",
    "pickle.loads",
    "marshal.loads",
    "yaml.load",
}
ONLY_THE_CLOCK = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "time.sleep",
    "time.monotonic",
}


def test_calls_that_nobody_makes() -> None:
    found = [
        f"{name(file)}:{node.lineno}: {call}"
        for file in files()
        for call, node in calls(file)
        if call in NEVER
    ]
    found += [
        f"{name(file)}:{node.lineno}: {call}(shell=True)"
        for file in files()
        for call, node in calls(file)
        for keyword in node.keywords
        if keyword.arg == "shell" and ast.unparse(keyword.value) != "False"
    ]
    assert not found, "\n".join(found)


def test_only_the_clock_knows_the_time() -> None:
    found = [
        f"{name(file)}:{node.lineno}: {call}"
        for file in files()
        if file != PACKAGE / "clock.py"
        for call, node in calls(file)
        if call in ONLY_THE_CLOCK or call.removeprefix("datetime.") in ONLY_THE_CLOCK
    ]
    assert not found, "\n".join(found)


FORBIDDEN = {"pickle", "random", "scipy.stats", "secrets", "uuid", "marshal", "shelve"}


def test_modules_that_nobody_imports() -> None:
    found = [
        f"{name(file)}:{line}: {module}"
        for file in files()
        for module, line in imports(file)
        if module in FORBIDDEN or any(module.startswith(f"{f}.") for f in FORBIDDEN)
    ]
    assert not found, "\n".join(found)


def test_library_code_does_not_print() -> None:
    loud = ("cli", "demo")

    def quiet(file: Path) -> bool:
        return file.relative_to(PACKAGE).parts[0] not in loud

    found = [
        f"{name(f)}:{node.lineno}" for f in files() if quiet(f) for call, node in calls(f) if call == "print"
    ]
    assert not found, "\n".join(found)
