"""Reads Parquet files a piece at a time from a row's number. Synchronous: run it in a thread. Loads pyarrow (an extra).

Called by ``files`` for files that end in ``.parquet``. What surprises: such a file is written whole, so one that is not
readable yet is told and tried again; a file that was replaced in place is known by its footer and begun anew.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from autoheal.errors import AutohealError
from autoheal.sources.file_cursor import Cursor, digest
from autoheal.sources.file_lines import FileError, Piece

#: Rows of one piece, and bytes of the footer by which a file is known again.
ROWS = 5_000
FOOTER = 4096


@dataclass(slots=True)
class Parquet:
    """One open file; ``cursor.offset`` counts rows."""

    file: IO[bytes]
    path: Path
    cursor: Cursor
    _batches: Any
    whole: bool = True

    def next(self) -> Piece | None:
        try:
            batch = next(self._batches, None)
            rows = [] if batch is None else batch.to_pylist()
        except (OSError, ValueError) as error:
            raise FileError(f"{self.path} cannot be read as Parquet: {error}"[:300]) from None
        if not rows:
            return None
        self.cursor = replace(self.cursor, offset=self.cursor.offset + len(rows))
        return Piece(rows, Counter(), self.cursor)

    def close(self) -> None:
        self.file.close()


def opened(path: Path, cursor: Cursor | None) -> Parquet:
    """The file at its mark, or at its beginning when it is another one by now."""
    try:
        import pyarrow.parquet as pq  # noqa: PLC0415 - 0.3 s and 100 MB, for those who have such files
    except ImportError:
        raise AutohealError("Parquet files need pyarrow: pip install 'autoheal[parquet]'") from None
    file = path.open("rb")
    try:
        size = file.seek(0, 2)
        file.seek(max(size - FOOTER, 0))
        footer = digest(file.read())
        known = cursor if cursor is not None and cursor.tail == footer else Cursor(tail=footer)
        parts = pq.ParquetFile(file, memory_map=False)
        return Parquet(file, path, known, _after(parts, known.offset))
    except (OSError, ValueError) as error:
        file.close()
        raise FileError(f"{path} is no whole Parquet file: {error}"[:300]) from None
    except BaseException:
        file.close()
        raise


def _after(parts: Any, offset: int) -> Any:
    """Batches from a row's number on; row groups that were read are not read again."""
    groups: list[int] = []
    skip = offset
    for number in range(parts.metadata.num_row_groups):
        rows = parts.metadata.row_group(number).num_rows
        if not groups and skip >= rows:
            skip -= rows
        else:
            groups.append(number)
    if not groups:
        return
    for batch in parts.iter_batches(ROWS, row_groups=groups, use_threads=False):
        if skip >= batch.num_rows:
            skip -= batch.num_rows
            continue
        yield batch.slice(skip)
        skip = 0
