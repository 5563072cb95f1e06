"""CPU seconds of work in this process, and their medians by name; part of speed.py."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Times:
    """CPU seconds by name, as they come in; asked for a name, their median."""

    seen: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        self.seen.setdefault(name, []).append(seconds)

    def __getitem__(self, name: str) -> float:
        return float(statistics.median(self.seen[name]))


def cpu(work: Callable[[], object], times: int = 1) -> float:
    """CPU seconds of one call, all threads, from ``times`` of them."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times
