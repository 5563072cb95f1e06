"""Reads files of lines, CSV and JSON lines, plain or gzip, a piece at a time from a mark. Synchronous: run it in a thread.

Called by ``files``. What surprises: a last line without its end waits for it in a plain file, which may still grow, and
is whole in a packed one, which does not; a line that cannot be read is counted and skipped, so that no line stops a file.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import dropwhile
from pathlib import Path
from typing import IO, Any, Literal, cast

import orjson

from autoheal.errors import AutohealError
from autoheal.sources import file_csv
from autoheal.sources.file_cursor import HEAD, Cursor, Ends, believed

Format = Literal["csv", "jsonl", "parquet"]
#: The marks of files that begin so.
Like = Callable[[bytes], Iterable[Cursor]]
#: Bytes read in one go: bounds memory, and gives other sources their turn. A line may be as long; a longer one is
#: skipped, up to ``LONGEST``.
PIECE, LONGEST = 1024 * 1024, 64 * 1024 * 1024


class FileError(AutohealError):
    """A file is not (yet) what it should be; the sentence says what."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows, unusable lines by reason, and the mark after them."""

    rows: Sequence[Mapping[str, Any]]
    bad: Counter[str]
    after: Cursor


@dataclass(slots=True)
class Lines:
    """One open file; ``whole`` when it is packed and does not grow. ``next`` gives pieces until there are no more lines."""

    file: IO[bytes]
    path: Path
    format: Format
    whole: bool
    cursor: Cursor = field(default_factory=Cursor)
    _ends: Ends | None = None
    _left: bytes = b""

    def next(self) -> Piece | None:
        try:
            return self._next()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileError(f"{self.path} is no whole gzip file: {error}") from None

    def close(self) -> None:
        self.file.close()

    def _next(self) -> Piece | None:
        if self._ends is None:
            self._ends = Ends.of(self.file, self.cursor.offset)
        data = self._left + self.file.read(PIECE - len(self._left))
        ended = data[: data.rfind(b"\n") + 1]
        if len(data) < PIECE:
            ended = data if self.whole else ended
        elif not ended:
            return self._skipped(data)
        if not ended:
            return None
        bad: Counter[str] = Counter()
        parts, open_ = self._parts(ended, bad)
        full = len(data) == PIECE
        if (open_ == len(ended) and full) or (open_ and self.whole and not full):
            bad["not_csv"] += 1  # its end is too far away, or will never come
        elif open_ == len(ended):
            return None
        else:  # a record that has no end yet is read again with its end
            ended = ended[: len(ended) - open_]
        header, lines = self.cursor.header, _texts(parts, first=not self.cursor.offset, bad=bad)
        if self.format == "csv" and not header:
            lines = list(dropwhile(lambda line: not line.strip(), lines))
            header = lines.pop(0) if lines else ""
        rows = file_csv.rows(lines, header, bad) if self.format == "csv" else _json(lines, bad)
        self._left = data[len(ended) :]
        return self._piece(rows, bad, header, len(ended), self._ends.after(ended))

    def _skipped(self, data: bytes) -> Piece:
        """A line that is too long is read to its end, but not kept."""
        assert self._ends is not None
        ends, size = self._ends.after(data), len(data)
        while size < LONGEST and (part := self.file.readline(PIECE)):
            ends, size = ends.after(part), size + len(part)
            if part.endswith(b"\n"):
                self._left = b""
                return self._piece((), Counter(["too_long"]), self.cursor.header, size, ends)
        raise FileError(
            f"{self.path}: the line at byte {self.cursor.offset} has no end within {size} bytes: are these lines?"
        )

    def _piece(
        self, rows: Sequence[Mapping[str, Any]], bad: Counter[str], header: str, size: int, ends: Ends
    ) -> Piece:
        """What was read, with the mark after it."""
        known, head, tail = ends.marks
        offset, self._ends = self.cursor.offset + size, ends
        self.cursor = replace(self.cursor, offset=offset, header=header, known=known, head=head, tail=tail)
        return Piece(rows, bad, self.cursor)

    def _parts(self, ended: bytes, bad: Counter[str]) -> tuple[list[bytes], int]:
        """Lines, of CSV records, and the bytes of a last one that has no end."""
        lines = ended.removesuffix(b"\n").split(b"\n")
        if self.format != "csv" or b'"' not in ended:
            return lines, 0
        first = next((line for line in lines if line.strip()), b"")
        header = self.cursor.header or first.decode("utf-8-sig", "replace")
        found, left = file_csv.records(lines, file_csv.delimiter(header), bad)
        return found, sum(len(line) + 1 for line in lines[len(lines) - left :]) if left else 0


def opened(path: Path, format_: Format, cursor: Cursor | None, like: Like | None = None) -> Lines:
    """The file at its mark: its own if that is believed, that of a file which begins the same, or the beginning.

    ``like`` is given for a file that is new under its name, or whose own mark is not believed.
    """
    packed = path.suffix == ".gz"
    file = cast("IO[bytes]", gzip.open(path, "rb")) if packed else path.open("rb")  # noqa: SIM115 - closed by Lines.close
    try:
        return Lines(file, path, format_, packed, _found(file, cursor, like))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        file.close()
        raise FileError(f"{path} is no whole gzip file: {error}") from None
    except BaseException:
        file.close()
        raise


def _found(file: IO[bytes], cursor: Cursor | None, like: Like | None) -> Cursor:
    """The furthest mark that is believed; a used inode may have an older mark of the same lines."""
    own = [cursor] if cursor is not None and believed(file, cursor) else []
    if like is None:
        return own[0] if own else Cursor()
    file.seek(0)
    alike = [replace(one, seen=(0, 0)) for one in like(file.read(HEAD)) if believed(file, one)]
    return max([*own, *alike], key=lambda one: one.offset, default=Cursor())


def _texts(parts: Sequence[bytes], *, first: bool, bad: Counter[str]) -> list[str]:
    """Lines or records in UTF-8, without those that are none."""
    texts = []
    for number, part in enumerate(parts):
        try:
            texts.append(part.decode("utf-8-sig" if first and not number else "utf-8").rstrip("\r"))
        except UnicodeDecodeError:
            bad["not_utf8"] += 1
    return texts


def _json(lines: Sequence[str], bad: Counter[str]) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for line in lines:
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except ValueError:
            bad["not_json"] += 1
            continue
        if isinstance(row, dict):
            rows.append(row)
        else:
            bad["not_a_record"] += 1
    return rows
