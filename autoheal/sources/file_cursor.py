"""How far a file was read, and by what it is known again.

Called by ``files``, its readers and ``file_marks``. A file is known by its inode, and believed only if the bytes before the mark are
still the same: inodes are used again, and files are truncated, rewritten, renamed and packed. A file that is new but
begins as one that was read (``rows.csv.1.gz`` after ``rows.csv``) is that one, and goes on at its mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import IO

#: Bytes at the beginning and before the mark by which a file is known again.
HEAD, TAIL = 1024, 256


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
    """Whether what was read of the file is still there."""
    return Ends.of(file, cursor.offset).marks == (cursor.known, cursor.head, cursor.tail)
