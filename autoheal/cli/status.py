"""How the fleet does: a line a model, the worst first.

Exit status 0 when nothing is wrong, 1 when an incident is open or a model is unhealthy or failed.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from autoheal.cli.door import add_looks, add_socket, show, socket_path, talk, wants_ascii, width

if TYPE_CHECKING:
    from autoheal.api.wire import Snapshot

NAME = "status"
HELP = "print how the fleet does"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_socket(parser)
    add_looks(parser)
    parser.add_argument(
        "--watch", action="store_true", help="go on until ctrl-c, printing again when it changes"
    )


def run(args: argparse.Namespace) -> int:
    if args.watch:
        return _watch(args)
    snapshot = talk(args, "view", lambda daemon: daemon.snapshot())
    _print(args, snapshot)
    return int(is_wrong(snapshot))


def is_wrong(snapshot: Snapshot) -> bool:
    """Does something need healing or a person?"""
    world = snapshot.world
    sick = any(m.health in {"unhealthy", "failed"} for m in world.models.values())
    return sick or any(i.open for i in world.incidents.values())


def _print(args: argparse.Namespace, snapshot: Snapshot) -> None:
    if args.json:
        sys.stdout.write(_json(snapshot).decode() + "\n")
        return
    from autoheal.tui.present.status import status_lines

    show(status_lines(snapshot, width(), wants_ascii(args)))


def _json(snapshot: Snapshot) -> bytes:
    """What a script asks for, without the configuration and the history."""
    import orjson

    world = snapshot.world
    incidents = [i for i in world.incidents.values() if i.open]
    return orjson.dumps(
        {
            "name": snapshot.name,
            "version": snapshot.version,
            "seq": snapshot.seq,
            "now": snapshot.now,
            "mode": snapshot.mode,
            "ok": not is_wrong(snapshot),
            "models": [
                {"name": m.name, "health": m.health, "since": m.health_since, "champion": m.champion}
                for m in world.models.values()
            ],
            "incidents": [
                {"id": i.id, "target": i.target, "state": i.state, "cause": i.cause, "opened_at": i.opened_at}
                for i in incidents
            ],
            "sources": snapshot.sources,
            "approvals": [a.id for a in world.approvals.values() if a.state == "open"],
            "paused": sorted(world.pauses),
            "config_problems": world.config_problems,
        }
    )


def _watch(args: argparse.Namespace) -> int:
    import asyncio

    asyncio.run(_follow(args))
    return 0


async def _follow(args: argparse.Namespace) -> None:
    from contextlib import aclosing

    from autoheal.client.connection import Connection
    from autoheal.client.watch import watch

    seen = (-1, "")
    async with Connection(socket_path(args, "view")) as daemon, aclosing(watch(daemon)) as states:
        async for state in states:
            if state.snapshot is None and state.link.state == "connecting":
                continue
            now = (state.snapshot.seq if state.snapshot else -1, state.link.detail)
            if now == seen:
                continue
            seen = now
            if sys.stdout.isatty() and not args.json:
                sys.stdout.write("\x1b[H\x1b[2J")
            if state.snapshot is not None:
                _print(args, state.snapshot)
            if state.link.detail:
                sys.stderr.write(f"! {state.link.detail}; trying again\n")
            sys.stdout.flush()
