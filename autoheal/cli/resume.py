"""Lift the pause of the fleet or of one model."""

from __future__ import annotations

import argparse
import sys

from autoheal.cli.door import add_socket, talk
from autoheal.cli.pause import FLEET

NAME = "resume"
HELP = "lift a pause"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_socket(parser)
    parser.add_argument(
        "model", nargs="?", default=FLEET, metavar="MODEL", help="one model (default: the whole fleet)"
    )


def run(args: argparse.Namespace) -> int:
    accepted = talk(args, "control", lambda daemon: daemon.resume(args.model))
    sys.stdout.write(f"resumed {args.model} (log entry {accepted.seq})\n")
    return 0
