"""How far all files of one source were read: in memory, and a line a change in its state file.

Called by ``files``. What surprises: a folder may hold forty thousand files, so neither a change nor the question which
file begins as this one does may cost a walk over all marks. Changes are appended, and gathered to a line a file when they
are many more than the files; marks are found by the digest of their file's beginning.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from autoheal.durable import append_line, replace_file
from autoheal.sources.file_cursor import HEAD, Cursor, digest

_LOG = logging.getLogger(__name__)
#: Files whose marks are kept after they are gone, and lines that the state file may have beside a line a file.
GONE, SPARE = 1000, 1000


@dataclass(slots=True)
class Marks:
    """Marks by what their file is known by, the oldest first. ``lines`` of the state file; None: it is to be written anew."""

    path: Path
    lines: int | None = None
    _cursors: dict[str, Cursor] = field(default_factory=dict)
    #: By the number of known bytes and their digest: whose they are.
    _heads: dict[int, dict[str, set[str]]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Marks:
        """An unusable file means reading everything again, which loses nothing; half a line, from a crash, is no line."""
        marks = cls(path)
        try:
            data = path.read_bytes()
            lines = data[: data.rfind(b"\n") + 1].splitlines()
            for line in lines:
                key, raw = orjson.loads(line)
                marks._set(str(key), Cursor(**(raw | {"seen": tuple(raw["seen"])})))
        except FileNotFoundError:
            return marks
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            _LOG.warning("%s is not usable, files are read from their beginning: %s", path, error)
            return cls(path)
        marks.lines = len(lines) if data.endswith(b"\n") else None
        return marks

    def get(self, key: str) -> Cursor | None:
        return self._cursors.get(key)

    def keep(self, key: str, cursor: Cursor) -> None:
        """Remember a mark, durably."""
        self._set(key, cursor)
        if self.lines is None or self.lines > 2 * len(self._cursors) + SPARE:
            replace_file(self.path, b"".join(_line(*item) + b"\n" for item in self._cursors.items()))
            self.lines = len(self._cursors)
        else:
            append_line(self.path, _line(key, cursor))
            self.lines += 1

    def forget(self, there: Container[str]) -> None:
        """Drop the oldest marks of files that are not there any more, when they are too many."""
        gone = [key for key in self._cursors if key not in there]
        for key in gone[: max(len(gone) - GONE, 0)]:
            self._drop(key)

    def like(self, start: bytes) -> Iterator[Cursor]:
        """The marks of files that begin as ``start`` does, which is of ``HEAD`` bytes or a whole file."""
        for known, heads in self._heads.items():
            if known <= min(len(start), HEAD):
                for key in heads.get(digest(start[:known]), ()):
                    yield self._cursors[key]

    def _set(self, key: str, cursor: Cursor) -> None:
        self._drop(key)
        self._cursors[key] = cursor
        if cursor.known:
            self._heads.setdefault(cursor.known, {}).setdefault(cursor.head, set()).add(key)

    def _drop(self, key: str) -> None:
        before = self._cursors.pop(key, None)
        if before is not None and before.known:
            heads = self._heads[before.known]
            heads[before.head].discard(key)
            if not heads[before.head]:
                del heads[before.head]
            if not heads:
                del self._heads[before.known]


def _line(key: str, cursor: Cursor) -> bytes:
    return orjson.dumps([key, asdict(cursor)])
