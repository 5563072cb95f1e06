"""Say no to what autoheal asks. ID is an approval (A-0001), or an incident that has one open question.

The rung is then passed over in this incident, and the ladder goes on.
"""

from __future__ import annotations

import argparse

from autoheal.cli import approve

NAME = "reject"
HELP = "say no to what autoheal asks"

add_arguments = approve.add_arguments


def run(args: argparse.Namespace) -> int:
    return approve.answer(args, "refused")
