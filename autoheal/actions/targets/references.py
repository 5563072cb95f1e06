"""What the versions of a model are compared with, and were compared with before. Files of one model of the registry.

    MODEL/references.jsonl            one line a change, the oldest first, only ever appended to
    MODEL/references/DIGEST.json      the bytes of a reference, named by their sha256

A version's folder never changes, so its own reference.json is what stands while no line speaks of it, and again when all
lines were undone. The bytes are on the disk before the line that names them: a crash between leaves a file that nobody
asks for. Called by ``registry`` under its lock; reading needs none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from autoheal.durable import append_line, make_folder, mend_tail, replace_file
from autoheal.errors import ActionError, ActionRefused

LINES: Final = "references.jsonl"
#: Where a reference came from: a file of rows, what the version served in a window, or the story of the version.
How = Literal["training", "window", "lineage"]


@dataclass(frozen=True, slots=True)
class Anchored:
    """From then on ``version`` is compared with these bytes. ``detail`` says in words which rows they stand for."""

    at: datetime
    version: str
    digest: str
    how: How
    by: str
    detail: str = ""
    key: str = ""
    kind: Literal["anchored"] = "anchored"


@dataclass(frozen=True, slots=True)
class Restored:
    """The newest line of ``version`` that was not undone yet is undone."""

    at: datetime
    version: str
    by: str
    key: str = ""
    kind: Literal["restored"] = "restored"


Line = Annotated[Anchored | Restored, Field(discriminator="kind")]
_LINE: Final[TypeAdapter[Anchored | Restored]] = TypeAdapter(Line)


def history(folder: Path) -> tuple[Anchored | Restored, ...]:
    """All whole lines, the oldest first; a line being written at this moment is not there yet."""
    try:
        data = (folder / LINES).read_bytes()
    except FileNotFoundError:
        return ()
    try:
        return tuple(_LINE.validate_json(line) for line in data[: data.rfind(b"\n") + 1].splitlines())
    except ValidationError as error:
        raise ActionError(f"{folder.name}: {LINES} cannot be read: {error}") from error


def standing(lines: tuple[Anchored | Restored, ...], version: str) -> tuple[Anchored, ...]:
    """The anchors of a version that were not undone, the present one last."""
    stack: list[Anchored] = []
    for line in lines:
        if line.version != version:
            continue
        if isinstance(line, Anchored):
            stack.append(line)
        elif stack:
            stack.pop()
    return tuple(stack)


def path_of(folder: Path, anchored: Anchored) -> Path:
    return folder / "references" / f"{anchored.digest}.json"


def anchor(folder: Path, data: bytes, line: Anchored) -> Anchored:
    """Compare a version with ``data`` from now on. A key that did so before changes nothing."""
    for done in history(folder):
        if line.key and done.key == line.key and isinstance(done, Anchored):
            return done
    if hashlib.sha256(data).hexdigest() != line.digest:
        raise ActionRefused("a reference is named by the sha256 of its bytes")
    make_folder(folder / "references")
    replace_file(path_of(folder, line), data)
    append_line(folder / LINES, _LINE.dump_json(line))
    return line


def restore(folder: Path, line: Restored) -> None:
    """Go back to what the version was compared with before; a key that did so before changes nothing."""
    lines = history(folder)
    if line.key and any(done.key == line.key and isinstance(done, Restored) for done in lines):
        return
    if not standing(lines, line.version):
        raise ActionRefused(
            f"{folder.name} {line.version} is compared with its own reference: nothing to undo"
        )
    append_line(folder / LINES, _LINE.dump_json(line))


def reconcile(folder: Path) -> None:
    """Cut half a line off that a crash left."""
    mend_tail(folder / LINES)
