"""Let matching alarms open no incident for a while, or end a silence before its time (--expire S-12).

TARGET and --path are globs: `autoheal silence 'bike-*' --path 'data_drift/*' --for 2h --reason "holiday"`.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from autoheal.cli.door import UsageError, add_socket, talk
from autoheal.cli.spans import span

if TYPE_CHECKING:
    from autoheal.client.connection import Connection

NAME = "silence"
HELP = "let alarms open no incident for a while"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_socket(parser)
    parser.add_argument("target", nargs="?", metavar="TARGET", help="glob over models and upstreams")
    parser.add_argument(
        "--path", default="*", metavar="GLOB", help="which alarms, as monitor/subject (default: all)"
    )
    parser.add_argument("--for", dest="length", type=span, metavar="SPAN", help="how long: 30m, 2h, 3d")
    parser.add_argument("--reason", metavar="TEXT", help="why, for those who wonder")
    parser.add_argument("--expire", metavar="ID", help="end this silence now")


def run(args: argparse.Namespace) -> int:
    if args.expire:
        accepted = talk(args, "control", lambda daemon: daemon.expire_silence(args.expire))
        sys.stdout.write(f"ended silence {args.expire} (log entry {accepted.seq})\n")
        return 0
    if not (args.target and args.length and args.reason):
        raise UsageError("a silence needs TARGET, --for and --reason; see `autoheal silence --help`")

    async def work(daemon: Connection) -> tuple[int, int]:
        before = await daemon.snapshot()
        accepted = await daemon.silence(args.target, args.path, args.reason, before.now + args.length)
        hidden = sum(
            _matches(a.target, args.target) and _matches(a.path, args.path)
            for a in before.world.alarms.values()
        )
        return accepted.seq, hidden

    seq, hidden = talk(args, "control", work)
    sys.stdout.write(
        f"silenced {args.target} {args.path}: hides {hidden} of the present alarms (log entry {seq})\n"
    )
    return 0


def _matches(text: str, glob: str) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(text, glob)
