"""How far each file was read, and by what it is known again. Pure, but for its own state file.

Called by ``files`` and its readers. A file is known by its inode, and believed only if the bytes before the mark are
still the same: inodes are used again, and files are truncated, rewritten, renamed and packed. A file that is new but
begins as one that was read (``rows.csv.1.gz`` after ``rows.csv``) is that one, and goes on at its mark.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO

import orjson

from autoheal.durable import replace_file

_LOG = logging.getLogger(__name__)
#: Bytes at the beginning and before the mark by which a file is known again.
HEAD, TAIL = 1024, 256
#: Files whose marks are kept after they are gone.
GONE = 1000


@dataclass(frozen=True, slots=True)
class Cursor:
    """``offset`` counts unpacked bytes (rows of a Parquet file); ``seen`` is size and change time of a whole file (packed,
    Parquet) read to its end, ``head`` the digest of its first ``known`` bytes, ``tail`` of those before the mark."""

    offset: int = 0
    header: str = ""
    known: int = 0
    head: str = ""
    tail: str = ""
    seen: tuple[int, int] = (0, 0)


def digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Ends:
    """The first ``HEAD`` bytes of what was read of a file, and the last ``TAIL``."""

    head: bytes = b""
    tail: bytes = b""

    @classmethod
    def of(cls, file: IO[bytes], offset: int) -> Ends:
        """Of a file that was read up to ``offset``, where it stands afterwards."""
        file.seek(0)
        head = file.read(min(offset, HEAD))
        file.seek(max(offset - TAIL, 0))
        return cls(head, file.read(min(offset, TAIL)))

    def after(self, data: bytes) -> Ends:
        """When this was read too. Going back in the file instead would unpack a packed one from its beginning."""
        return Ends((self.head + data[:HEAD])[:HEAD], (self.tail + data[-TAIL:])[-TAIL:])

    @property
    def marks(self) -> tuple[int, str, str]:
        """(known, head, tail) of a cursor."""
        return len(self.head), digest(self.head), digest(self.tail)


def believed(file: IO[bytes], cursor: Cursor) -> bool:
    """Whether what was read of the file is still there; one from an older state file is trusted by its size."""
    if not cursor.head:
        return file.seek(0, 2) >= cursor.offset
    return Ends.of(file, cursor.offset).marks == (cursor.known, cursor.head, cursor.tail)


def begins_as(start: bytes, cursor: Cursor) -> bool:
    """Whether a file that starts so may be the one of the cursor."""
    return 0 < cursor.known <= len(start) and digest(start[: cursor.known]) == cursor.head


def load(path: Path) -> dict[str, Cursor]:
    """The cursors by inode; an unusable file means reading everything again, which loses nothing."""
    try:
        return {key: _cursor(kept) for key, kept in orjson.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, IndexError, AttributeError, KeyError) as error:
        _LOG.warning("%s is not usable, files are read from their beginning: %s", path, error)
        return {}


def _cursor(kept: object) -> Cursor:
    if isinstance(kept, list):  # as it was written before files were known by their content
        return Cursor(int(kept[0]), str(kept[1]))
    assert isinstance(kept, dict)
    size, changed = kept.pop("seen")
    return Cursor(**kept, seen=(int(size), int(changed)))


def save(path: Path, cursors: Mapping[str, Cursor]) -> None:
    """Replace the file at once."""
    replace_file(path, orjson.dumps({key: asdict(cursor) for key, cursor in cursors.items()}))
