"""Features as served beside those of the training pipeline: what differs, and which ids to compute.

    autoheal skew bike --since 7d
    autoheal skew bike --ids --since 2d | compute_features | ...

Reads the state folder of the settings, with or without a running daemon. Prints a JSON object a line: with --ids the
sampled ids of predictions whose features have not come yet; else one a version and feature that was compared, and then
what became of the pipeline's records. Exit status 1 when there is nothing to read, 2 when the options cannot be used.
"""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING

from autoheal.cli.spans import span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from typing import Any

    from autoheal.domain.specs import ModelSpec
    from autoheal.telemetry.skew_report import SkewReport

NAME = "skew"
HELP = "served features beside the training pipeline's"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument(
        "--ids", action="store_true", help="the sampled ids whose features the pipeline has not sent"
    )
    parser.add_argument("--all", action="store_true", help="with --ids: also those whose features have come")
    parser.add_argument(
        "--since",
        metavar="AGE",
        type=span,
        default=timedelta(days=1),
        help="of predictions from so long before --until (1d)",
    )
    parser.add_argument("--until", metavar="TIME", default="", help="ISO 8601 with an offset (default: now)")
    parser.add_argument("--config", metavar="FILE", default="autoheal.yaml", help="the daemon's settings")


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    import orjson

    from autoheal.cli.door import UsageError
    from autoheal.cli.reference_csv import spec_of
    from autoheal.clock import SystemClock
    from autoheal.daemon import reload, settings
    from autoheal.telemetry.skew_report import SkewReport
    from autoheal.telemetry.values import from_unix, parse_time

    try:
        until = from_unix(parse_time(args.until)) if args.until else SystemClock().now()
    except ValueError as error:
        raise UsageError(f"--until: {error}") from error
    loaded = settings.load(Path(args.config))
    spec = spec_of(reload.load(loaded).config.models, args.model)
    report = SkewReport(loaded.state / "telemetry.db")
    try:
        what = _ids(report, spec, until - args.since, until, known=args.all) if args.ids else None
        for line in what or _compared(report, spec, until - args.since, until):
            print(orjson.dumps(line).decode())
    finally:
        report.close()
    return 0


def _ids(
    report: SkewReport, spec: ModelSpec, since: datetime, until: datetime, *, known: bool
) -> Iterator[dict[str, Any]]:
    from autoheal.cli.door import UsageError
    from autoheal.telemetry.skew import options_of

    options = options_of(spec)
    if options is None:
        raise UsageError(f"{spec.name}: its monitor data_quality has no skew: {{share: ...}}")
    for one in report.wanted(spec.name, options.share, since, until, known=known):
        yield {"model": spec.name, "id": one.id, "time": one.time, "version": one.version}


def _compared(
    report: SkewReport, spec: ModelSpec, since: datetime, until: datetime
) -> Iterator[dict[str, Any]]:
    from dataclasses import asdict

    for one in report.features(spec.name, since, until):
        yield {"model": spec.name} | asdict(one)
    yield {"model": spec.name, "records": asdict(report.fates(spec.name))}
