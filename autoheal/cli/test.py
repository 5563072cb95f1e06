"""Play policy tests: ``*.test.yaml`` files beside policies, through the same engine that decides in production.

Exit status 0 when every expectation held, 1 when one did not, 2 when a file cannot be read. Without paths the shipped
policies are tested.
"""

from __future__ import annotations

import argparse

NAME = "test"
HELP = "play policy tests"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="files or folders with policies and their tests"
    )


def run(args: argparse.Namespace) -> int:
    from autoheal.errors import ConfigError, Problem
    from autoheal.policy.files import read_paths, shipped_root
    from autoheal.policy.known import Known
    from autoheal.policy.load import load_config
    from autoheal.policy.testfile_build import parse_test
    from autoheal.replay.policy_test import play

    paths = args.paths or [shipped_root() / "policies"]
    texts = read_paths(paths, shipped=True)
    if not texts.tests:
        raise ConfigError(
            (Problem(str(paths[0]), 1, 1, "no *.test.yaml here", "name them after their policy"),)
        )
    known = Known.standard()
    sources = texts.sources if args.paths else {k: v for k, v in texts.sources.items() if k in texts.defaults}
    config = load_config(sources, known, defaults=texts.defaults).config
    failed = expectations = 0
    for file, text in texts.tests.items():
        test = parse_test(file, text, known)
        failures = play(test, config)
        expectations += len(test.expect)
        failed += len(failures)
        print(f"{'✗' if failures else '✓'} {file}: {len(test.expect)} expectations")
        for failure in failures:
            print(f"    {failure}")
    print(f"{expectations - failed} of {expectations} expectations held")
    return int(failed > 0)
