"""Open the dashboard of a running daemon in this terminal. `q` leaves it; the daemon goes on."""

from __future__ import annotations

import argparse
import sys

from autoheal.cli.door import add_socket, socket_path

NAME = "dashboard"
HELP = "open the dashboard of a running daemon"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_socket(parser)
    parser.add_argument("--ascii", action="store_true", help="draw with ASCII only")
    parser.add_argument("--theme", metavar="NAME", help="dark (default), light or contrast")


def run(args: argparse.Namespace) -> int:
    from autoheal.tui.app import DashboardApp

    try:
        app = DashboardApp(socket=socket_path(args, "view"), ascii=args.ascii, theme=args.theme)
    except ValueError as error:
        sys.stderr.write(f"autoheal dashboard: {error}\n")
        return 2
    app.run()
    return app.return_code or 0
