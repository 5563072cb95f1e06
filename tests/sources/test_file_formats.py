"""JSON lines, gzip and Parquet; files that are rotated, packed, truncated and replaced, each row once all the same."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import os
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoheal.clock import SystemClock
from autoheal.domain.names import ModelName, Task, Verdict
from autoheal.domain.specs import FeatureSpec, ModelSpec
from autoheal.sources import file_lines
from autoheal.sources.files import Files
from autoheal.telemetry import Metric, Outcome, Prediction
from tests.sources.conftest import Remembers

SPEC = ModelSpec(ModelName("m"), Task.CLASSIFICATION, features=(FeatureSpec("temp", "numeric"), FeatureSpec("s", "categorical")))  # fmt: skip


def source(folder: Path, pattern: str = "*", **rest: Any) -> Files:
    (folder / "in").mkdir(exist_ok=True)
    given: dict[str, Any] = {"holds": "outcomes"} | rest
    return Files("f", path=f"{folder}/in/{pattern}", spec=SPEC, state_file=folder / "state.json", **given)


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def labels(numbers: Sequence[int]) -> str:
    return "".join(f"{n},{1000 + n},yes\n" for n in numbers)


HEADER = "id,time,label\n"


async def test_json_lines_flat_nested_and_as_they_are_pushed(tmp_path: Path, sink: Any) -> None:
    one = source(tmp_path, "p*", holds="predictions", columns={"id": "request.id"})
    (tmp_path / "in" / "p.jsonl").write_bytes(
        lines(
            {
                "request": {"id": "a"},
                "time": "2026-01-01",
                "version": 3,
                "prediction": True,
                "temp": 21,
                "s": 7,
            },
            {
                "request": {"id": "b"},
                "time": 5.5,
                "version": "v",
                "prediction": "x",
                "features": {"any": 1, "n": None},
            },
            {"request": "c"},
        )
        + b"[1]\n{\nnull\n\xff\xfe\n\n"
    )
    assert await one.poll(sink) == (1, [])
    assert sink.records == [
        Prediction(SPEC.name, "3", "a", 1767225600.0, {"temp": 21, "s": 7}, True),
        Prediction(SPEC.name, "v", "b", 5.5, {"any": 1, "n": None}, "x"),
    ]
    assert one.refused == {"version": 1, "not_a_record": 2, "not_json": 1, "not_utf8": 1}
    every = source(tmp_path, "r.ndjson.gz", holds="records")
    whole = lines(
        {"kind": "metric", "name": "x", "value": 1.0, "time": 1},
        {"kind": "outcome", "id": "z", "time": 2, "label": "no"},
        {"kind": "outcome", "model": "other", "id": "z", "time": 2, "label": "no"},
    )
    (tmp_path / "in" / "r.ndjson.gz").write_bytes(gzip.compress(whole.removesuffix(b"\n")))
    await every.poll(sink)
    assert sink.records[2:] == [Metric(SPEC.name, "x", 1.0, 1.0), Outcome(SPEC.name, "z", 2.0, "no")]
    assert every.refused == {"model": 1}


def table(start: int, count: int) -> pa.Table:
    return pa.table(
        {
            "id": pa.array(range(start, start + count), pa.int64()),
            "time": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * count, pa.timestamp("us", "UTC")),
            "version": ["v1"] * count,
            "prediction": ["yes"] * count,
            "temp": pa.array([Decimal("1.5")] * count, pa.decimal128(5, 2)),
            "s": pa.array([None] * count, pa.string()),
        }
    )


async def test_parquet_by_row_groups_over_a_restart(tmp_path: Path, sink: Any) -> None:
    first = source(tmp_path, holds="predictions")
    file = tmp_path / "in" / "a.parquet"
    with pq.ParquetWriter(file, table(0, 1).schema) as writer:
        for start in range(0, 30_000, 3_000):
            writer.write_table(table(start, 3_000))
    calls = 0
    take = sink.__class__.__call__

    async def stops(self: Any, records: Any, batch: object = None) -> Any:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise OSError("the machine went down")
        return await take(self, records, batch)

    sink.__class__ = type("Stops", (Remembers,), {"__call__": stops})
    assert (await first.poll(sink))[1] == ["the machine went down"]
    sink.__class__ = Remembers
    assert 0 < len(sink.records) < 30_000
    await source(tmp_path, holds="predictions").poll(sink)
    assert [r.id for r in sink.records] == [f"{i}" for i in range(30_000)]
    assert sink.records[0].features == {"temp": 1.5, "s": None}
    (tmp_path / "in" / "half.parquet").write_bytes(file.read_bytes()[:5000])
    pq.write_table(table(50_000, 3), tmp_path / "in" / "b.parquet")
    again = source(tmp_path, holds="predictions")
    seen, faults = await again.poll(sink)
    assert (seen, len(faults), len(sink.records)) == (3, 1, 30_003), "one bad file does not stop the others"
    assert "no whole Parquet file" in faults[0]
    pq.write_table(table(60_000, 2), tmp_path / "in" / "b.parquet")
    await again.poll(sink)
    assert len(sink.records) == 30_005, "replaced in place: another footer"


async def test_a_file_is_known_again_when_its_inode_or_name_lies(tmp_path: Path, sink: Any) -> None:
    one = source(tmp_path)
    log = tmp_path / "in" / "l.csv"
    log.write_text(HEADER + labels(range(100)))
    await one.poll(sink)
    inode = log.stat().st_ino
    with log.open("r+") as file:  # copytruncate, and more than before is there when we look
        file.truncate()
        file.write(HEADER + labels(range(100, 300)))
    assert log.stat().st_ino == inode
    await one.poll(sink)
    fresh = tmp_path / "in" / "fresh"
    fresh.write_text(HEADER + labels(range(100, 350)))  # an editor or `sed -i` replaces the whole file
    fresh.rename(log)
    await one.poll(sink)
    assert [r.id for r in sink.records] == [f"{n}" for n in range(350)]


async def test_rotation_with_gzip_and_a_late_file(tmp_path: Path, sink: Any) -> None:
    one = source(tmp_path)
    log = tmp_path / "in" / "l.csv"
    log.write_text(HEADER + labels(range(50)))
    await one.poll(sink)
    with log.open("a") as file:
        file.write(labels(range(50, 60)))
    packed = tmp_path / "in" / "l.csv.1.gz"
    whole = gzip.compress(log.read_bytes())
    packed.write_bytes(whole[: len(whole) // 2])
    log.unlink()
    log.write_text(HEADER + labels(range(60, 70)))
    assert [f.split(":")[0].split(" is ")[0] for f in (await one.poll(sink))[1]] == [str(packed)], (
        "half a gzip waits"
    )
    packed.write_bytes(whole)
    assert (await source(tmp_path).poll(sink))[1] == []
    late = tmp_path / "in" / "late.csv"
    late.write_text(HEADER + labels(range(70, 75)))
    os.utime(late, (1, 1))
    await source(tmp_path).poll(sink)
    assert sorted(int(r.id) for r in sink.records) == list(range(75))


async def test_a_used_inode_with_an_older_mark_of_the_same_lines(tmp_path: Path, sink: Any) -> None:
    one = source(tmp_path)
    log, state = tmp_path / "in" / "l.csv", tmp_path / "state.json"
    log.write_text(HEADER + labels(range(3)))
    await one.poll(sink)
    _, mark = orjson.loads(state.read_bytes())
    with log.open("a") as file:
        file.write(labels(range(3, 6)))
    await one.poll(sink)
    packed = log.with_name("l.csv.1.gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    stat = packed.stat()
    with state.open("ab") as marks:
        marks.write(orjson.dumps([f"{stat.st_dev}:{stat.st_ino}", mark]) + b"\n")
    log.unlink()
    await source(tmp_path).poll(sink)
    assert [r.id for r in sink.records] == [f"{n}" for n in range(6)]


async def test_a_line_without_end_stops_nothing(
    tmp_path: Path, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lines, "PIECE", 200)
    one = source(tmp_path)
    log = tmp_path / "in" / "l.csv"
    log.write_text(HEADER + labels([1]) + "x" * 1000)
    seen, faults = await one.poll(sink)
    assert (seen, "no end" in faults[0]) == (1, True)
    with log.open("a") as file:
        file.write("\n" + labels([2]))
    assert (await one.poll(sink))[1] == []
    assert [r.id for r in sink.records] == ["1", "2"]
    assert one.refused == {"too_long": 1}


async def test_a_file_that_is_one_line_is_not_taken_into_memory(
    tmp_path: Path, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lines, "PIECE", 200)
    monkeypatch.setattr(file_lines, "LONGEST", 1000)
    one = source(tmp_path)
    (tmp_path / "in" / "l.csv").write_text(HEADER + labels([1]) + "x" * 100_000)
    faults = (await one.poll(sink))[1]
    assert "no end within 1000 bytes" in faults[0]
    assert [r.id for r in sink.records] == ["1"]


async def test_a_file_that_rests_is_not_opened_at_each_look(
    tmp_path: Path, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = source(tmp_path)
    log, fresh = tmp_path / "in" / "l.csv", tmp_path / "in" / "fresh.csv"
    log.write_text(HEADER + labels([1]))
    os.utime(log, (1e9, 1e9))
    await one.poll(sink)
    looked: list[Path] = []
    really = file_lines.opened
    monkeypatch.setattr(file_lines, "opened", lambda path, *rest: looked.append(path) or really(path, *rest))
    fresh.write_text(HEADER + labels([2]))
    for _ in range(2):
        await one.poll(sink)
    assert looked == [fresh, fresh], (
        "one that was changed just now may be changed again within its time's grain"
    )
    log.write_text(HEADER + labels([3]))
    await one.poll(sink)
    assert [r.id for r in sink.records] == ["1", "2", "3"]


def test_a_packed_file_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step back in it would unpack it again from its beginning: minutes for a large one."""
    monkeypatch.setattr(file_lines, "PIECE", 200)
    text = HEADER + labels(range(200)) + "x" * 500 + "\n" + labels(range(200, 300))
    path, plain = tmp_path / "l.csv.gz", tmp_path / "l.csv"
    path.write_bytes(gzip.compress(text.encode()))
    plain.write_text(text)
    reader, beside = (file_lines.opened(p, "csv", None) for p in (path, plain))
    rows, steps, seek = 0, [], reader.file.seek
    monkeypatch.setattr(reader.file, "seek", lambda *to: (steps.append(to), seek(*to)))
    while (piece := reader.next()) is not None:
        rows += len(piece.rows)
    while beside.next() is not None:
        pass
    reader.close()
    beside.close()
    assert (rows, len(steps)) == (300, 2), "only at its beginning"
    assert reader.cursor == beside.cursor
    again = file_lines.opened(plain, "csv", reader.cursor)
    again.close()
    assert again.cursor == reader.cursor, "it is known again"


