"""``files``: CSV files that grow, by a glob; every row is handed on once, also over restarts and rotations.

How far each file was read lies in a small state file, written after the rows were stored; a crash between the two
reads some rows twice, which the store counts as duplicates. A row that cannot be used is counted and skipped, because
a file cannot be told to mend it. A last line without its newline waits; a record is one line. The surprising part: files are known by their
inode and not by their name, so a rotated file is finished and the new one under its name begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import glob
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from autoheal.clock import Clock
from autoheal.domain.specs import ModelSpec
from autoheal.errors import AutohealError
from autoheal.sources.contract import Pulse, Sink
from autoheal.sources.rows import Kind, record
from autoheal.telemetry import Record, Refusal, parse_rows

_LOG = logging.getLogger(__name__)
#: Bytes read in one go: bounds memory, and gives other sources their turn.
PIECE = 1024 * 1024
#: Reasons for skipped rows that are logged one by one; after that they are only counted.
LOGGED = 20


@dataclass(slots=True)
class Cursor:
    """How far one file was read, and its header line."""

    offset: int = 0
    header: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """New whole lines of a file: their rows, and where the cursor stands after them."""

    rows: Sequence[Mapping[str, str]]
    after: Cursor


class Files:
    """Follows the files that match ``path``; ``refused`` counts skipped rows by field."""

    def __init__(
        self,
        name: str,
        *,
        path: str,
        spec: ModelSpec,
        holds: Kind,
        state_file: Path,
        every: float = 10.0,
        columns: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.path = path
        self.spec = spec
        self.holds: Kind = holds
        self.every = every
        self.columns = dict(columns or {})
        self.refused: Counter[str] = Counter()
        self._state_file = state_file
        self._cursors = _load(state_file)

    async def run(self, sink: Sink, clock: Clock) -> None:
        """Look for new rows until cancelled."""
        pulse = Pulse(self.name)
        while True:
            try:
                seen = await self.poll(sink)
            except (OSError, UnicodeDecodeError, csv.Error, AutohealError) as error:
                await pulse.away(sink, clock.now(), f"{self.path}: {error}"[:300])
            else:
                if seen:
                    await pulse.up(sink, clock.now())
                else:
                    await pulse.away(sink, clock.now(), f"no file matches {self.path}")
            await clock.sleep(self.every)

    async def poll(self, sink: Sink) -> int:
        """Hand on all new rows of all files, the oldest file first; how many files there are."""
        found = await asyncio.to_thread(self._files)
        for key, path in found:
            while True:
                piece = await asyncio.to_thread(_read, path, self._cursors.get(key, Cursor()))
                if piece is None:
                    break
                if records := self._records(piece.rows):
                    await sink(records)
                self._cursors[key] = piece.after
                await asyncio.to_thread(self._save)
        return len(found)

    def _files(self) -> list[tuple[str, Path]]:
        found: list[tuple[os.stat_result, Path]] = []
        for path in map(Path, glob.iglob(self.path, recursive=True)):  # noqa: PTH207 - a whole pattern, maybe absolute
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    found.append((path.stat(), path))
        found.sort(key=lambda item: (item[0].st_mtime_ns, str(item[1])))
        known = {f"{stat.st_dev}:{stat.st_ino}" for stat, _ in found}
        self._cursors = {key: cursor for key, cursor in self._cursors.items() if key in known}
        return [(f"{stat.st_dev}:{stat.st_ino}", path) for stat, path in found]

    def _records(self, rows: Sequence[Mapping[str, str]]) -> list[Record]:
        """The usable rows; a batch with a bad row is checked row by row."""
        raw = [record(row, self.holds, self.spec, self.columns) for row in rows]
        tasks = {self.spec.name: self.spec.task}
        try:
            return parse_rows(raw, tasks)
        except Refusal:
            good: list[Record] = []
            for one in raw:
                try:
                    good += parse_rows([one], tasks)
                except Refusal as refusal:
                    self._skip(refusal)
            return good

    def _skip(self, refusal: Refusal) -> None:
        self.refused[refusal.field or refusal.reason] += 1
        if self.refused.total() <= LOGGED:
            _LOG.warning("%s: a row was skipped: %s %s", self.name, refusal.field, refusal.message)

    def _save(self) -> None:
        data = {key: [cursor.offset, cursor.header] for key, cursor in self._cursors.items()}
        fresh = self._state_file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(orjson.dumps(data))
        fresh.replace(self._state_file)


def _read(path: Path, cursor: Cursor) -> Piece | None:
    """The next whole lines of a file, or None when there are none; a file that shrank is begun again."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            offset = 0 if size < cursor.offset else cursor.offset
            file.seek(offset)
            data = file.read(PIECE)
    except FileNotFoundError:
        return None
    data = data[: data.rfind(b"\n") + 1]
    if not data:
        if size - offset >= PIECE:
            raise csv.Error(f"a line of {path} is longer than {PIECE} bytes")
        return None
    text = data.decode("utf-8-sig" if offset == 0 else "utf-8")
    lines = [line.rstrip("\r") for line in text.split("\n")]
    header = lines.pop(0) if offset == 0 else cursor.header
    rows = csv.DictReader(lines, fieldnames=next(csv.reader([header])), restval="")
    return Piece([row for row in rows if any(row.values())], Cursor(offset + len(data), header))


def _load(path: Path) -> dict[str, Cursor]:
    try:
        return {key: Cursor(int(c[0]), str(c[1])) for key, c in orjson.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, IndexError, AttributeError) as error:
        _LOG.warning("%s is not usable, files are read from their beginning: %s", path, error)
        return {}
