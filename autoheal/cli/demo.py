"""Watch real models drift, break and heal by themselves: real data at 350,000 times its speed, in some two minutes.

Starts model servers, a gateway and the daemon on free ports of this machine, plays hourly bike rentals of 2011-2012 and
a stream of car loans, injects a bad release and a broken feed, and ends with a table per incident. Exit status 0 only
if every incident healed and was verified.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from autoheal.demo.report import Report
    from autoheal.demo.workspace import Workspace

NAME = "demo"
HELP = "watch real models drift, break and heal"
SPEED = 350_000.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--headless", action="store_true", help="print the timeline instead of opening the dashboard"
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="moves the injected faults (default: 1)"
    )
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON as well")
    parser.add_argument("--keep", action="store_true", help="play the data again and again, until ctrl-c")
    parser.add_argument(
        "--dir", metavar="DIR", help="live in this new folder and leave it there (default: a passing one)"
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=SPEED,
        metavar="X",
        help=f"how much faster than life (default: {SPEED:.0f})",
    )


def run(args: argparse.Namespace) -> int:
    import os
    import shutil
    import sys
    import tempfile
    from importlib.util import find_spec
    from pathlib import Path

    from autoheal.cli.door import UsageError

    os.environ.setdefault(
        "OMP_NUM_THREADS", "1"
    )  # more processes than cores: threads of theirs only wait for each other
    if find_spec("sklearn") is None:
        raise UsageError("the demo trains real models: pip install 'autoheal[demo]'")
    if args.speed <= 0:
        raise UsageError("--speed must be above zero")
    root = Path(args.dir) if args.dir else Path(tempfile.mkdtemp(prefix="autoheal-demo-"))
    if args.dir and root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"{root} is not empty: give a new folder, or remove it")
    headless = args.headless or not (sys.stdin.isatty() and sys.stdout.isatty())
    try:
        return _finish(_play(args, root.resolve(), headless=headless), args.json)
    finally:
        if not args.dir:
            shutil.rmtree(root, ignore_errors=True)


def _finish(found: Report, file: str | None) -> int:
    import json
    import shutil
    from pathlib import Path

    from autoheal.demo import report

    print(f"\n{report.table(found, shutil.get_terminal_size((200, 24)).columns)}")
    if file:
        Path(file).write_text(json.dumps(report.as_json(found), indent=2) + "\n", encoding="utf-8")
    return 0 if found.good else 1


def _play(args: argparse.Namespace, root: Path, *, headless: bool) -> Report:
    import asyncio
    import logging

    from autoheal.demo.story import Story, print_timeline

    (root / "logs").mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=root / "logs" / "demo.log", format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    held: list[str] = []
    showing = False

    def say(line: str) -> None:
        """Nothing may be printed over the dashboard; it is said afterwards."""
        if showing:
            held.append(line)
        else:
            print(line, flush=True)

    async def watch(place: Workspace, done: asyncio.Event) -> None:
        nonlocal showing
        if headless:
            await print_timeline(place, done, say)
            return
        showing = True
        try:
            await _dashboard(place, done)
        finally:
            showing = False
            for line in held:
                print(line)

    return asyncio.run(Story(root, args.seed, args.speed, say, watch, keep=args.keep).run())


async def _dashboard(place: Workspace, done: asyncio.Event) -> None:
    """Until somebody quits it, or the demo is done."""
    import asyncio

    from autoheal.tui.app import DashboardApp

    app = DashboardApp(socket=place.view)
    shown = asyncio.create_task(app.run_async())
    ending = asyncio.create_task(done.wait())
    await asyncio.wait({shown, ending}, return_when=asyncio.FIRST_COMPLETED)
    if not shown.done():
        app.exit()
    ending.cancel()
    await shown
