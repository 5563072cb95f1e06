"""What became of one batch of telemetry. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """``accepted`` were new (or corrected), ``waiting`` of those have no prediction yet."""

    accepted: int = 0
    duplicates: int = 0
    waiting: int = 0
    corrected: int = 0
