"""Watch real models drift, break and heal by themselves: real data at 380,000 times its speed, in some two minutes.

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

    from autoheal.demo.story import Story
    from autoheal.demo.workspace import Workspace

NAME = "demo"
HELP = "watch real models drift, break and heal"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--headless", action="store_true", help="print the timeline instead of opening the dashboard"
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="moves the injected faults (default: 1)"
    )
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON as well")
    parser.add_argument("--keep", action="store_true", help="go on until ctrl-c")
    parser.add_argument(
        "--dir", metavar="DIR", help="live in this folder and leave it there (default: a passing one)"
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=380_000,
        metavar="X",
        help="how much faster than life (default: 380000)",
    )


def run(args: argparse.Namespace) -> int:
    import asyncio
    import json
    import shutil
    import sys
    import tempfile
    from pathlib import Path

    try:
        import sklearn  # noqa: F401
    except ImportError:
        print("the demo trains real models: pip install 'autoheal[demo]'", file=sys.stderr)
        return 2
    from autoheal.demo import report

    root = Path(args.dir) if args.dir else Path(tempfile.mkdtemp(prefix="autoheal-demo-"))
    if args.dir and root.exists() and any(root.iterdir()):
        print(f"{root} is not empty: give a new folder, or remove it", file=sys.stderr)
        return 2
    try:
        found = asyncio.run(_story(args, root.resolve()).run())
    finally:
        if not args.dir:
            shutil.rmtree(root, ignore_errors=True)
    print()
    print(report.table(found))
    if args.json:
        Path(args.json).write_text(json.dumps(report.as_json(found), indent=2) + "\n")
    return 0 if found.good else 1


def _story(args: argparse.Namespace, root: Path) -> Story:
    import sys

    from autoheal.demo.story import Story, print_timeline

    headless = args.headless or not (sys.stdin.isatty() and sys.stdout.isatty())

    def say(line: str) -> None:
        print(line, flush=True)

    async def lines(place: Workspace, done: asyncio.Event) -> None:
        await print_timeline(place, done, say)

    return Story(root, args.seed, args.speed, say, lines if headless else _dashboard, keep=args.keep)


async def _dashboard(place: Workspace, done: asyncio.Event) -> None:
    import asyncio

    from autoheal.tui.app import DashboardApp

    app = DashboardApp(socket=place.view)
    showing = asyncio.create_task(app.run_async())
    ending = asyncio.create_task(done.wait())
    await asyncio.wait({showing, ending}, return_when=asyncio.FIRST_COMPLETED)
    if not showing.done():
        app.exit()
    ending.cancel()
    await showing
