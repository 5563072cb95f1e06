"""List incidents, the newest first: those that are open, or all that are remembered."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from autoheal.cli.door import add_looks, add_socket, show, talk, wants_ascii, width

if TYPE_CHECKING:
    from datetime import datetime

    from autoheal.client.connection import Connection
    from autoheal.domain.records import Incident

NAME = "incidents"
HELP = "list incidents"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_socket(parser)
    add_looks(parser)
    parser.add_argument("--all", action="store_true", help="closed ones too")


def run(args: argparse.Namespace) -> int:
    async def ask(daemon: Connection) -> tuple[list[Incident], datetime]:
        return await daemon.incidents("all" if args.all else "open"), (await daemon.snapshot()).now

    incidents, now = talk(args, "view", ask)
    if args.json:
        from autoheal.api.wire import incidents_adapter

        sys.stdout.write(incidents_adapter().dump_json(incidents).decode() + "\n")
        return 0
    from autoheal.tui.present.incidents import incident_lines

    show(incident_lines(incidents, now, width(), wants_ascii(args)))
    return 0
