"""Folders of many files, and large packed ones: the cost a file and a byte does not grow with their number."""

from __future__ import annotations

import asyncio
import csv
import gzip
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from _shape import Row, row

from autoheal.domain.finding import Finding
from autoheal.domain.names import ModelName, Task
from autoheal.domain.specs import ModelSpec
from autoheal.sources.contract import Intake
from autoheal.sources.file_lines import opened
from autoheal.sources.files import Files
from autoheal.telemetry import Batch, Record
from autoheal.telemetry.counts import Counts

ABOUT = "python benchmarks/telemetry.py"
SPEC = ModelSpec(ModelName("m"), Task.CLASSIFICATION)
HEADER = "id,time,label\n"
LOOKS = 5


def files(quick: bool) -> Sequence[Row]:
    """CPU of looking at a folder, first and again, and of unpacking, by size."""
    many = 2_000 if quick else 20_000
    few_first, few_again, _ = _folder(many // 4)
    first, again, listed = _folder(many)
    small, _ = _packed(5 if quick else 20)
    large, plain = _packed(20 if quick else 80)
    return [
        row(f"first look at {many} files, a file, against a quarter of them (us)", first, few_first, 1.5, ABOUT),
        row("looking again, a file, against a quarter of them (us)", again, few_again, 1.5, ABOUT),
        row("looking again, against listing the folder with times (us a file)", again, listed, None, ABOUT),
        row("a packed file, a MB, against one of a quarter (ms)", large, small, 1.5, ABOUT),
        row("a packed file, a MB, against gzip and csv.DictReader (ms)", large, plain, 3.0, ABOUT),
    ]  # fmt: skip


def _folder(number: int) -> tuple[float, float, float]:
    """Microseconds of CPU a file: to read all, to look again, and to list them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "in"
        folder.mkdir()
        for i in range(number):
            path = folder / f"{i:06}.csv"
            path.write_text(HEADER + f"a{i},1,yes\n")
            os.utime(path, (1e9, 1e9))
        taken = 0

        async def count(records: Sequence[Record], _: Batch | None = None) -> Counts:
            nonlocal taken
            taken += len(records)
            return Counts(len(records))

        async def report(_: Finding) -> None: ...

        sink = Intake(count, report)

        source = Files(
            "f", path=f"{folder}/*.csv", spec=SPEC, holds="outcomes", state_file=Path(name) / "state.json"
        )

        async def looks() -> tuple[float, float]:
            began = time.process_time()
            await source.poll(sink)
            middle = time.process_time()
            for _ in range(LOOKS):
                await source.poll(sink)
            return middle - began, (time.process_time() - middle) / LOOKS

        first, again = asyncio.run(looks())
        assert taken == number
        began = time.process_time()
        found = [(path, path.stat()) for path in sorted(folder.glob("*.csv"))]
        listed = time.process_time() - began
        assert len(found) == number
    return first / number * 1e6, again / number * 1e6, listed / number * 1e6


def _packed(megabytes: int) -> tuple[float, float]:
    """Milliseconds of CPU a MB, ours and the standard library's."""
    lines = (f"r{i},17{i % 10**8:08},yes\n" for i in range(megabytes * 45_000))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rows.csv.gz"
        with gzip.open(path, "wt", compresslevel=1) as file:
            file.write(HEADER)
            file.writelines(lines)
        began, rows = time.process_time(), 0
        reader = opened(path, "csv", None)
        while (piece := reader.next()) is not None:
            rows += len(piece.rows)
        ours, size = time.process_time() - began, reader.cursor.offset / 1e6
        reader.close()
        began = time.process_time()
        with gzip.open(path, "rt", newline="") as text:
            assert sum(1 for _ in csv.DictReader(text)) == rows
        return ours / size * 1e3, (time.process_time() - began) / size * 1e3
