"""Run the monitors over a CSV file and print what they would have said, row by row, on the file's own clock.

    autoheal detect latency.csv --time timestamp --value p95
    autoheal detect scored.csv.gz --time at --features age,income --prediction approved --label repaid --reference 0:5000

With --value one metric is watched for spikes, bursts and steps. Else the features (all other columns, when none are
named), the prediction and, with --label, the losses are watched against the reference rows. False alarms: one in 14 days
over everything that is watched (`act`: one in 365). Nothing is written. Exit status 0 when the file could be judged,
whatever was found; 2 when the file or the options cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoheal.detect.engine import Options
    from autoheal.detect.events import Event
    from autoheal.detect.table import Table

NAME = "detect"
HELP = "run the monitors over a file and print alarms and findings"
UNUSABLE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="CSV with a header, plain or gzipped")
    parser.add_argument(
        "--time", metavar="COL", default="", help="column of times (default: a row counts an hour)"
    )
    parser.add_argument("--value", metavar="COL", default="", help="the metric to watch")
    parser.add_argument(
        "--features", metavar="A,B", default="", help="columns to watch for drift (default: all others)"
    )
    parser.add_argument("--prediction", metavar="COL", default="", help="column of the model's answers")
    parser.add_argument("--label", metavar="COL", default="", help="column of the truth")
    parser.add_argument(
        "--reference",
        metavar="A:B",
        default="",
        help="rows A..B-1 are healthy (default: the first fifth, at most 5000)",
    )
    parser.add_argument("--json", action="store_true", help="print a list of objects")


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from autoheal.detect.engine import Options, detect
    from autoheal.detect.table import read
    from autoheal.errors import TelemetryError

    try:
        options = Options(
            time=args.time,
            value=args.value,
            features=tuple(name.strip() for name in args.features.split(",") if name.strip()),
            prediction=args.prediction,
            label=args.label,
            reference=_reference(args.reference),
        )
        table = read(Path(args.file))
        events = detect(table, options)
    except TelemetryError as problem:
        sys.stderr.write(f"autoheal detect: {problem}\n")
        return UNUSABLE
    sys.stdout.write(_json(events, table, options) if args.json else _text(events, table, options))
    return 0


def _reference(text: str) -> tuple[int, int] | None:
    from autoheal.errors import TelemetryError

    if not text:
        return None
    start, colon, end = text.partition(":")
    try:
        if colon:
            return int(start or 0), int(end)
    except ValueError:
        pass
    raise TelemetryError(f"--reference {text!r}: two row numbers were expected, as in 0:5000")


def _time(event: Event, table: Table, options: Options) -> str | None:
    """The cell of the time column, as it stands in the file."""
    return table.columns[options.time][event.row] if options.time and table.rows else None


def _json(events: list[Event], table: Table, options: Options) -> str:
    import orjson

    found = [
        {
            "kind": e.kind,
            "row": e.row,
            "time": _time(e, table, options),
            "monitor": e.monitor,
            "subject": e.subject,
            "level": e.level,
            "effect": e.effect,
            "evidence": e.evidence,
            "started_row": e.started_row,
            "verdict": e.verdict,
            "detail": e.detail,
        }
        for e in events
    ]
    return orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n"


def _text(events: list[Event], table: Table, options: Options) -> str:
    alarms = sum(e.kind == "alarm" for e in events)
    lines = [_line(e, _time(e, table, options)) for e in events]
    count = (
        f"{alarms} alarm{'' if alarms == 1 else 's'}, {len(events) - alarms} findings in {table.rows} rows"
    )
    return "\n".join([*lines, count]) + "\n"


def _line(e: Event, time: str | None) -> str:
    at = f"row {e.row}" + (f" ({time})" if time else "")
    what = f"alarm, {e.level}" if e.kind == "alarm" else e.verdict
    since = f", since row {e.started_row}" if e.started_row is not None and e.started_row != e.row else ""
    size = "" if e.effect is None or e.kind == "finding" else f", effect {e.effect:.3g}"
    sure = "" if e.evidence is None else f", evidence {e.evidence:.1f}"
    return f"{at}: {what}: {e.monitor} of {e.subject}: {e.detail}{size}{sure}{since}"
