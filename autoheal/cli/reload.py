"""Have the daemon read its configuration again. If anything is wrong with it, the last good set stays in force.

Exit status 0 when the new configuration is in force, 2 when it was refused.
"""

from __future__ import annotations

import argparse
import sys

from autoheal.cli.door import add_socket, talk

NAME = "reload"
HELP = "have the daemon read its configuration again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_socket(parser)


def run(args: argparse.Namespace) -> int:
    answer = talk(args, "control", lambda daemon: daemon.reload())
    if answer.ok:
        sys.stdout.write("the new configuration is in force\n")
        return 0
    sys.stderr.write("".join(f"{problem}\n" for problem in answer.problems))
    sys.stderr.write("refused: the last good configuration stays in force\n")
    return 2