@pytest.mark.parametrize("lead", ["\n", "\r\n \n\n", "\ufeff\n"])
async def test_the_header_may_come_after_blank_lines(
    tmp_path: Path, sink: Any, monkeypatch: pytest.MonkeyPatch, lead: str
) -> None:
    for piece in (len(lead.encode()), 200):
        monkeypatch.setattr(file_lines, "PIECE", piece)
        folder = tmp_path / f"{piece}"
        (folder / "in").mkdir(parents=True)
        (folder / "in" / "l.csv").write_bytes((lead + HEADER + labels([1, 2])).encode())
        monkeypatch.setattr(file_lines, "PIECE", 200)
        one = source(folder)
        await one.poll(sink)
        assert [r.id for r in sink.records] == ["1", "2"]
        assert not one.refused
        sink.records.clear()


@pytest.mark.parametrize("apart", [",", ";", "\t", "|"])
@pytest.mark.parametrize("packed", [False, True])
async def test_fields_in_quotes_and_other_separators(
    tmp_path: Path, sink: Any, monkeypatch: pytest.MonkeyPatch, apart: str, packed: bool
) -> None:
    """As spreadsheets and databases write them: ends of lines, separators and quotes inside of quotes."""
    monkeypatch.setattr(file_lines, "PIECE", 300)
    said = ["yes\nor no", f"a{apart}b", 'so "called"', "\n\n", "plain", 'an inch 3"', "'"]
    text = io.StringIO()
    out = csv.writer(text, delimiter=apart, lineterminator="\r\n")
    out.writerow(["id", "time", "label", 'a "note"'])
    for n in range(100):
        out.writerow([f"{n}", 1000 + n, "yes", said[n % len(said)]])
    data = "\ufeff".encode() + text.getvalue().encode()
    one = source(tmp_path)
    if packed:
        (tmp_path / "in" / "l.csv.gz").write_bytes(gzip.compress(data))
        await one.poll(sink)
    else:  # written bit by bit, and the daemon starts anew at each
        for place in range(0, len(data), 57):
            with (tmp_path / "in" / "l.csv").open("ab") as file:
                file.write(data[place : place + 57])
            one = source(tmp_path)
            assert (await one.poll(sink))[1] == []
            assert not one.refused
    assert [r.id for r in sink.records] == [f"{n}" for n in range(100)]
    assert {r.label for r in sink.records} == {"yes"}


