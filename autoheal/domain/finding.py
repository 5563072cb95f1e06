"""One verdict of a monitor at one time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from autoheal.domain.names import AlarmKey, Severity, Target, Verdict, Version, alarm_key

#: The subject under which a monitor speaks of itself, and the monitor under which a round does.
ITSELF: Final = "monitor"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a monitor saw: evidence *and* effect, so that an alarm needs both.

    ``value`` and ``reference`` are in the metric's own unit; ``effect`` is the distance that matters, positive when
    worse (a drop of accuracy, a PSI, a ratio minus one). ``evidence`` is a natural-log e-value, or None where the
    verdict is a hard rule. ``n`` counts the rows behind it, ``age`` is seconds from the newest row to ``at``.
    ``level`` is how far the evidence of a breach goes: ``notify`` is enough to tell people, ``act`` to change something
    (each has its budget of false alarms); "" where no statistics were needed, which is enough for both.
    ``started_at`` is when the symptom is thought to have begun. ``version`` is whose baseline was used.
    """

    target: Target
    monitor: str
    subject: str
    at: datetime
    verdict: Verdict
    severity: Severity = Severity.NONE
    value: float | None = None
    reference: float | None = None
    effect: float | None = None
    evidence: float | None = None
    n: int = 0
    age: float = 0.0
    version: Version = Version("")
    started_at: datetime | None = None
    detail: str = ""
    level: Literal["", "notify", "act"] = ""

    @property
    def key(self) -> AlarmKey:
        return alarm_key(self.target, self.monitor, self.subject)

    @property
    def of_itself(self) -> bool:
        """Whether it says how the monitoring does, and nothing about the model."""
        return ITSELF in (self.monitor, self.subject)

    @property
    def path(self) -> str:
        """``monitor/subject``, as policies name it."""
        return f"{self.monitor}/{self.subject}"
