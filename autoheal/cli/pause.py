"""Pause the fleet or one model: autoheal goes on watching and deciding, and does not act. `autoheal resume` lifts it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from autoheal.cli.door import add_socket, talk
from autoheal.cli.spans import span

if TYPE_CHECKING:
    from autoheal.client.connection import Connection

NAME = "pause"
HELP = "decide but do not act, for the fleet or one model"
FLEET = "fleet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_socket(parser)
    parser.add_argument(
        "model", nargs="?", default=FLEET, metavar="MODEL", help="one model (default: the whole fleet)"
    )
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why, for those who find it paused")
    parser.add_argument(
        "--for", dest="length", type=span, metavar="SPAN", help="lift it by itself after 30m, 2h, ..."
    )


def run(args: argparse.Namespace) -> int:
    async def work(daemon: Connection) -> int:
        until = (await daemon.snapshot()).now + args.length if args.length else None
        return (await daemon.pause(args.model, args.reason, until)).seq

    seq = talk(args, "control", work)
    sys.stdout.write(f"paused {args.model}: decides, does not act (log entry {seq})\n")
    return 0
