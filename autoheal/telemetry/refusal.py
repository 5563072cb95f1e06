"""Why telemetry was refused: one error with a machine-readable reason that a door maps to its own code."""

from __future__ import annotations

from typing import Literal

from autoheal.errors import TelemetryError

Reason = Literal[
    "not_json", "media_type", "too_large", "bad_row", "unknown_model", "full", "key_reused", "too_slow"
]


class Refusal(TelemetryError):
    """A whole batch is refused; nothing of it was stored. ``row`` and ``field`` say where, ``message`` what."""

    def __init__(self, reason: Reason, message: str, *, row: int | None = None, field: str = "") -> None:
        self.reason: Reason = reason
        self.message = message
        super().__init__(message, row=row, field=field)
