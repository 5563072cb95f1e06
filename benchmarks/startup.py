"""How long the command line takes to say anything, against the interpreter doing nothing at all.

Goal: `autoheal --help` within 3 times `python -c pass`, whole processes, measured in turns.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from _shape import PYTHON, Row, main, paired, process, row

GOAL = 3.0


def measure(quick: bool) -> Sequence[Row]:
    repeat = 15 if quick else 60
    nothing = process([PYTHON, "-c", "pass"])
    rows = []
    for arguments in (["--help"], ["--version"], ["status", "--help"]):
        argv = [PYTHON, "-m", "autoheal", *arguments]
        process(argv)()  # byte code is compiled once, not in every start
        ours, peer = paired(process(argv), nothing, repeat)
        goal = GOAL if arguments[0].startswith("--") else None
        rows.append(
            row(
                f"autoheal {' '.join(arguments)}",
                ours,
                peer,
                goal,
                "python -m autoheal " + " ".join(arguments),
            )
        )
    return rows


if __name__ == "__main__":
    sys.exit(main(measure, __doc__ or ""))