@pytest.mark.parametrize("packed", [False, True])
async def test_a_quote_that_is_never_closed_costs_its_line(tmp_path: Path, sink: Any, packed: bool) -> None:
    text = HEADER + labels([1]) + 'x,1002,"yes\n' + labels(range(3, 300))
    one = source(tmp_path)
    if packed:
        (tmp_path / "in" / "l.csv.gz").write_bytes(gzip.compress(text.encode()))
    else:
        (tmp_path / "in" / "l.csv").write_text(text)
    await one.poll(sink)
    assert [int(r.id) for r in sink.records] == [1, *range(3, 300)]
    assert one.refused == {"not_csv": 1}


async def test_a_bad_file_is_told_and_the_rest_goes_on(tmp_path: Path, sink: Any) -> None:
    one = source(tmp_path, every=0.01)
    (tmp_path / "in" / "bad.csv.gz").write_bytes(b"this is no gzip")
    (tmp_path / "in" / "good.csv").write_text(HEADER + labels(range(3)))
    task = asyncio.create_task(one.run(sink, SystemClock()))
    try:
        await sink.until(lambda: bool(sink.findings) and sink.findings[-1].verdict is Verdict.BREACH)
        assert "bad.csv.gz" in sink.findings[-1].detail
        assert len(sink.records) == 3
        (tmp_path / "in" / "bad.csv.gz").unlink()
        await sink.until(lambda: sink.findings[-1].verdict is Verdict.OK)
    finally:
        task.cancel()
        await asyncio.wait({task})


