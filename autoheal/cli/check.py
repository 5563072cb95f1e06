"""Check configuration files without a daemon: every problem with file, line, column and a hint.

PATHS are files and folders of YAML; with the daemon's settings come the folders that they name. The policies and
runbooks that come with autoheal are known besides, unless --no-shipped. Exit status 0 when all is well (warnings are printed), 2 when anything is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from autoheal.daemon.settings import DaemonSettings
    from autoheal.domain.specs import Config
    from autoheal.errors import Problem
    from autoheal.policy.files import Texts
    from autoheal.policy.known import Known

NAME = "check"
HELP = "check configuration files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="*", metavar="PATHS", help="files and folders of YAML (default: what is shipped)"
    )
    parser.add_argument(
        "--schema", metavar="KIND", help="print the JSON Schema of a kind, for editors, and end"
    )
    parser.add_argument(
        "--no-shipped", action="store_true", help="leave the shipped policies and runbooks out"
    )


def run(args: argparse.Namespace) -> int:
    if args.schema:
        return _print_schema(args.schema)
    from autoheal.errors import ConfigError
    from autoheal.policy.files import read_paths
    from autoheal.policy.load import load_config

    known = known_here()
    config: Config | None = None
    problems: tuple[Problem, ...] = ()
    texts: Texts | None = None
    try:
        paths, daemons = _with_folders(args.paths)
        texts = read_paths(paths, shipped=not args.no_shipped)
        loaded = load_config(texts.sources, known, defaults=texts.defaults)
        problems = loaded.warnings
        for daemon in daemons:
            from autoheal.daemon import parts

            parts.sources(daemon, loaded.config.models)
        config = loaded.config
    except ConfigError as refused:
        problems = refused.problems
    if texts is not None:
        problems += _test_problems(texts, known)
    return _report(config, problems, len(texts.tests) if texts else 0)


def known_here() -> Known:
    """What the plug-ins of this installation offer; pipelines and notifiers are the daemon's settings."""
    from autoheal.actions import known_actions
    from autoheal.monitors import MONITORS
    from autoheal.policy.known import Known

    return Known.of(
        known_actions(),
        {kind: monitor.Options for kind, monitor in MONITORS.items()},
    )


def _print_schema(kind: str) -> int:
    import json

    from autoheal.policy.explain import did_you_mean
    from autoheal.policy.schema_export import SCHEMAS, json_schema

    if kind not in SCHEMAS:
        sys.stderr.write(f"autoheal check: there is no kind {kind!r}; {did_you_mean(kind, SCHEMAS)}\n")
        return 2
    sys.stdout.write(json.dumps(json_schema(kind), indent=2) + "\n")
    return 0


def _test_problems(texts: Texts, known: Known) -> tuple[Problem, ...]:
    from autoheal.policy.testfile_build import read_test
    from autoheal.policy.yaml_source import read

    return tuple(p for file, text in texts.tests.items() for p in read_test(read(file, text), known)[1])


def _with_folders(paths: list[str]) -> tuple[list[str | Path], list[DaemonSettings]]:
    """The paths, the folders that daemons' settings among them name, and these settings; ConfigError where one cannot
    be used."""
    from pathlib import Path

    from autoheal.policy.files import read_paths
    from autoheal.policy.load import head
    from autoheal.policy.yaml_source import read

    given = read_paths(paths, shipped=False).sources
    files = [file for file, text in given.items() if head(read(file, text))[0] == "daemon"]
    if not files:
        return [*paths], []
    from autoheal.daemon.settings import load

    daemons = [load(Path(file)) for file in files]
    return [*paths, *(folder for daemon in daemons for folder in daemon.config)], daemons


def _report(config: Config | None, problems: tuple[Problem, ...], tests: int) -> int:
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    counts = Counter(problem.severity for problem in problems)
    if counts["error"] or config is None:
        sys.stderr.write(f"{_count(counts['error'], 'error')}, {_count(counts['warning'], 'warning')}\n")
        return 2
    found = [
        _count(len(config.models), "model"),
        _count(len(config.policies), "policy", "policies"),
        _count(len(config.runbooks), "runbook"),
        *([_count(tests, "policy test")] if tests else []),
    ]
    warned = f" ({_count(counts['warning'], 'warning')})" if counts["warning"] else ""
    sys.stdout.write(f"{', '.join(found)} ok{warned}\n")
    _print_promise(config)
    return 0


def _print_promise(config: Config) -> None:
    """What the false-alarm budgets promise, models with equal budgets in one line."""
    from autoheal.monitors.shares import promises

    found = promises(config)
    if not found:
        return
    rule = config.guards.false_alarms
    sys.stdout.write(
        f"false alarms, if nothing is wrong: the whole fleet at most one notify in {_days(rule.notify.days)}"
        f" and one act in {_days(rule.act.days)}\n"
    )
    for one in found:
        who = ", ".join(one.models[:3]) + (f" and {len(one.models) - 3} more" if len(one.models) > 3 else "")
        parts = ", ".join(f"{kind} {part:.0%}" for kind, part in one.parts.items())
        each = " each" if len(one.models) > 1 else ""
        sys.stdout.write(
            f"  {who}: {one.share:.3g} of it{each}: one notify in {_days(one.notify)}, one act in {_days(one.act)} ({parts})\n"
        )


def _days(days: float) -> str:
    return f"{days:.0f} days" if days < 730 else f"{days / 365.25:.0f} years"


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"
