"""Say what a version is compared with, or compare it with something else from now on.

    autoheal reference fraud v7                                        what it is compared with, and was before
    autoheal reference fraud v7 --from train.csv                       with rows of a file, in the order of time
    autoheal reference fraud v7 --window 2026-01-05T00:00:00Z..2026-01-12T00:00:00Z    with what it served then
    autoheal reference fraud v7 --lineage                              with the data that it was trained on, or its parent's reference
    autoheal reference fraud v7 --undo                                 with what it was compared with before

A daemon that runs notices at its next beat; its evidence then starts anew, and the event log says so. A window in which
the model had an incident is refused without --force: what is sick must not become the measure of health.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from autoheal.cli.reference_csv import add_answer_columns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from autoheal.actions.targets.references import How
    from autoheal.actions.targets.registry import Registry
    from autoheal.domain.specs import ModelSpec

NAME = "reference"
HELP = "say what a version is compared with, or change it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the model's name, as its file says")
    parser.add_argument("version", metavar="VERSION", help="the version's name in the registry")
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--from", dest="file", metavar="CSV", help="compare with the rows of a file")
    change.add_argument("--window", metavar="SINCE..UNTIL", help="compare with what it served in this time")
    change.add_argument("--lineage", action="store_true", help="compare with what it was trained on")
    change.add_argument("--undo", action="store_true", help="compare with what it was compared with before")
    add_answer_columns(parser)
    parser.add_argument(
        "--force", action="store_true", help="take a window although there was an incident in it"
    )
    parser.add_argument("--config", default="autoheal.yaml", metavar="FILE", help="the daemon's settings")


def run(args: argparse.Namespace) -> int:
    from getpass import getuser
    from pathlib import Path

    from autoheal.actions.targets.registry import Registry
    from autoheal.cli.reference_csv import spec_of
    from autoheal.clock import SystemClock
    from autoheal.daemon import reload, settings

    loaded = settings.load(Path(args.config))
    spec = spec_of(reload.load(loaded).config.models, args.model)
    registry, now = Registry.open(loaded.registry.path), SystemClock().now()
    registry.info(spec.name, args.version)
    if args.undo:
        registry.restore_reference(spec.name, args.version, by=getuser(), at=now)
    elif made := _made(args, spec, registry, loaded.state, now):
        reference, how, detail = made
        registry.anchor(spec.name, args.version, reference, how=how, by=getuser(), at=now, detail=detail)
    _tell(registry, spec.name, args.version)
    return 0


def _made(
    args: argparse.Namespace, spec: ModelSpec, registry: Registry, state: Path, now: datetime
) -> tuple[dict[str, Any], How, str] | None:
    """The reference that is asked for, how it came about, and that in words; None when none is asked for."""
    from pathlib import Path

    from autoheal.cli.reference_csv import AnswerColumns, from_csv

    if args.file:
        made = from_csv(spec, Path(args.file), AnswerColumns(args.label, args.prediction, args.score))
        return made, "training", f"{made['rows']:,} rows of {Path(args.file).name}"
    if args.window:
        return _of_window(args, spec, state, now)
    return _of_lineage(args, spec, registry, state) if args.lineage else None


def _of_window(
    args: argparse.Namespace, spec: ModelSpec, state: Path, now: datetime
) -> tuple[dict[str, Any], How, str]:
    from autoheal.actions.lineage import span
    from autoheal.domain.names import Version
    from autoheal.errors import ActionRefused
    from autoheal.telemetry.served_reference import LEAST_LABELS, served_reference

    since, until = _window(args.window)
    trouble = None if args.force else _incident_in(state, spec.name, since, until)
    if trouble:
        raise ActionRefused(f"{trouble} of {spec.name} lies in that window; take a healthy one, or --force")
    served = served_reference(
        state / "telemetry.db", spec, since, until, now=now, version=Version(args.version)
    )
    few = f", no baseline of performance ({LEAST_LABELS} are needed)" if served.labels < LEAST_LABELS else ""
    return (
        served.reference,
        "window",
        f"{span(since, until)}: {served.rows:,} rows, {served.labels:,} labels{few}",
    )


def _of_lineage(
    args: argparse.Namespace, spec: ModelSpec, registry: Registry, state: Path
) -> tuple[dict[str, Any], How, str]:
    from contextlib import closing

    from autoheal.actions.lineage import of_lineage
    from autoheal.telemetry.schema import reader
    from autoheal.telemetry.served_reference import rows_served
    from autoheal.telemetry.values import to_unix

    def served(since: datetime, until: datetime) -> list[Mapping[str, Any]]:
        with closing(reader(state / "telemetry.db")) as db:
            found = rows_served(db, spec.name, to_unix(since), to_unix(until))
        return [features for _, features in reversed(found)]

    story = of_lineage(spec, registry, args.version, served)
    return story.reference, "lineage", story.detail


def _window(text: str) -> tuple[datetime, datetime]:
    from autoheal.cli.reference_csv import moment
    from autoheal.errors import ActionRefused

    first, dots, last = text.partition("..")
    since, until = moment(first), moment(last) if dots else None
    if until is None or until <= since:
        raise ActionRefused(
            f"--window {text!r} is no stretch of time: write it like 2026-01-05T00:00Z..2026-01-12T00:00Z"
        )
    return since, until


def _incident_in(state: Path, model: str, since: datetime, until: datetime) -> str | None:
    """An incident of the model that was open in the window, by the event log; None too where there is no log."""
    from autoheal.domain.events import IncidentClosed, IncidentGrew, IncidentOpened
    from autoheal.errors import StoreError
    from autoheal.store.reader import LogReader

    try:
        log = LogReader.open(state)
    except StoreError:
        return None
    began: dict[str, datetime] = {}
    try:
        for entry in log.of_kind("incident_opened", "incident_grew", "incident_closed"):
            match entry.event:
                case IncidentOpened(incident) if model in incident.models:
                    began[incident.id] = incident.started_at
                case IncidentGrew() as grew if model in grew.models:
                    began[grew.incident] = min(began.get(grew.incident, grew.started_at), grew.started_at)
                case IncidentClosed() as closed if closed.incident in began:
                    if began.pop(closed.incident) < until and entry.at > since:
                        return f"incident {closed.incident}"
    finally:
        log.close()
    return next((f"incident {name}" for name, start in began.items() if start < until), None)


def _tell(registry: Registry, model: str, version: str) -> None:
    anchors = registry.anchors(model, version)
    if not anchors:
        own = (
            "its own reference" if registry.reference_path(model, version) else "nothing: it has no reference"
        )
        print(f"{model} {version} is compared with {own}")
        return
    for place, one in enumerate(reversed(anchors)):
        when = "is compared with" if place == 0 else "before that with"
        print(
            f"{model} {version} {when} {one.how} {one.digest[:12]}: {one.detail} ({one.by}, {one.at:%Y-%m-%d %H:%M} UTC)"
        )
