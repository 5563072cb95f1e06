"""Export what is kept of a model over time: counts, moments, answers and labels per version, slice and stretch of time.

    autoheal history bike --since 30d --out bike.parquet
    autoheal history --since 7d > all.csv
    autoheal history shop --slice 'region=*'

Reads the state folder of the settings, with or without a running daemon. One record a bucket and subject (a feature,
`answers`, or `metric/NAME`); counts are JSON. Features marked sensitive give counts by cell only, nothing raw. Exit
status 2 when there is nothing to read or the options cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

NAME = "history"
HELP = "export what is kept of models over time"
UNUSABLE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help="models (default: all of the configuration)"
    )
    parser.add_argument("--since", metavar="AGE", default="30d", help="from so long before --until (30d)")
    parser.add_argument("--until", metavar="TIME", default="", help="ISO 8601 with an offset (default: now)")
    parser.add_argument(
        "--slice", metavar="GLOB", help="only slices of these names; '' for all rows together (default: all)"
    )
    parser.add_argument(
        "--out", metavar="FILE", default="", help="a .csv or .parquet file (default: CSV to stdout)"
    )
    parser.add_argument("--config", metavar="FILE", default="autoheal.yaml", help="the daemon's settings")


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from autoheal.daemon import reload, settings
    from autoheal.domain.durations import parse_duration
    from autoheal.telemetry.history import export
    from autoheal.telemetry.values import from_unix, parse_time

    if args.out and Path(args.out).suffix not in {".csv", ".parquet"}:
        return _unusable("--out names a .csv or .parquet file")
    try:
        until = from_unix(parse_time(args.until)) if args.until else _now()
        since = until - parse_duration(args.since)
    except ValueError as error:
        return _unusable(str(error))
    loaded = settings.load(Path(args.config))
    models = reload.load(loaded).config.models
    unknown = sorted(set(args.models) - set(models))
    path = loaded.state / "telemetry.db"
    if unknown or not path.exists():
        return _unusable(
            f"no model is called {unknown[0]!r}" if unknown else f"{path}: there is no telemetry"
        )
    chosen = {name: spec for name, spec in models.items() if not args.models or name in args.models}
    return _write(export(path, chosen, since, until, args.slice), args.out)


def _now() -> datetime:
    from autoheal.clock import SystemClock

    return SystemClock().now()


def _write(records: Iterator[dict[str, Any]], out: str) -> int:
    from pathlib import Path

    if out.endswith(".parquet"):
        return _parquet(records, Path(out))
    if not out:
        _csv(records, sys.stdout)
        return 0
    with Path(out).open("w", newline="", encoding="utf-8") as file:
        Path(out).chmod(0o600)
        _csv(records, file)
    return 0


def _csv(records: Iterator[dict[str, Any]], file: Any) -> None:
    import csv

    from autoheal.telemetry.history import COLUMNS

    writer = csv.DictWriter(file, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(_flat(record) | {"start": record["start"].isoformat()} for record in records)


def _parquet(records: Iterator[dict[str, Any]], path: Path) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return _unusable("writing Parquet needs pyarrow: pip install 'autoheal[parquet]'")
    from autoheal.telemetry.history import COLUMNS

    kinds = {"model": pa.string(), "version": pa.string(), "slice": pa.string(), "subject": pa.string()}
    kinds |= {"start": pa.timestamp("us", tz="UTC"), "counts": pa.string()}
    kinds |= {name: pa.int64() for name in ("seconds", "rows", "present", "missing", "out_of_range")}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in COLUMNS])
    path.touch(mode=0o600)
    with pq.ParquetWriter(path, schema) as writer:
        part: list[dict[str, Any]] = []
        for record in records:
            part.append(_flat(record))
            if len(part) >= 10_000:
                writer.write_table(pa.Table.from_pylist(part, schema))
                part = []
        writer.write_table(pa.Table.from_pylist(part, schema))
    return 0


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    import orjson

    return record | {"counts": orjson.dumps(record["counts"]).decode()}


def _unusable(why: str) -> int:
    sys.stderr.write(f"autoheal history: {why}\n")
    return UNUSABLE
