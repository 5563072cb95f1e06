"""Reading the CSV file, plain or gzipped: cells as text, and columns as numbers, levels or times.

Only ``read`` touches the disk. Whatever cannot be read ends in a TelemetryError that names the column and the row. The
surprising parts: times may be ISO 8601, years and months, unix seconds, or a plain counter (numbers too small to be unix
seconds), which then says nothing about how long a row lasts; and a cell that is no number where numbers stand does not
stop the reading: it is missing, and counted.
"""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autoheal.errors import TelemetryError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

GONE = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})
SMALLEST_UNIX = 1e8  # 1973: numbers below it count rows, not seconds
LAST_SECOND = 253402300799.0  # of the year 9999
MOST_FIELD = 1 << 20
_YEAR_MONTH = re.compile(r"(\d{4})(?:-(\d{1,2}))?$")


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as they stand in the file, column by column."""

    columns: dict[str, list[str]]
    rows: int

    def column(self, name: str) -> list[str]:
        if name not in self.columns:
            raise TelemetryError(f"there is no such column; there are: {', '.join(self.columns)}", field=name)
        return self.columns[name]


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """A numeric column: NaN where missing or no number (``wrong``); infinities stay."""

    values: Floats
    wrong: Bools


def read(path: Path) -> Table:
    """The file. Blank lines are skipped; rows of another width than the header's are refused."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if zipped
            else path.open(encoding="utf-8-sig", newline="") as text
        ):
            return parse(text)
    except (OSError, EOFError, zlib.error) as problem:
        raise TelemetryError(f"{path}: cannot be read: {problem}") from problem
    except UnicodeDecodeError as problem:
        raise TelemetryError(f"{path}: is not UTF-8 text: {problem.reason}") from problem


def parse(lines: Iterable[str]) -> Table:
    """Lines of CSV with a header."""
    csv.field_size_limit(MOST_FIELD)
    try:
        rows = csv.reader(lines)
        header = [name.strip() for name in next(rows, [])]
        body = [row for row in rows if row]
    except csv.Error as problem:
        raise TelemetryError(f"is no CSV: {problem}") from problem
    if not header:
        raise TelemetryError("is empty: a header was expected")
    for name in header:
        if header.count(name) > 1:
            raise TelemetryError("two columns have this name", field=name)
    for i, row in enumerate(body):
        if len(row) != len(header):
            raise TelemetryError(f"has {len(row)} cells, the header {len(header)}", row=i)
    columns = list(zip(*body, strict=True)) if body else [()] * len(header)
    return Table({name: list(cells) for name, cells in zip(header, columns, strict=True)}, len(body))


def missing(cell: str) -> bool:
    return cell.strip().lower() in GONE


def number(cell: str) -> float | None:
    """The number in a cell; NaN when it is missing; None when it is something else."""
    try:
        return float(cell)
    except ValueError:
        return math.nan if missing(cell) else None


def numbers(cells: Sequence[str]) -> Numbers:
    read_ = [number(cell) for cell in cells]
    wrong = np.array([value is None for value in read_], dtype=np.bool_)
    values = np.array([math.nan if value is None else value for value in read_], dtype=np.float64)
    return Numbers(values, wrong)


def times(name: str, cells: Sequence[str]) -> Floats | None:
    """Unix seconds of each row; None when the column only counts. An unreadable or missing time is refused."""
    found = np.array([_time(name, i, cell) for i, cell in enumerate(cells)], dtype=np.float64)
    plain = all(not _YEAR_MONTH.match(cell.strip()) and number(cell) is not None for cell in cells[:1])
    if plain and len(found) and float(np.abs(found).max()) < SMALLEST_UNIX:
        return None
    return found


def _time(name: str, row: int, cell: str) -> float:
    text = cell.strip()
    if dated := _YEAR_MONTH.match(text):
        text = f"{dated[1]}-{int(dated[2] or 1):02d}-01"
    try:
        value = number(text)
        if value is None:
            moment = datetime.fromisoformat(text)
            value = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as problem:
        raise TelemetryError(f"{cell!r} is no time: {problem}", row=row, field=name) from problem
    if not abs(value) <= LAST_SECOND:
        raise TelemetryError(f"{cell!r} is no time", row=row, field=name)
    return value
