"""The expanding notation of policy tests: ``0.90x24 0.84-0.01x12 _x6 stale pending 0.9x3``. Pure.

Each token stands for one or more beats. ``A`` is one value, ``AxN`` N times the same, ``A+BxN`` and ``A-BxN`` a ramp
of N values that begins at A. ``_`` is a beat without any finding, ``stale`` one that says no_data, ``pending`` one
that says not_yet (labels are still to come), ``error`` one that failed, and ``ok``, ``warning``, ``critical`` are
verdicts without a value, for rules that have none. Words repeat too (``_x6``, ``okx24``).

Surprise: N is always the number of beats. promtool's ``1x4`` gives five samples and a missing one stays visible for
five minutes; here a count is a count, and no data is told at its own beat.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WORDS = ("_", "stale", "pending", "error", "ok", "warning", "critical")
MOST = 20_000
_NUMBER = r"\d+(?:\.\d+)?(?:e-?\d{1,2})?"
_TOKEN = re.compile(
    rf"(?:(?P<word>[a-z_]+?)|(?P<first>-?{_NUMBER})(?P<step>[+-]{_NUMBER})?)(?:x(?P<count>\d{{1,6}}))?"
)


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat of a series: a value, or one of ``WORDS``."""

    value: float | None = None
    word: str = ""


class NotationError(ValueError):
    """A token is none; ``column`` counts from 1 in the text."""

    def __init__(self, message: str, column: int) -> None:
        self.column = column
        super().__init__(message)


def expand(text: str) -> tuple[Beat, ...]:
    """All beats of a notation, in order; NotationError says which token is wrong."""
    beats: list[Beat] = []
    for found in re.finditer(r"\S+", text):
        beats.extend(_token(found[0], found.start() + 1, MOST - len(beats)))
    if not beats:
        raise NotationError("no values", 1)
    return tuple(beats)


def _token(token: str, column: int, room: int) -> list[Beat]:
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        raise NotationError(
            f'"{token[:40]}" is no value: write 0.9, 0.9x24, 0.9-0.01x5, {", ".join(WORDS)}', column
        )
    word, count = parts["word"], int(parts["count"] or 1)
    if word is not None and word not in WORDS:
        raise NotationError(f'"{word[:40]}" is none of {", ".join(WORDS)}', column)
    if not 0 < count <= room:
        raise NotationError(f'"{token[:40]}": between 1 and {MOST} beats in all', column)
    if word is not None:
        return [Beat(word=word)] * count
    first, step = float(parts["first"]), float(parts["step"] or 0)
    return [Beat(round(first + step * n, 12)) for n in range(count)]
