"""Spans of time on the command line, as everywhere else: ``90s``, ``15m``, ``2h``, ``3d``, ``1h30m``. Pure."""

from __future__ import annotations

import argparse
from datetime import timedelta

LONGEST = timedelta(days=3660)


def span(text: str) -> timedelta:
    """For argparse's ``type=``; something between a moment and ten years."""
    from autoheal.domain.durations import parse_duration

    try:
        length = parse_duration(text)
    except (ValueError, ArithmeticError) as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem
    if not timedelta(0) < length <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not between a moment and ten years")
    return length
