"""Put a version of a model into the registry, with what it was trained on as its reference.

The reference CSV has a header, one row per training or held-out example in the order of time, and a column per feature;
with --label and --prediction (and --score) it also gives the baseline that performance is measured against. The
version becomes champion unless --no-champion or --role fallback. CI calls this when it releases.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from autoheal.domain.specs import ModelSpec

NAME = "register"
HELP = "put a version into the registry"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the model's name, as its file says")
    parser.add_argument("version", metavar="VERSION", help="the version's name, for ever")
    parser.add_argument(
        "--artefact", required=True, metavar="PATH", help="the model itself: a file or a folder"
    )
    parser.add_argument("--reference", metavar="CSV", help="rows that it was trained on or tried with")
    parser.add_argument("--label", metavar="COLUMN", help="the column of the CSV with the truth")
    parser.add_argument("--prediction", metavar="COLUMN", help="the column with this version's answers")
    parser.add_argument("--score", metavar="COLUMN", help="the column with the positive class's probability")
    parser.add_argument(
        "--role", choices=("model", "fallback"), default="model", help="fallback: the stand-in"
    )
    parser.add_argument(
        "--no-champion", action="store_true", help="only keep it; something else makes it champion"
    )
    parser.add_argument("--since", metavar="TIME", help="since when it has served, ISO 8601 (default: now)")
    parser.add_argument(
        "--config",
        default="autoheal.yaml",
        metavar="FILE",
        help="the daemon's settings (default: autoheal.yaml)",
    )


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from autoheal.actions.targets.registry import Registry
    from autoheal.actions.targets.versions import NewVersion
    from autoheal.clock import SystemClock
    from autoheal.daemon import reload, settings

    loaded = settings.load(Path(args.config))
    spec = _spec(reload.load(loaded).config.models, args.model)
    reference = _reference(spec, Path(args.reference), args) if args.reference else None
    registry, now = Registry.open(loaded.registry.path), SystemClock().now()
    with _as_folder(Path(args.artefact)) as folder:
        made = registry.register(
            spec.name, folder, NewVersion(version=args.version, role=args.role), at=now, reference=reference
        )
    print(f"{spec.name} {made.version} registered, sha256 {made.artefact_sha256[:12]}")
    if args.role == "model" and not args.no_champion:
        registry.set_champion(spec.name, made.version, by="ci", at=_moment(args.since) if args.since else now)
        print(f"{made.version} is champion of {spec.name}")
    return 0


def _spec(models: Any, name: str) -> ModelSpec:
    from autoheal.errors import ActionRefused

    found: ModelSpec | None = models.get(name)
    if found is None:
        known = ", ".join(sorted(models)) or "none"
        raise ActionRefused(f"no model is called {name!r}; there are: {known}")
    return found


def _moment(text: str) -> datetime:
    from datetime import datetime

    from autoheal.errors import ActionRefused

    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ActionRefused(f"--since {text!r} is no time: write it like 2026-01-31T12:00:00Z") from error
    if found.tzinfo is None:
        raise ActionRefused(f"--since {text!r} has no zone: end it with Z")
    return found


def _as_folder(artefact: Path) -> Any:
    """Registries keep folders: a single file is put into one."""
    import contextlib
    import shutil
    import tempfile
    from pathlib import Path

    from autoheal.errors import ActionRefused

    if artefact.is_dir():
        return contextlib.nullcontext(artefact)
    if not artefact.is_file():
        raise ActionRefused(f"there is no artefact {artefact}")
    passing = tempfile.TemporaryDirectory(prefix="autoheal-register-")
    shutil.copy(artefact, Path(passing.name) / artefact.name)

    @contextlib.contextmanager
    def folder() -> Any:
        with passing as name:
            yield Path(name)

    return folder()


def _reference(spec: ModelSpec, path: Path, args: argparse.Namespace) -> dict[str, Any]:
    from autoheal.actions.dataset import read_columns
    from autoheal.errors import ActionRefused
    from autoheal.telemetry.reference import build_performance, build_reference

    head = _column_names(path)
    lacking = [f.name for f in spec.features if f.name not in head]
    lacking += [c for c in (args.label, args.prediction, args.score) if c and c not in head]
    if lacking:
        raise ActionRefused(f"{path} lacks the columns {', '.join(lacking)}; it has: {', '.join(head)}")
    columns, performance = read_columns(spec, path), None
    if args.label and args.prediction:
        numbers = spec.task == "regression"
        labels, answers = (_cells(path, c, numbers=numbers) for c in (args.label, args.prediction))
        scores = _cells(path, args.score, numbers=True) if args.score else None
        performance = build_performance(
            spec.task, labels, answers, scores, slices=spec.slices, columns=columns
        )
    return build_reference(spec.features, columns, performance, slices=spec.slices)


def _column_names(path: Path) -> list[str]:
    import csv

    from autoheal.errors import ActionRefused

    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return next(csv.reader(stream), [])
    except OSError as error:
        raise ActionRefused(f"the reference {path} cannot be read: {error.strerror}") from error


def _cells(path: Path, column: str, *, numbers: bool) -> list[Any]:
    import csv

    from autoheal.errors import ActionRefused

    with path.open(newline="", encoding="utf-8") as stream:
        cells = [row[column] for row in csv.DictReader(stream)]
    if not numbers:
        return cells
    try:
        return [float(cell) for cell in cells]
    except ValueError as error:
        raise ActionRefused(f"{path}, column {column}: {error}") from error
