"""Writes records as CSV or Parquet, for commands that export. No command itself; pyarrow is imported when it is needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from autoheal.cli.door import UsageError

Kind = Literal["text", "time", "whole", "number", "json"]
#: Records of one part of a Parquet file.
PART = 10_000


@dataclass(frozen=True, slots=True)
class Table:
    """Records with these columns, in this order; what a record lacks is empty."""

    columns: Mapping[str, Kind]
    records: Iterator[dict[str, Any]]


def check_name(out: str) -> None:
    """UsageError for a file that cannot be written, before anything is read."""
    if out and Path(out).suffix not in {".csv", ".parquet"}:
        raise UsageError("--out names a .csv or .parquet file")


def write(table: Table, out: str) -> None:
    """To a file (0600) by its suffix, or as CSV to stdout. UsageError without pyarrow."""
    if out:
        Path(out).touch(mode=0o600)
        # One that was there already may be open to all.
        Path(out).chmod(0o600)
    if out.endswith(".parquet"):
        _parquet(table, Path(out))
    elif out:
        with Path(out).open("w", newline="", encoding="utf-8") as file:
            _csv(table, file)
    else:
        _csv(table, sys.stdout)


def _csv(table: Table, file: Any) -> None:
    import csv

    writer = csv.DictWriter(file, list(table.columns), restval="")
    writer.writeheader()
    for record in table.records:
        flat = _flat(table, record)
        writer.writerow({k: v.isoformat() if isinstance(v, datetime) else v for k, v in flat.items()})


def _parquet(table: Table, path: Path) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError("writing Parquet needs pyarrow: pip install 'autoheal[parquet]'") from None
    kinds = {"text": pa.string(), "json": pa.string(), "whole": pa.int64(), "number": pa.float64()}
    kinds |= {"time": pa.timestamp("us", tz="UTC")}
    schema = pa.schema([(name, kinds[kind]) for name, kind in table.columns.items()])
    with pq.ParquetWriter(path, schema) as writer:
        part: list[dict[str, Any]] = []
        for record in table.records:
            part.append(_flat(table, record))
            if len(part) >= PART:
                writer.write_table(pa.Table.from_pylist(part, schema))
                part = []
        writer.write_table(pa.Table.from_pylist(part, schema))


def _flat(table: Table, record: Mapping[str, Any]) -> dict[str, Any]:
    import orjson

    return {
        name: orjson.dumps(value).decode() if table.columns[name] == "json" else value
        for name, value in record.items()
    }


def columns(text: Sequence[str], **rest: Kind) -> dict[str, Kind]:
    """Text columns first, then the others."""
    return {**dict.fromkeys(text, "text"), **rest}
