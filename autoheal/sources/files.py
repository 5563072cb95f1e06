"""``files``: CSV, JSON lines and Parquet files that grow or appear, by a glob; every row is handed on once.

How far each file was read lies in a state file, written after the rows were stored; a crash between the two reads some rows twice, which the store counts as duplicates. A row that cannot be used is counted and skipped, because
a file cannot be told to mend it, and told as ``source/records``; one bad file does not keep the others from being read.
The surprising part: files are known by their inode and content and not by their name (see ``file_cursor``), so a
rotated file is finished and the new one under its name begun, and one that was packed meanwhile is not read again.
"""

from __future__ import annotations

import asyncio
import contextlib
import glob
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from autoheal.clock import Clock, SystemClock
from autoheal.domain.specs import ModelSpec
from autoheal.errors import AutohealError, StoreError
from autoheal.sources import file_lines, file_parquet
from autoheal.sources.contract import Pulse, Sink, whole
from autoheal.sources.file_cursor import Cursor
from autoheal.sources.file_lines import Format, Piece
from autoheal.sources.file_marks import Marks
from autoheal.sources.rows import Kind, usable
from autoheal.sources.tally import Tally
from autoheal.telemetry import Refusal

#: Seconds after a change from which on a file that looks the same is the same: two changes may have one time.
RESTS = 10.0
_ENDINGS: Mapping[str, Format] = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}


class Files:
    """Follows the files that match ``path``; ``refused`` counts skipped rows by field. ``format`` is else by the name."""

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
        format: Format | None = None,  # noqa: A002 - the settings' own word
    ) -> None:
        self.name = name
        self.path = path
        self.spec = spec
        self.holds: Kind = holds
        self.every = every
        self.columns = dict(columns or {})
        self.format: Format | None = format
        self.tally = Tally(name)
        self._marks = Marks.load(state_file)
        self._before: dict[str, Path] = {}
        self._settled: dict[str, tuple[Path, int, int]] = {}

    @property
    def refused(self) -> Counter[str]:
        return self.tally.refused

    async def run(self, sink: Sink, clock: Clock) -> None:
        """Look for new rows until cancelled."""
        pulse = Pulse(self.name)
        while True:
            try:
                seen, faults = await self.poll(sink)
            except (OSError, AutohealError) as error:
                seen, faults = 0, [f"{self.path}: {error}"]
            if faults:
                await pulse.away(sink, clock.now(), "; ".join(faults)[:300])
            elif seen:
                await pulse.up(sink, clock.now())
            else:
                await pulse.away(sink, clock.now(), f"no file matches {self.path}")
            await self.tally.report(sink, clock.now())
            await clock.sleep(self.every)

    async def poll(self, sink: Sink) -> tuple[int, list[str]]:
        """Hand on all new rows of all files, the oldest file first; how many there are, and what is wrong with some.

        Raises what the store says: then no file would do better.
        """
        found, faults = await asyncio.to_thread(self._files), []
        for key, path, stat in found:
            try:
                await self._follow(key, path, stat, sink)
            except (StoreError, Refusal):
                raise
            except (OSError, AutohealError) as error:
                faults.append(f"{error}")
        self._before = {key: path for key, path, _ in found}
        self._settled = {key: seen for key, seen in self._settled.items() if key in self._before}
        return len(found), faults

    async def _follow(self, key: str, path: Path, stat: os.stat_result, sink: Sink) -> None:
        cursor, seen = self._marks.get(key), (stat.st_size, stat.st_mtime_ns)
        if (cursor is not None and cursor.seen == seen) or self._settled.get(key) == (path, *seen):
            return
        began = SystemClock().now().timestamp()  # a file's times are real ones, whatever clock we live by
        try:
            reader = await self._open(key, path, cursor)
        except FileNotFoundError:
            return
        if cursor is not None and cursor.offset and reader.cursor.tail != cursor.tail:
            # Another file by now; the one it was may come back packed.
            await whole(self._keep(f"{key} {cursor.tail}", cursor))
        try:
            while (piece := await asyncio.to_thread(reader.next)) is not None:
                await whole(self._take(key, piece, sink))
            if reader.whole:
                await whole(self._keep(key, replace(reader.cursor, seen=seen)))
            elif reader.cursor.offset:
                await whole(self._keep(key, reader.cursor))
            if not reader.whole and began - stat.st_mtime > RESTS:
                self._settled[key] = (path, *seen)
        finally:
            await asyncio.to_thread(reader.close)

    async def _open(
        self, key: str, path: Path, cursor: Cursor | None
    ) -> file_lines.Lines | file_parquet.Parquet:
        """Open it in a thread; one that is opened while we are told to end is closed again."""
        opening = asyncio.ensure_future(asyncio.to_thread(self._opened, key, path, cursor))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError, AutohealError):
                (await opening).close()
            raise

    def _opened(self, key: str, path: Path, cursor: Cursor | None) -> file_lines.Lines | file_parquet.Parquet:
        format_ = self.format or _format(path)
        if format_ == "parquet":
            return file_parquet.opened(path, cursor)
        if cursor is None or self._before.get(key) != path:
            return file_lines.opened(path, format_, cursor, self._marks.like)
        reader = file_lines.opened(path, format_, cursor)
        if reader.cursor.offset or not cursor.offset:
            return reader
        reader.close()
        return file_lines.opened(path, format_, cursor, self._marks.like)

    async def _take(self, key: str, piece: Piece, sink: Sink) -> None:
        for reason, count in piece.bad.items():
            self.tally.refuse(reason, "a line", count)
        if records := usable(piece.rows, self.holds, self.spec, self.columns, self.tally):
            await sink(records)
            self.tally.taken += len(records)
        await self._keep(key, piece.after)

    async def _keep(self, key: str, cursor: Cursor) -> None:
        if self._marks.get(key) != cursor:
            await asyncio.to_thread(self._marks.keep, key, cursor)

    def _files(self) -> list[tuple[str, Path, os.stat_result]]:
        found: list[tuple[os.stat_result, Path]] = []
        for path in map(Path, glob.iglob(self.path, recursive=True)):  # noqa: PTH207 - a whole pattern, maybe absolute
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    found.append((path.stat(), path))
        found.sort(key=lambda item: (item[0].st_mtime_ns, str(item[1])))
        keyed = [(f"{stat.st_dev}:{stat.st_ino}", path, stat) for stat, path in found]
        self._marks.forget({key for key, _, _ in keyed})
        return keyed


def _format(path: Path) -> Format:
    """By the ending, a ``.gz`` or a rotation's number aside; CSV where it says nothing."""
    for ending in reversed(path.suffixes):
        if ending in _ENDINGS:
            return _ENDINGS[ending]
    return "csv"
