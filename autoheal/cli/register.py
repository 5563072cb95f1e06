"""Put a version of a model into the registry, with what it was trained on as its reference.

The reference CSV has a header, one row per training or held-out example in the order of time, and a column per feature;
with --label and --prediction (and --score) it also gives the baseline that performance is measured against. The
version becomes champion unless --no-champion or --role fallback. CI calls this when it releases.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from autoheal.cli.reference_csv import add_answer_columns

if TYPE_CHECKING:
    from pathlib import Path

NAME = "register"
HELP = "put a version into the registry"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the model's name, as its file says")
    parser.add_argument("version", metavar="VERSION", help="the version's name, for ever")
    parser.add_argument(
        "--artefact", required=True, metavar="PATH", help="the model itself: a file or a folder"
    )
    parser.add_argument("--reference", metavar="CSV", help="rows that it was trained on or tried with")
    add_answer_columns(parser)
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
    from autoheal.cli.reference_csv import AnswerColumns, from_csv, moment, spec_of
    from autoheal.clock import SystemClock
    from autoheal.daemon import reload, settings

    loaded = settings.load(Path(args.config))
    spec = spec_of(reload.load(loaded).config.models, args.model)
    reference = None
    if args.reference:
        columns = AnswerColumns(args.label, args.prediction, args.score)
        reference = from_csv(spec, Path(args.reference), columns)
    registry, now = Registry.open(loaded.registry.path), SystemClock().now()
    since = moment(args.since) if args.since else now
    with _as_folder(Path(args.artefact)) as folder:
        made = registry.register(
            spec.name, folder, NewVersion(version=args.version, role=args.role), at=now, reference=reference
        )
    print(f"{spec.name} {made.version} registered, sha256 {made.artefact_sha256[:12]}")
    if args.role == "model" and not args.no_champion:
        registry.set_champion(spec.name, made.version, by="ci", at=since)
        print(f"{made.version} is champion of {spec.name}")
    return 0


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
