"""Spans of time on the command line: ``90s``, ``15m``, ``2h``, ``3d``; a bare number is refused. Pure."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHAPE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def span(text: str) -> timedelta:
    """For argparse's ``type=``; parts may be joined: ``1h30m``."""
    parts = _SHAPE.findall(text)
    if not parts or "".join(n + unit for n, unit in parts) != text:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no span of time; write it like 90s, 15m, 2h, 3d or 1h30m"
        )
    try:
        length = sum((timedelta(**{_UNITS[unit]: float(n)}) for n, unit in parts), timedelta(0))
    except OverflowError as problem:
        raise argparse.ArgumentTypeError(f"{text!r} is too long") from problem
    if not timedelta(0) < length <= timedelta(days=3660):
        raise argparse.ArgumentTypeError(f"{text!r} is not between a moment and ten years")
    return length
