"""What one rule says about one thing. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from autoheal.domain.names import Verdict


@dataclass(frozen=True, slots=True)
class Said:
    """``verdict`` None: ok or breach, as ``alarm`` says. ``first``: when it began, in unix seconds."""

    detail: str
    verdict: Verdict | None = None
    alarm: bool = False
    value: float | None = None
    limit: float | None = None
    n: int = 0
    first: float | None = None
