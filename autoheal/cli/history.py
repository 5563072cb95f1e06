"""Export what is kept of a model over time: summaries, facts, or sampled rows.

    autoheal history bike --since 30d --out bike.parquet
    autoheal history --since 7d > all.csv
    autoheal history shop --slice 'region=*'
    autoheal history bike --since 30d --facts 1h > bike.csv
    autoheal history shop --facts 1d --path 'slices/region=*:accuracy'
    autoheal history bike --since 1d --rows 20

Reads the state folder of the settings, with or without a running daemon. Without --facts and --rows one record a bucket
(a version, slice and stretch of time) and subject (a feature, `answers`, or `metric/NAME`); counts are JSON. Features
marked sensitive give counts by cell only, nothing raw. Exit status 1 when there is nothing to read, 2 when the
options cannot be used.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime, timedelta
    from pathlib import Path

    from autoheal.cli.tables import Table
    from autoheal.domain.names import ModelName
    from autoheal.domain.specs import ModelSpec

NAME = "history"
HELP = "export what is kept of models over time"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help="models (default: all of the configuration)"
    )
    parser.add_argument("--since", metavar="AGE", default="30d", help="from so long before --until (30d)")
    parser.add_argument("--until", metavar="TIME", default="", help="ISO 8601 with an offset (default: now)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--facts",
        metavar="STEP",
        default="",
        help="what monitors would have measured in each 1h, 5m, 1d, ...",
    )
    what.add_argument(
        "--rows", metavar="N", type=int, default=0, help="a uniform sample of so many raw rows of each model"
    )
    parser.add_argument(
        "--slice", metavar="GLOB", help="only slices of these names; '' for all rows together (default: all)"
    )
    parser.add_argument(
        "--path",
        metavar="GLOB",
        help="with --facts: only of these paths, like 'performance/*' (default: all)",
    )
    parser.add_argument(
        "--out", metavar="FILE", default="", help="a .csv or .parquet file (default: CSV to stdout)"
    )
    parser.add_argument("--config", metavar="FILE", default="autoheal.yaml", help="the daemon's settings")


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from autoheal.cli import tables
    from autoheal.cli.door import UsageError
    from autoheal.cli.reference_csv import spec_of
    from autoheal.daemon import reload, settings
    from autoheal.domain.durations import parse_duration
    from autoheal.telemetry.facts import check_step
    from autoheal.telemetry.schema import reader
    from autoheal.telemetry.values import from_unix, parse_time

    tables.check_name(args.out)
    if args.rows < 0:
        raise UsageError("--rows is a number above 0")
    if args.slice is not None and (args.facts or args.rows):
        raise UsageError("--slice chooses summaries; facts of slices are chosen by --path 'slices/NAME:*'")
    if args.path is not None and not args.facts:
        raise UsageError("--path chooses facts: give --facts too")
    try:
        until = from_unix(parse_time(args.until)) if args.until else _now()
        since = until - parse_duration(args.since)
        step = parse_duration(args.facts) if args.facts else None
        if step is not None:
            check_step(step)
    except ValueError as error:
        raise UsageError(str(error)) from error
    loaded = settings.load(Path(args.config))
    models = reload.load(loaded).config.models
    chosen = {name: spec_of(models, name) for name in args.models or models}
    path = loaded.state / "telemetry.db"
    reader(path).close()  # says what is wrong before a file is begun
    if step is not None:
        facts = _Asked(since, until, step, "*" if args.path is None else args.path)
        table = _facts(path, chosen, loaded.registry.path, facts)
    elif args.rows:
        table = _rows(path, chosen, since, until, args.rows)
    else:
        table = _summaries(path, chosen, since, until, args.slice)
    tables.write(table, args.out)
    return 0


class _Asked(NamedTuple):
    since: datetime
    until: datetime
    step: timedelta
    glob: str


def _now() -> datetime:
    from autoheal.clock import SystemClock

    return SystemClock().now()


def _summaries(
    path: Path, models: dict[ModelName, ModelSpec], since: datetime, until: datetime, slices: str | None
) -> Table:
    from autoheal.cli.tables import Table, columns
    from autoheal.telemetry.history import export

    names = columns(
        ("model", "version", "slice"), start="time", seconds="whole", rows="whole", subject="text",
        present="whole", missing="whole", out_of_range="whole", mean="number", variance="number",
        low="number", high="number", counts="json",
    )  # fmt: skip
    return Table(names, export(path, models, since, until, slices))


def _facts(
    path: Path,
    models: Mapping[ModelName, ModelSpec],
    registry: Path,
    asked: _Asked,
) -> Table:
    from autoheal.actions.targets.registry import Registry
    from autoheal.cli.tables import Table, columns
    from autoheal.domain.names import Version
    from autoheal.telemetry.history import History
    from autoheal.telemetry.reference import References

    shelf = Registry(registry)
    references = References(shelf.reference_path, shelf.former_references)
    fields = ("since", "until", "version", "path", "value", "n", "error", "reference", "known_at", "more")

    def told() -> Iterator[dict[str, Any]]:
        history = History(path)
        try:
            for name, spec in models.items():
                known = lambda version, name=name: references.ever(name, Version(version))  # noqa: E731 - short
                for fact in history.facts(spec, known, asked.since, asked.until, asked.step, path=asked.glob):
                    yield {"model": name} | {field: getattr(fact, field) for field in fields}
        finally:
            history.close()

    names = columns(
        ("model",), since="time", until="time", version="text", path="text", value="number", n="whole",
        error="number", reference="number", known_at="time", more="json",
    )  # fmt: skip
    return Table(names, told())


def _rows(
    path: Path, models: Mapping[ModelName, ModelSpec], since: datetime, until: datetime, size: int
) -> Table:
    from autoheal.cli.tables import Table, columns
    from autoheal.telemetry.history import History

    def told() -> Iterator[dict[str, Any]]:
        history = History(path)
        try:
            for name, spec in models.items():
                for row in history.sample(spec, since, until, size):
                    yield {"model": name} | row
        finally:
            history.close()

    names = columns(
        ("model", "version", "id"), time="time", prediction="json", score="number", label="json",
        features="json",
    )  # fmt: skip
    return Table(names, told())
