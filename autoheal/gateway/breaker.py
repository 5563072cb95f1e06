"""A breaker before one version: after some failures in a row it is left alone for a while, then tried by one request.

Without it a hanging version costs every request its whole time-out before the stand-in may answer. Pure but for the
``now`` handed in: real seconds of a monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Failures in a row that open it, and real seconds until one request may try again.
FAILURES: Final = 5
PAUSE: Final = 1.0


@dataclass(slots=True)
class Breaker:
    """``why`` is the last failure in a word."""

    why: str = ""
    _failures: int = 0
    _retry_at: float = 0.0

    @property
    def open(self) -> bool:
        return self._failures >= FAILURES

    def lets_through(self, now: float) -> bool:
        """Whether a request may try the version; when open, one every pause."""
        if not self.open:
            return True
        if now < self._retry_at:
            return False
        self._retry_at = now + PAUSE
        return True

    def succeeded(self) -> None:
        self._failures, self.why = 0, ""

    def failed(self, now: float, why: str) -> None:
        self._failures, self.why = self._failures + 1, why
        if self.open:
            self._retry_at = now + PAUSE
