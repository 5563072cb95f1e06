"""Version folders of the registry: what is written about a version, and how it gets there whole or not at all.

A version is written into a passing folder, synced, and renamed; from then on nobody changes it. Candidates are versions
that have not passed their gate: the same layout in ``candidates/``, so that a model server can load them for it, and
removed later. Called by ``registry`` under its lock.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import orjson
from pydantic import TypeAdapter, ValidationError

from autoheal.actions.targets import artefact
from autoheal.actions.targets.names import checked
from autoheal.durable import PASSING, make_folder, sync_folder, write_file
from autoheal.errors import ActionError, ActionRefused

VERSIONS: Final = "versions"
CANDIDATES: Final = "candidates"
#: Candidates of one model that are kept; older ones go when a new one is staged.
KEEP_CANDIDATES: Final = 5

Role = Literal["model", "fallback", "candidate"]


@dataclass(frozen=True, slots=True)
class Lineage:
    """The window of data time that a version was trained on. ``data_to`` bounds what it can have seen."""

    data_from: datetime | None = None
    data_to: datetime | None = None
    rows: int = 0


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """version.json. ``by_key`` is the step key (with its namespace) that made it, or empty."""

    version: str
    model: str
    created_at: datetime
    artefact_sha256: str
    lineage: Lineage = field(default_factory=Lineage)
    code_revision: str = ""
    parent: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    gate: Mapping[str, Any] = field(default_factory=dict)
    by_key: str = ""
    role: Role = "model"


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What the maker of a version says about it. An empty ``version`` takes the next free ``vN``."""

    version: str = ""
    role: Role = "model"
    by_key: str = ""
    lineage: Lineage = field(default_factory=Lineage)
    code_revision: str = ""
    parent: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    gate: Mapping[str, Any] = field(default_factory=dict)


_INFO: Final = TypeAdapter(VersionInfo)


def write(
    shelf: Path, model: str, source: Path, new: NewVersion, *, at: datetime, files: Mapping[str, bytes]
) -> VersionInfo:
    """Put a version on the shelf (``versions`` or ``candidates``); ``files`` stand beside its version.json."""
    make_folder(shelf)
    name = checked("version", new.version or _next_name(shelf))
    if (shelf / name).exists():
        raise ActionRefused(f"{model} has a version {name} already, and versions never change")
    passing = shelf / f"{PASSING}{name}"
    shutil.rmtree(passing, ignore_errors=True)
    passing.mkdir(mode=0o700)
    try:
        artefact.copy(source, passing / "artefact")
        info = _info(name, model, new, at, artefact.digest(passing / "artefact"))
        for file, data in files.items():
            write_file(passing / file, data)
        write_file(passing / "version.json", _INFO.dump_json(info))
        sync_folder(passing)
    except BaseException:
        shutil.rmtree(passing, ignore_errors=True)
        raise
    passing.rename(shelf / name)
    sync_folder(shelf)
    return info


def _info(name: str, model: str, new: NewVersion, at: datetime, digest: str) -> VersionInfo:
    return VersionInfo(
        version=name,
        model=model,
        created_at=at,
        artefact_sha256=digest,
        lineage=new.lineage,
        code_revision=new.code_revision,
        parent=new.parent,
        parameters=new.parameters,
        metrics=new.metrics,
        gate=new.gate,
        by_key=new.by_key,
        role=new.role,
    )


def read(folder: Path) -> VersionInfo:
    """One version.json; ActionError when it cannot be read."""
    try:
        return _INFO.validate_json((folder / "version.json").read_bytes())
    except (OSError, ValidationError) as error:
        raise ActionError(f"{folder.name}: its version.json cannot be read: {error}") from error


def read_all(shelf: Path) -> tuple[VersionInfo, ...]:
    """All versions on a shelf, the oldest first."""
    if not shelf.is_dir():
        return ()
    found = [read(folder) for folder in shelf.iterdir() if not folder.name.startswith(".")]
    return tuple(sorted(found, key=lambda info: (info.created_at, _number(info.version), info.version)))


def tidy(shelf: Path) -> None:
    """Remove what a crash left half-written."""
    if shelf.is_dir():
        for folder in shelf.glob(f"{PASSING}*"):
            shutil.rmtree(folder, ignore_errors=True)


def prune_candidates(shelf: Path) -> None:
    """Forget all but the newest candidates."""
    for info in read_all(shelf)[:-KEEP_CANDIDATES]:
        shutil.rmtree(shelf / info.version, ignore_errors=True)


def as_version(candidate: VersionInfo, new: NewVersion) -> NewVersion:
    """What a candidate's version will say: its own story, and who registered it with which gate."""
    return replace(
        new,
        lineage=candidate.lineage,
        code_revision=candidate.code_revision,
        parent=candidate.parent,
        parameters=candidate.parameters,
        metrics=candidate.metrics,
    )


def load_json(path: Path) -> dict[str, Any] | None:
    """A JSON object beside a version, or None when it is absent."""
    try:
        data = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except orjson.JSONDecodeError as error:
        raise ActionError(f"{path.parent.name}/{path.name} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ActionError(f"{path.parent.name}/{path.name} is not a JSON object")
    return data


def _number(version: str) -> int:
    digits = version.removeprefix("v")
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _next_name(shelf: Path) -> str:
    return f"v{max((_number(folder.name) for folder in shelf.iterdir()), default=0) + 1}"
