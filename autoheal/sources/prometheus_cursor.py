"""How far one metric was read from Prometheus, and what of the newest stretch is already known. Pure, but for its file.

``until`` is the last time that was asked for and answered in full. Because a sample may reach Prometheus late, each
round asks again from ``until - late`` on; ``seen`` holds the times in that stretch that were handed on, per model, so
that nothing is handed on twice, not even after a restart.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from autoheal.durable import replace_file

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Cursor:
    """Times are unix seconds; 0 is never."""

    until: float = 0.0
    newest: float = 0.0
    seen: dict[str, set[float]] = field(default_factory=dict)

    def fresh(self, model: str, time: float) -> bool:
        """Whether this sample was not handed on yet."""
        return time not in self.seen.get(model, ())

    def mark(self, model: str, time: float) -> None:
        """It was dealt with, handed on or refused."""
        self.seen.setdefault(model, set()).add(time)

    def take(self, model: str, time: float) -> None:
        """It was handed on."""
        self.mark(model, time)
        self.newest = max(self.newest, time)

    def forget(self, before: float) -> None:
        """Times that will not be asked for again."""
        kept = {model: {t for t in times if t >= before} for model, times in self.seen.items()}
        self.seen = {model: times for model, times in kept.items() if times}


def load(path: Path) -> dict[str, Cursor]:
    """The cursors by metric; an unusable file is begun anew, which may repeat samples and loses none."""
    try:
        return {
            str(metric): Cursor(
                float(kept["until"]),
                float(kept["newest"]),
                {str(model): {float(t) for t in times} for model, times in kept["seen"].items()},
            )
            for metric, kept in orjson.loads(path.read_bytes()).items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        _LOG.warning("%s is not usable, reading begins anew: %s", path, error)
        return {}


def save(path: Path, cursors: Mapping[str, Cursor]) -> None:
    """Replace the file at once."""
    data = {
        metric: {
            "until": cursor.until,
            "newest": cursor.newest,
            "seen": {model: sorted(times) for model, times in cursor.seen.items()},
        }
        for metric, cursor in cursors.items()
    }
    replace_file(path, orjson.dumps(data))
