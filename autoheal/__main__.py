"""``python -m autoheal`` and the ``autoheal`` command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; the exit status is the command's."""
    from autoheal.cli import invoke  # noqa: PLC0415  late: the entry point stays free of imports

    return invoke(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
