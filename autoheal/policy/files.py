"""Configuration files from disk, as texts for ``load``: the operator's folders, and the set shipped with autoheal.

The only module here that touches the disk. A folder is read with all below it; files that begin with a dot and
``*.test.yaml`` are left out (``Texts.tests`` has the latter). Surprise: shipped files are named ``shipped/...``
wherever they lie, so that reasons in the log read the same on every machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import autoheal
from autoheal.errors import ConfigError, Problem
from autoheal.policy.yaml_source import LONGEST

SUFFIXES = (".yaml", ".yml")
FOLDERS = ("policies", "runbooks")


@dataclass(frozen=True, slots=True)
class Texts:
    """File names to texts: ``sources`` for ``load_config`` (``defaults`` among them give way to the operator's own),
    ``tests`` for ``testfile_build``."""

    sources: dict[str, str] = field(default_factory=dict)
    tests: dict[str, str] = field(default_factory=dict)
    defaults: frozenset[str] = frozenset()


def read_paths(paths: Iterable[str | Path], *, shipped: bool = True) -> Texts:
    """All configuration in files and folders, with the shipped set behind it; ConfigError when one is unreadable."""
    sources: dict[str, str] = {}
    tests: dict[str, str] = {}
    problems: list[Problem] = []
    seen: set[Path] = set()
    for given in paths:
        for file in _listed(Path(given), problems):
            if (real := file.resolve()) in seen:
                continue
            seen.add(real)
            text = _text(file, problems)
            if text is not None:
                (tests if is_test(file) else sources)[str(file)] = text
    if problems:
        raise ConfigError(tuple(problems))
    defaults = shipped_texts() if shipped else {}
    return Texts({**defaults, **sources}, tests, frozenset(defaults))


def shipped_texts() -> dict[str, str]:
    """The policies, runbooks and guards that come with autoheal."""
    return {
        f"shipped/{folder}/{file.name}": file.read_text(encoding="utf-8")
        for folder in FOLDERS
        for file in sorted((shipped_root() / folder).glob("*.yaml"))
        if not is_test(file)
    }


def shipped_root() -> Path:
    """In a wheel they lie inside the package, in a checkout beside it."""
    package = Path(autoheal.__file__).parent
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent


def is_test(file: Path) -> bool:
    return file.name.endswith(tuple(f".test{suffix}" for suffix in SUFFIXES))


def _listed(path: Path, problems: list[Problem]) -> list[Path]:
    """The files of a path. A folder that is passed over in silence would take its models out of force."""
    try:
        return list(_files(path, problems))
    except OSError as error:
        problems.append(_problem(path, f"cannot be read: {error.strerror}", "let the daemon's user read it"))
        return []


def _files(path: Path, problems: list[Problem]) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        problems.append(_problem(path, "there is no such file or folder", "look at the path"))
        return

    def refused(error: OSError) -> NoReturn:
        raise error

    found: list[Path] = []
    for folder, below, names in os.walk(path, onerror=refused):
        below[:] = [name for name in below if not name.startswith(".")]
        found += [Path(folder, n) for n in names if n.endswith(SUFFIXES) and not n.startswith(".")]
    # A link that leads nowhere is a file that cannot be read; a pipe is no file.
    yield from (file for file in sorted(found) if file.is_file() or not file.exists())


def _text(file: Path, problems: list[Problem]) -> str | None:
    try:
        if file.stat().st_size > 4 * LONGEST:
            problems.append(_problem(file, f"the file is larger than {4 * LONGEST} bytes", "split it"))
            return None
        data = file.read_bytes()
    except OSError as error:
        problems.append(_problem(file, f"cannot be read: {error.strerror}", ""))
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        problems.append(Problem(str(file), line, column, "not UTF-8", "save the file as UTF-8"))
        return None


def _problem(file: Path, message: str, hint: str) -> Problem:
    return Problem(str(file), 1, 1, message, hint)