step = st.sampled_from(
    ["append", "half", "poll", "restart", "rotate", "pack", "truncate", "replace", "remove"]
)


@given(st.lists(step, max_size=25))
@settings(max_examples=60, deadline=None)
def test_every_row_once_whatever_happens_to_the_files(steps: list[str]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="ah-"))
    try:
        written, got = asyncio.run(_play(folder, steps))
        assert got == written
    finally:
        shutil.rmtree(folder)


async def _play(folder: Path, steps: list[str]) -> tuple[list[int], list[int]]:
    """What was written and read before it could vanish, and what was handed on."""
    sink, one, number, rotated, open_line = Remembers(), source(folder), 0, 0, ""
    log = folder / "in" / "l.csv"
    for name in [*steps, "poll"]:
        if name in {"truncate", "remove"}:
            await one.poll(sink)  # what is destroyed before anybody looked is nobody's
        if name in {"append", "half"}:
            text = ("" if log.exists() else HEADER) + open_line + "\n" * bool(open_line)
            text += labels(range(number, number + 3))
            number += 3
            open_line = f"{number},{1000 + number},yes" if name == "half" else ""
            number += bool(open_line)
            with log.open("a") as file:
                file.write(text + open_line[:4])
                open_line = open_line[4:]
        elif open_line:  # a writer ends its line before anything else happens to the file
            with log.open("a") as file:
                file.write(open_line + "\n")
            open_line = ""
        if name == "poll":
            assert (await one.poll(sink))[1] == []
        elif name == "restart":
            one = source(folder)
        elif log.exists() and name == "rotate":
            rotated += 1
            log.rename(log.with_name(f"l.csv.{rotated}"))
        elif log.exists() and name == "pack":
            rotated += 1
            log.with_name(f"l.csv.{rotated}.gz").write_bytes(gzip.compress(log.read_bytes()))
            log.unlink()
        elif log.exists() and name == "truncate":
            await one.poll(sink)
            log.write_text(HEADER)
        elif log.exists() and name == "replace":
            fresh = folder / "fresh"
            fresh.write_bytes(log.read_bytes())
            fresh.rename(log)
        elif log.exists() and name == "remove":
            await one.poll(sink)
            log.unlink()
    if open_line:
        with log.open("a") as file:
            file.write(open_line + "\n")
    await one.poll(sink)
    return list(range(number)), sorted(int(r.id) for r in sink.records)  # type: ignore[union-attr]
