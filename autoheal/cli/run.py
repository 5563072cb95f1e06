"""Run the daemon in the foreground until SIGTERM or ctrl-c; SIGHUP reloads policies, runbooks and models.

Under systemd use deploy/autoheal.service. Exit status 2 when the configuration is refused: every problem is printed
with its file, line and column.
"""

from __future__ import annotations

import argparse

NAME = "run"
HELP = "run the daemon: watch, decide, heal"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        default="/etc/autoheal/autoheal.yaml",
        metavar="FILE",
        help="the daemon's settings (kind: daemon)",
    )
    parser.add_argument("--verbose", action="store_true", help="log more")


def run(args: argparse.Namespace) -> int:
    import asyncio
    import logging
    import os
    import sys
    from pathlib import Path

    # Before numpy is imported: our matrices are small, and threads of OpenBLAS that wait for work take a core meanwhile.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from autoheal.daemon import app, reload, settings

    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for noisy in ("httpx", "httpcore", "uvicorn.access", "uvicorn.error", "apscheduler"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    loaded = settings.load(Path(args.config))
    found = reload.load_all(loaded)
    for warning in found.warnings:
        logging.getLogger("autoheal").warning("%s", warning)
    asyncio.run(app.run(loaded, found.config))
    return 0
