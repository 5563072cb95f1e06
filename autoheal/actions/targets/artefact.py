"""A version's artefact: a folder of plain files with one digest over names and contents.

The registry copies artefacts in and checks them on the way out; model servers may check again before they load.
Refused: links, sockets, devices (a trainer's folder is not trusted to stay inside itself), nothing at all, and more
than the caps below.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from autoheal.durable import sync_folder
from autoheal.errors import ActionRefused

MAX_FILES = 10_000
MAX_BYTES = 4 << 30
_CHUNK = 1 << 20


def digest(folder: Path) -> str:
    """sha256 over one line a file, sorted by path: ``path NUL size NUL sha256-of-content``."""
    whole = sha256()
    for path, size in _files(folder):
        content = sha256()
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                content.update(chunk)
        name = path.relative_to(folder).as_posix()
        whole.update(f"{name}\0{size}\0{content.hexdigest()}\n".encode())
    return whole.hexdigest()


def copy(source: Path, target: Path) -> None:
    """Copy an artefact into a new folder, synced to the disk; modes become 0700 and 0600."""
    target.mkdir(mode=0o700)
    made = {target}
    for path, _ in _files(source):
        copied = target / path.relative_to(source)
        for folder in reversed(copied.relative_to(target).parents):
            (target / folder).mkdir(mode=0o700, exist_ok=True)
            made.add(target / folder)
        _copy_file(path, copied)
    for folder in made:
        sync_folder(folder)


def _copy_file(source: Path, target: Path) -> None:
    reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(reading, "rb") as stream:
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(writing, "wb") as copied:
            while chunk := stream.read(_CHUNK):
                copied.write(chunk)
            copied.flush()
            os.fsync(copied.fileno())


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Plain files below ``folder`` with their sizes, sorted by path; ActionRefused for anything else."""
    if folder.is_symlink() or not folder.is_dir():
        raise ActionRefused(f"there is no artefact: {folder.name} is not a folder")
    count = total = 0
    for path in sorted(folder.rglob("*"), key=lambda p: p.relative_to(folder).as_posix()):
        info = path.lstat()
        if stat.S_ISDIR(info.st_mode):
            continue
        if not stat.S_ISREG(info.st_mode):
            raise ActionRefused(f"the artefact holds {path.relative_to(folder)}, which is not a plain file")
        count, total = count + 1, total + info.st_size
        if count > MAX_FILES or total > MAX_BYTES:
            raise ActionRefused(f"the artefact has more than {MAX_FILES} files or {MAX_BYTES >> 30} GiB")
        yield path, info.st_size
    if not count:
        raise ActionRefused("the artefact is empty")
