"""What ``autoheal detect`` says: alarms and findings, each at a row of the file. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["alarm", "finding"]
Level = Literal["notify", "act"]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the answer.

    ``row`` is 0-based in the file: the row at which it was known. ``effect`` is in the monitor's own unit (see
    docs/detect.md), ``evidence`` in nats: of an alarm the log of the days on the alarm clock (notify from 2.64, act from
    5.90). Hard rules need no evidence. ``verdict`` of a finding: breach, ok (again), no_data, not_yet.
    """

    kind: Kind
    row: int
    monitor: str
    subject: str
    level: Level | None = None
    effect: float | None = None
    evidence: float | None = None
    started_row: int | None = None
    verdict: str = ""
    detail: str = ""
