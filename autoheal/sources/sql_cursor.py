"""How far a table was read: the greatest watermark, and the rows seen in the stretch that is asked for again. Pure.

Rows whose transaction ends late get a watermark below one that was read already. Each round therefore asks again from
``overlap`` before the greatest watermark on (times in the future aside), and a digest of each row of that stretch says which are known. A watermark
is a number or a time; numbers are compared as such, so for a sequence the overlap is so many numbers.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from autoheal.durable import replace_file
from autoheal.errors import AutohealError

_LOG = logging.getLogger(__name__)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Digests that are kept; a stretch with more rows may hand some on twice.
MOST = 200_000

Mark = int | float | str | datetime


class WatermarkError(AutohealError):
    """The watermark column holds something that has no order we know."""


@dataclass(slots=True)
class Cursor:
    """``newest`` is the greatest watermark, as the database gave it; ``seen`` maps digests of rows to their place."""

    newest: Mark | None = None
    seen: dict[str, float] = field(default_factory=dict)

    def start(self, overlap: float) -> Mark | None:
        """From which watermark on to ask; None: from the beginning. ``overlap`` in seconds, or so many numbers."""
        match self.newest:
            case None:
                return None
            case datetime():
                return self.newest - timedelta(seconds=overlap)
            case str():
                return _earlier(self.newest, overlap)
            case _:
                return self.newest - (int(overlap) if isinstance(self.newest, int) else overlap)

    def fresh(self, row: Mapping[str, Any]) -> bool:
        return digest(row) not in self.seen

    def take(self, row: Mapping[str, Any], mark: Mark, now: float = math.inf) -> bool:
        """Remember a row; the order of calls does not matter. False where its watermark is a time after ``now``: such
        a one is no mark of how far we have read, for rows with true times will come below it."""
        self.seen[digest(row)] = place(mark)
        if isinstance(mark, str | datetime) and place(mark) > now:
            return False
        if self.newest is None or place(mark) > place(self.newest):
            self.newest = mark
        return True

    def forget(self, overlap: float) -> None:
        """Drop what is no longer asked for, and the earliest of what is too much."""
        start = self.start(overlap)
        if start is None:
            return
        edge = place(start)
        kept = {row: at for row, at in self.seen.items() if at >= edge}
        excess = len(kept) - MOST
        if excess > 0:
            kept = dict(sorted(kept.items(), key=lambda item: item[1])[excess:])
        self.seen = kept


def mark_of(value: object) -> Mark:
    """The watermark of a cell; raises ``WatermarkError``."""
    if isinstance(value, Decimal):
        whole = value.is_finite() and value == value.to_integral_value()
        value = int(value) if whole else float(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, bool) or not isinstance(value, int | float | str | datetime):
        raise WatermarkError(f"the watermark is a {type(value).__name__}: it must be a number or a time")
    if not math.isfinite(place(value)):
        raise WatermarkError(f"the watermark is {value}: it must be a finite number or a time")
    return value


def place(mark: Mark) -> float:
    """Its place on a line: seconds or the number itself."""
    if isinstance(mark, str):
        try:
            mark = datetime.fromisoformat(mark)
        except ValueError:
            raise WatermarkError("the watermark is a text that is no ISO time") from None
    if isinstance(mark, datetime):
        return (mark if mark.tzinfo else mark.replace(tzinfo=UTC)).timestamp()
    return float(mark)


def _earlier(text: str, seconds: float) -> str:
    """The same text form, earlier: databases without a type for times compare them as text."""
    return (
        (datetime.fromisoformat(text) - timedelta(seconds=seconds)).isoformat(sep=text[10:11] or "T")
        if (len(text) > 10)
        else (date.fromisoformat(text) - timedelta(days=-(-seconds // 86_400))).isoformat()
    )


def digest(row: Mapping[str, Any]) -> str:
    return blake2b(repr(sorted(row.items())).encode(), digest_size=10).hexdigest()


def load(path: Path) -> Cursor:
    """The cursor; an unusable file is begun anew, which repeats rows and loses none."""
    try:
        kept = orjson.loads(path.read_bytes())
        newest = datetime.fromisoformat(kept["newest"]) if kept["time"] else kept["newest"]
        return Cursor(newest, {str(k): float(v) for k, v in kept["seen"].items()})
    except FileNotFoundError:
        return Cursor()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        _LOG.warning("%s is not usable, reading begins anew: %s", path, error)
        return Cursor()


def save(path: Path, cursor: Cursor) -> None:
    """Replace the file at once."""
    time = isinstance(cursor.newest, datetime)
    newest = cursor.newest.isoformat() if isinstance(cursor.newest, datetime) else cursor.newest
    replace_file(path, orjson.dumps({"newest": newest, "time": time, "seen": cursor.seen}))
