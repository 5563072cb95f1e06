"""Say yes to what autoheal asks. ID is an approval (A-0001), or an incident that has one open question.

The answer is bound to the plan as it is now; if it changes in between, the daemon refuses the answer.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Literal

from autoheal.cli.door import add_socket, talk
from autoheal.errors import DoorError

if TYPE_CHECKING:
    from autoheal.client.connection import Connection
    from autoheal.domain.records import Approval
    from autoheal.domain.world import World

NAME = "approve"
HELP = "say yes to what autoheal asks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_socket(parser)
    parser.add_argument("id", metavar="ID", help="an approval, or an incident with one open question")
    parser.add_argument("--note", default="", metavar="TEXT", help="goes into the log with the answer")
    parser.add_argument("--plan-hash", metavar="HASH", help="refuse unless the plan is still this one")


def run(args: argparse.Namespace) -> int:
    return answer(args, "given")


def answer(args: argparse.Namespace, word: Literal["given", "refused"]) -> int:
    """Find the question, answer it, say what was answered."""

    async def work(daemon: Connection) -> tuple[Approval, int]:
        asked = question((await daemon.snapshot()).world, args.id)
        accepted = await daemon.answer(asked.id, word, args.plan_hash or asked.plan_hash, args.note)
        return asked, accepted.seq

    asked, seq = talk(args, "control", work)
    models = ", ".join(asked.models)
    said = "approved" if word == "given" else "rejected"
    sys.stdout.write(f"{said} {asked.id}: {asked.runbook} on {models} ({asked.incident}), log entry {seq}\n")
    return 0


def question(world: World, name: str) -> Approval:
    """The approval of this id, or the open one of this incident."""
    known = next((a for a in world.approvals.values() if a.id == name), None)
    if known is not None:
        return known
    asked = [a for a in world.approvals.values() if a.incident == name and a.state == "open"]
    if len(asked) == 1:
        return asked[0]
    still_open = ", ".join(a.id for a in world.approvals.values() if a.state == "open") or "none"
    raise DoorError(
        f"there is no approval {name!r}, and no incident of that id with one open question; open are: {still_open}",
        status=404,
    )
