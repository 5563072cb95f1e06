"""Reads files of lines, CSV and JSON lines, plain or gzip, a piece at a time from a mark. Synchronous: run it in a thread.

Called by ``files``. What surprises: a last line without its end waits for it in a plain file, which may still grow, and
is whole in a packed one, which does not; a line that cannot be read is counted and skipped, so that no line stops a file.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal, cast

import orjson

from autoheal.errors import AutohealError
from autoheal.sources import file_csv
from autoheal.sources.file_cursor import HEAD, Cursor, begins_as, believed, marked

Format = Literal["csv", "jsonl", "parquet"]
#: Bytes read in one go: bounds memory, and gives other sources their turn. A line may be as long.
PIECE = 1024 * 1024


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

    def next(self) -> Piece | None:
        try:
            return self._next()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileError(f"{self.path} is no whole gzip file: {error}") from None

    def close(self) -> None:
        self.file.close()

    def _next(self) -> Piece | None:
        bad: Counter[str] = Counter()
        self.file.seek(self.cursor.offset)
        data = self.file.read(PIECE)
        ended = data[: data.rfind(b"\n") + 1]
        if len(data) < PIECE:
            ended = data if self.whole else ended
        elif not ended:
            ended = data + self._rest_of_line()
            bad["too_long"] += 1
        if not ended:
            return None
        header = self.cursor.header
        parts, open_ = self._parts(ended, bad) if not bad else ([], 0)
        full = len(data) == PIECE
        if (open_ == len(ended) and full) or (open_ and self.whole and not full):
            bad["not_csv"] += 1  # its end is too far away, or will never come
        elif open_ == len(ended):
            return None
        else:  # a record that has no end yet is read again with its end
            ended = ended[: len(ended) - open_]
        lines = _texts(parts, first=not self.cursor.offset, bad=bad)
        if self.format == "csv" and not self.cursor.offset:
            header = lines.pop(0) if lines else ""
        rows = file_csv.rows(lines, header, bad) if self.format == "csv" else _json(lines, bad)
        offset = self.cursor.offset + len(ended)
        known, head, tail = marked(self.file, offset)
        self.cursor = replace(self.cursor, offset=offset, header=header, known=known, head=head, tail=tail)
        return Piece(rows, bad, self.cursor)

    def _parts(self, ended: bytes, bad: Counter[str]) -> tuple[list[bytes], int]:
        """Lines, of CSV records, and the bytes of a last one that has no end."""
        lines = ended.removesuffix(b"\n").split(b"\n")
        if self.format != "csv" or b'"' not in ended:
            return lines, 0
        header = self.cursor.header or lines[0].decode("utf-8-sig", "replace")
        found, left = file_csv.records(lines, file_csv.delimiter(header), bad)
        return found, sum(len(line) + 1 for line in lines[len(lines) - left :]) if left else 0

    def _rest_of_line(self) -> bytes:
        """What is left of a line that is too long; nothing remains of the file when it has no end yet."""
        size = b""
        while part := self.file.readline(PIECE):
            size += part
            if part.endswith(b"\n"):
                return size
        raise FileError(f"a line of {self.path} is longer than {PIECE} bytes and has no end")


def opened(path: Path, format_: Format, cursor: Cursor | None, others: Sequence[Cursor]) -> Lines:
    """The file at its mark: its own if that is believed, that of a file which begins the same, or the beginning.

    ``others`` are asked about for a file that is new under its name, or whose own mark is not believed.
    """
    packed = path.suffix == ".gz"
    file = cast("IO[bytes]", gzip.open(path, "rb")) if packed else path.open("rb")  # noqa: SIM115 - closed by Lines.close
    try:
        return Lines(file, path, format_, packed, _found(file, cursor, others))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        file.close()
        raise FileError(f"{path} is no whole gzip file: {error}") from None
    except BaseException:
        file.close()
        raise


def _found(file: IO[bytes], cursor: Cursor | None, others: Sequence[Cursor]) -> Cursor:
    """The furthest mark that is believed; a used inode may have an older mark of the same lines."""
    own = [cursor] if cursor is not None and believed(file, cursor) else []
    if own and not others:
        return own[0]
    file.seek(0)
    start = file.read(HEAD)
    alike = [replace(one, seen=(0, 0)) for one in others if begins_as(start, one) and believed(file, one)]
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
