"""The two injected faults, placed by a seed: a bad release and an upstream fault. Pure; only the player knows.

Each lands somewhere in a stretch of months, so that no policy could be tuned to its date.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from autoheal.demo.feeds import WEATHER


@dataclass(frozen=True, slots=True)
class BadRelease:
    """At ``at`` a version of ``model`` is released that was trained with ``column`` in another unit (``factor`` times
    its value)."""

    model: str
    at: datetime
    column: str
    factor: float


@dataclass(frozen=True, slots=True)
class UpstreamFault:
    """``column`` of the weather feed arrives empty from ``start`` to ``end``, for every model that the feed serves."""

    column: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Faults:
    release: BadRelease
    upstream: UpstreamFault


#: Months for years, or per cent for a share.
UNIT_ERRORS = (("loan_length", 1 / 12), ("driver_tenure", 12.0), ("debt_to_income_ratio", 100.0))


def plan(seed: int) -> Faults:
    """Where this seed puts the faults."""
    loan = datetime(2011, 10, 10, tzinfo=UTC) + timedelta(days=_pick(seed, "release", 45), hours=9)
    start = datetime(2012, 8, 20, tzinfo=UTC) + timedelta(days=_pick(seed, "upstream", 25), hours=4)
    column = ("temp", "hum")[_pick(seed, "column", 2)]
    return Faults(
        BadRelease("loan-repayment", loan, *UNIT_ERRORS[_pick(seed, "unit", len(UNIT_ERRORS))]),
        UpstreamFault(column, start, start + timedelta(days=24 + _pick(seed, "length", 8))),
    )


def broken(
    features: dict[str, float | str | None], at: datetime, fault: UpstreamFault
) -> dict[str, float | str | None]:
    """The features as they arrive at ``at``."""
    if fault.column in features and fault.column in WEATHER and fault.start <= at < fault.end:
        return {**features, fault.column: None}
    return features


def _pick(seed: int, what: str, below: int) -> int:
    """A whole number in [0, below) that depends on seed and purpose alone."""
    return int.from_bytes(sha256(f"{seed}/{what}".encode()).digest()[:8], "big") % below
