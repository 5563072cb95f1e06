"""What the commands that talk to a daemon share: where its sockets are, and the way there and back. No command itself."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from autoheal.errors import AutohealError, DoorError

if TYPE_CHECKING:
    from autoheal.client.connection import Connection

Answer = TypeVar("Answer")
RUN_FOLDER = Path("/run/autoheal")
VARIABLE = "AUTOHEAL_SOCKET"
_HINT = "is `autoheal run` running? (--socket PATH or AUTOHEAL_SOCKET says where)"


class UsageError(AutohealError):
    """The command line asks for something that cannot be; ends with exit status 2."""

    exit_status = 2


def add_socket(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--socket",
        metavar="PATH",
        help=f"the daemon's socket or the folder that holds its sockets (default: ${VARIABLE} or {RUN_FOLDER})",
    )


def add_looks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ascii", action="store_true", help="print no character beyond ASCII")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def socket_path(args: argparse.Namespace, kind: Literal["view", "control"]) -> Path:
    """The socket for reading (``view``) or commanding (``control``)."""
    place = Path(args.socket or os.environ.get(VARIABLE) or RUN_FOLDER)
    if place.is_dir():
        return _within(place, kind)
    if kind == "control" and place.name == "view.sock":
        return place.with_name("control.sock")
    return place


def _within(folder: Path, kind: Literal["view", "control"]) -> Path:
    """A reader takes the view socket, and the control socket where that is the one it may use."""
    wanted = folder / f"{kind}.sock"
    other = folder / "control.sock"
    return (
        other if kind == "view" and not os.access(wanted, os.W_OK) and os.access(other, os.W_OK) else wanted
    )


def talk(
    args: argparse.Namespace,
    kind: Literal["view", "control"],
    work: Callable[[Connection], Awaitable[Answer]],
) -> Answer:
    """Do ``work`` on a connection; DoorError with a hint when nobody answers."""
    import asyncio

    from autoheal.client.connection import Connection

    async def session() -> Answer:
        async with Connection(socket_path(args, kind)) as daemon:
            return await work(daemon)

    try:
        return asyncio.run(session())
    except DoorError as problem:
        if problem.status:
            raise
        raise DoorError(f"{problem}; {_HINT}") from problem


def wants_ascii(args: argparse.Namespace) -> bool:
    encoding = (sys.stdout.encoding or "ascii").lower()
    return bool(args.ascii) or not encoding.startswith("utf")


def width() -> int:
    """Columns of the terminal; enough for everything when there is none."""
    return max(40, shutil.get_terminal_size((120, 24)).columns)


def show(lines: list[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
