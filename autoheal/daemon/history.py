"""Short history of the shown metrics, for the dashboard's sparklines: memory only, bounded, gaps kept as None.

Filled by ``rounds``, read by the API as ``series``. It is decoration: losing it in a restart loses no decision.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime

from autoheal.domain.finding import Finding
from autoheal.domain.names import Verdict

#: Points kept of each metric.
KEPT = 240
#: Monitors whose numbers are drawn.
DRAWN = ("performance", "serving")

Series = dict[str, dict[str, list[tuple[datetime, float | None]]]]
Points = deque[tuple[datetime, float | None]]


def _points() -> Points:
    return deque(maxlen=KEPT)


def _metrics() -> defaultdict[str, Points]:
    return defaultdict(_points)


@dataclass(slots=True)
class History:
    """``add`` findings, read ``series``."""

    _kept: defaultdict[str, defaultdict[str, Points]] = field(default_factory=lambda: defaultdict(_metrics))

    def add(self, finding: Finding) -> None:
        """Remember a drawn metric; a finding without a value is a gap."""
        if finding.monitor not in DRAWN:
            return
        known = finding.verdict in {Verdict.OK, Verdict.BREACH}
        points = self._kept[finding.target][finding.path]
        if not points or points[-1][0] < finding.at:
            points.append((finding.at, finding.value if known else None))

    def series(self) -> Series:
        """``{model: {monitor/subject: [(time, value or None), ...]}}``."""
        return {
            target: {path: list(points) for path, points in kept.items()}
            for target, kept in self._kept.items()
        }
