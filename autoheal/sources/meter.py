"""Measures a source from what goes through its sink: rate, lag, state, last error. Pure but for what it counts.

``daemon.feeds`` puts one between each source and the daemon, so no source measures itself. What surprises: a rate is of
the last minute in real time, the lag is in the data's own time, which need not run as fast.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from autoheal.domain.finding import Finding
from autoheal.domain.names import Verdict
from autoheal.domain.source_health import SourceHealth, SourceState
from autoheal.telemetry import Counts, Record
from autoheal.telemetry.packed import newest_time
from autoheal.telemetry.values import from_unix, to_unix

#: Real seconds that a rate is taken over, and of one of its parts.
MINUTE, PART = 60.0, 2.0
_STATES: Mapping[Verdict, SourceState] = {Verdict.OK: "ok", Verdict.BREACH: "away"}


@dataclass(slots=True)
class Meter:
    """``at`` are real seconds, ``now`` is the daemon's clock."""

    name: str
    kind: str
    started: float
    state: SourceState = "starting"
    since: datetime | None = None
    rows: int = 0
    duplicates: int = 0
    newest: float = 0.0
    last_error: str = ""
    last_error_at: datetime | None = None
    _parts: deque[list[float]] = field(default_factory=deque)

    def took(self, records: Sequence[Record], counts: Counts, now: datetime, at: float) -> None:
        """Rows were stored."""
        self.rows += len(records)
        self.duplicates += counts.duplicates
        self.newest = max(self.newest, newest_time(records))
        if self._parts and at - self._parts[-1][0] < PART:
            self._parts[-1][1] += len(records)
        else:
            self._parts.append([at, float(len(records))])
        self._trim(at)
        if self.state == "starting":
            self._turn("ok", now)

    def said(self, finding: Finding) -> None:
        """The source reported about itself; what it reports about others is not its health."""
        if finding.target != f"source:{self.name}" or finding.subject != "up":
            return
        self._turn(_STATES.get(finding.verdict, "no_data"), finding.at)
        if finding.verdict is not Verdict.OK:
            self.failed(finding.detail, finding.at)

    def failed(self, why: str, now: datetime) -> None:
        self.last_error, self.last_error_at = why, now

    def health(self, now: datetime, at: float, refused: Mapping[str, int]) -> SourceHealth:
        """How it does at this moment."""
        self._trim(at)
        over = max(min(MINUTE, at - self.started), 1.0)
        return SourceHealth(
            name=self.name,
            kind=self.kind,
            state=self.state,
            since=self.since,
            rows=self.rows,
            rows_per_s=sum(rows for _, rows in self._parts) / over,
            duplicates=self.duplicates,
            newest=from_unix(self.newest) if self.newest else None,
            lag_s=to_unix(now) - self.newest if self.newest else None,
            refused=dict(refused),
            last_error=self.last_error,
            last_error_at=self.last_error_at,
        )

    def _turn(self, state: SourceState, now: datetime) -> None:
        if state != self.state:
            self.state, self.since = state, now

    def _trim(self, at: float) -> None:
        while self._parts and at - self._parts[0][0] >= MINUTE:
            self._parts.popleft()
