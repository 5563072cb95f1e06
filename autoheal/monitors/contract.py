"""What a monitor is: telemetry in, findings out; one file (or folder) each, siblings never imported. Pure.

A monitor keeps nothing itself: its state is a frozen dataclass of plain data that the shell holds between beats, and
that survives a trip through JSON. It reports truthfully what it sees now; how long that must last before anybody acts
(hold, clear) is the engine's business. Third parties add monitors by entry points in the group ``autoheal.monitors``.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Target, Verdict
from autoheal.monitors.options import MonitorOptions
from autoheal.monitors.view import View

OptionsT = TypeVar("OptionsT", bound=MonitorOptions)
StateT = TypeVar("StateT")


class Monitor(Protocol[OptionsT, StateT]):
    """One kind of monitor. ``subjects`` are those it always reports; features or metrics may be further ones."""

    kind: str
    Options: type[OptionsT]
    State: type[StateT]

    def start(self) -> StateT:
        """The state before the first beat."""
        ...

    def update(
        self, options: OptionsT, state: StateT, view: View, now: datetime
    ) -> tuple[StateT, tuple[Finding, ...]]:
        """One beat: the next state, and one finding for every subject, whatever its verdict."""
        ...


#: A monitor whose options and state types are known only to itself.
AnyMonitor = Monitor[Any, Any]


def finding(view: View, kind: str, subject: str, now: datetime, verdict: Verdict, **rest: Any) -> Finding:
    """A finding of this model's champion, with the age of its newest row and with plain finite numbers only."""
    age = rest.get("age", 0.0)
    if "age" not in rest and len(view.rows):
        age = max(view.as_of - float(view.rows.time.max()), 0.0)
    for name in ("value", "reference", "effect", "evidence"):
        if rest.get(name) is not None:
            rest[name] = float(rest[name]) if math.isfinite(rest[name]) else None
    said: dict[str, Any] = {"age": age, "version": view.champion} | rest
    if view.kept < 1.0 and said.get("n"):
        said["detail"] = f"{said.get('detail', '')} (a sample: {view.kept:.0%} of the rows were kept)".strip()
    return Finding(Target(view.model), kind, subject, now, verdict, **said)


def verdict_of(severity: Severity) -> Verdict:
    return Verdict.OK if severity is Severity.NONE else Verdict.BREACH


def from_unix(seconds: float) -> datetime:
    """The aware UTC datetime of unix seconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def plain(duration: timedelta | float) -> str:
    """A duration as an operator says it: ``40 s``, ``12 min``, ``5.5 h``, ``3.2 d``."""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
