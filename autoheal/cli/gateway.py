"""Run the gateway: the process in front of model servers that splits traffic by version, lets a stand-in answer when a
version does not, and hands every prediction to the daemon. Ends on SIGTERM, when the answers under way are given.
"""

from __future__ import annotations

import argparse

NAME = "gateway"
HELP = "run the gateway in front of model servers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        default="gateway.yaml",
        metavar="FILE",
        help="the gateway's settings (default: gateway.yaml)",
    )
    parser.add_argument("--check", action="store_true", help="check the settings and end")


def run(args: argparse.Namespace) -> int:
    import asyncio
    import logging
    from pathlib import Path

    from autoheal.gateway.settings import load

    settings = load(Path(args.config))
    if args.check:
        print(f"{args.config}: {len(settings.models)} models ok")
        return 0
    from autoheal.gateway.serve import serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(serve(settings))
    return 0
