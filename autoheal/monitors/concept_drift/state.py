"""What concept_drift remembers between beats. Plain data, survives JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoheal.stats.eprocess import fresh


@dataclass(frozen=True, slots=True)
class ConceptDriftState:
    """Evidence against ``version``: every row that counted from no later than ``cursor`` is in ``log_r``, once.

    ``last`` is the newest data time among them, ``rows`` their number, ``since`` when the present breach began.
    """

    version: str = ""
    cursor: float | None = None
    last: float | None = None
    rows: int = 0
    log_r: tuple[float, ...] = fresh().log_r
    since: float | None = None

    def began(self, since: float | None) -> ConceptDriftState:
        return replace(self, since=since)
