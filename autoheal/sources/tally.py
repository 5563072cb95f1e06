"""What a stream brought and what of it was unusable, by reason; told as the finding ``source/records``.

``prometheus`` and ``mqtt`` have nobody to answer a bad row to, so they skip it and count it here. ``report`` is called
at each beat: it speaks at the first refused record, when the verdict changes and now and then. What surprises: some
bad records are ``ok``; only a beat in which most of them were unusable is a breach, for then the sender is broken.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict, source_target
from autoheal.sources.contract import REFRESH, Sink

_LOG = logging.getLogger(__name__)
#: Refused records that are logged one by one, and how many a beat needs for a verdict.
LOGGED = 20
ENOUGH = 10


@dataclass(slots=True)
class Tally:
    """``taken`` and ``refused`` count since the start of the source."""

    name: str
    taken: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    _before: tuple[int, int] = (0, 0)
    _said: Verdict | None = None
    _silent: int = 0

    def refuse(self, reason: str, message: str = "", count: int = 1) -> None:
        """Count unusable records; ``message`` says where and what, never the content."""
        self.refused[reason] += count
        if self.refused.total() <= LOGGED:
            _LOG.warning("%s: skipped: %s %s", self.name, reason, message)

    async def report(self, sink: Sink, now: datetime) -> None:
        """Tell what became of the records since the last beat, where that is news."""
        refused = self.refused.total()
        good, bad = self.taken - self._before[0], refused - self._before[1]
        self._before = (self.taken, refused)
        if good + bad == 0:
            return
        breach = good + bad >= ENOUGH and bad > good
        verdict = Verdict.BREACH if breach else Verdict.OK
        self._silent += 1
        if (self._said is verdict and self._silent < REFRESH) or (self._said is None and not bad):
            return
        self._said, self._silent = verdict, 0
        await sink.report(
            Finding(
                source_target(self.name),
                "source",
                "records",
                now,
                verdict,
                severity=Severity.WARNING if breach else Severity.NONE,
                value=bad / (good + bad),
                n=good + bad,
                started_at=now if breach else None,
                detail=self.sentence(),
            )
        )

    def sentence(self) -> str:
        """``3 of 40 records were refused: label 2, not_json 1``."""
        if not self.refused:
            return f"{self.taken} records"
        reasons = ", ".join(f"{reason} {n}" for reason, n in self.refused.most_common(8))
        total = self.refused.total()
        return f"{total} of {total + self.taken} records were refused: {reasons}"[:300]
