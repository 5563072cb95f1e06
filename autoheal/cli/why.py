"""Why: every decision about an incident with its tree of reasons, and where in the YAML each is written.

SUBJECT is an incident's id or a model's name; without one, the newest incident that is open (or else the newest).
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from autoheal.cli.door import add_looks, add_socket, show, talk, wants_ascii, width
from autoheal.errors import DoorError

if TYPE_CHECKING:
    from autoheal.api.wire import Why
    from autoheal.client.connection import Connection

NAME = "why"
HELP = "print why something was or was not done"
_NOT_FOUND = 404


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_socket(parser)
    add_looks(parser)
    parser.add_argument("subject", nargs="?", metavar="SUBJECT", help="an incident (INC-0001) or a model")


def run(args: argparse.Namespace) -> int:
    why = talk(args, "view", lambda daemon: _ask(daemon, args.subject))
    if args.json:
        from autoheal.api.wire import why_adapter

        sys.stdout.write(why_adapter().dump_json(why).decode() + "\n")
        return 0
    from autoheal.tui.present.why import why_lines

    show(why_lines(why, width(), wants_ascii(args)))
    return 0


async def _ask(daemon: Connection, subject: str | None) -> Why:
    if subject is not None:
        return await daemon.why(subject)
    incidents = await daemon.incidents()
    if not incidents:
        raise DoorError(
            "there was no incident yet; name a model to see what is known about it", status=_NOT_FOUND
        )
    return await daemon.why(max(incidents, key=lambda i: (i.open, i.opened_at)).id)
