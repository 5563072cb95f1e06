"""How a telemetry source does, as everybody is told: the API, the metrics page, the dashboard. Pure.

Made by ``sources.meter`` in the daemon; it is not part of the world, because it changes with every row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

#: ``starting``: nothing was heard yet; ``no_data``: it answers and has nothing, or failed just now; ``away``: it is down.
SourceState = Literal["starting", "ok", "no_data", "away"]


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """``rows`` count since the daemon's start, ``rows_per_s`` are of the last minute; ``newest`` is the newest row's own
    time and ``lag_s`` how far that is behind now (negative: the sender's clock is ahead)."""

    name: str
    kind: str
    state: SourceState = "starting"
    since: datetime | None = None
    rows: int = 0
    rows_per_s: float = 0.0
    duplicates: int = 0
    newest: datetime | None = None
    lag_s: float | None = None
    refused: Mapping[str, int] = field(default_factory=dict)
    last_error: str = ""
    last_error_at: datetime | None = None
