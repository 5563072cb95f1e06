"""The one shape of every benchmark: ``--quick``, ``--json FILE``, and rows of name, ours, peer, ratio, goal, met, command.

A script names its measurements and calls ``main``; each measurement gives seconds (or bytes, or anything where less is
better) for ours and for the peer. What counts is the ratio, taken in one run on one machine, because absolute numbers
do not travel. The exit status is 1 when a goal was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# As the daemon has it, before numpy is imported: threads of OpenBLAS that wait for work burn CPU time that is nobody's.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@dataclass(frozen=True)
class Row:
    """One comparison. ``ratio`` is ours / peer; ``goal`` is the most it may be (None: only reported);
    of rows made by ``at_least`` and ``at_most`` it bounds ours."""

    name: str
    ours: float
    peer: float
    ratio: float
    goal: float | None
    met: bool
    command: str


def row(name: str, ours: float, peer: float, goal: float | None, command: str = "") -> Row:
    """Compare two numbers where less is better."""
    ratio = ours / peer if peer else float("inf")
    return Row(name, ours, peer, ratio, goal, goal is None or ratio <= goal, command)


def at_least(name: str, ours: float, peer: float, goal: float | None, command: str = "") -> Row:
    """Compare two numbers where more is better; ``goal`` is the least that ours may be."""
    ratio = ours / peer if peer else float("inf")
    return Row(name, ours, peer, ratio, goal, goal is None or ours >= goal, command)


def at_most(name: str, ours: float, peer: float, goal: float | None, command: str = "") -> Row:
    """Compare two numbers where less is better; ``goal`` is the most that ours may be, whatever the peer's."""
    ratio = ours / peer if peer else float(ours > 0)
    return Row(name, ours, peer, ratio, goal, goal is None or ours <= goal, command)


def main(measure: Callable[[bool], Sequence[Row]], about: str) -> int:
    """Parse the command line, measure, print and write; the exit status."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: for CI")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows here")
    args = parser.parse_args()
    rows = measure(args.quick)
    show(rows)
    if args.json:
        args.json.write_text(json.dumps([asdict(r) for r in rows], indent=1) + "\n")
    return 0 if all(r.met for r in rows) else 1


def show(rows: Sequence[Row]) -> None:
    print(f"{'name':<40} {'ours':>12} {'peer':>12} {'ratio':>8} {'goal':>6}  met")
    for r in rows:
        goal = "–" if r.goal is None else f"{r.goal:g}"
        print(
            f"{r.name:<40} {r.ours:>12.6g} {r.peer:>12.6g} {r.ratio:>8.3g} {goal:>6}  {'yes' if r.met else 'NO'}"
        )


def seconds(work: Callable[[], object], repeat: int) -> float:
    """The fastest of ``repeat`` runs: the one that others on the machine disturbed least."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def paired(ours: Callable[[], object], peer: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Median seconds of both, run in turns so that a slow moment hits both alike."""
    mine, theirs = [], []
    for _ in range(repeat):
        mine.append(seconds(ours, 1))
        theirs.append(seconds(peer, 1))
    return statistics.median(mine), statistics.median(theirs)


def process(argv: Sequence[str]) -> Callable[[], object]:
    """A whole process, from nothing to its exit."""

    def run() -> None:
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    return run


PYTHON = sys.executable
