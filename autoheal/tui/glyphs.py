"""States as glyph, word and role: defined once, for screens, CLI and documents. Pure data.

A state is never told by colour alone: glyph and word always stand together, and the colour only repeats them. All
glyphs are one column wide and present in DejaVu Sans Mono; ``present.text.ASCII`` has a stand-in for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Look:
    """How something looks: ``role`` names a colour of the theme."""

    glyph: str
    word: str
    role: str

    @property
    def text(self) -> str:
        return f"{self.glyph} {self.word}"


class ModelLook(StrEnum):
    """What the fleet says about a model, the most pressing first: this is also the order of the rows."""

    NEEDS_YOU = "needs_you"
    FAILED = "failed"
    FIRING = "firing"
    HEALING = "healing"
    VERIFYING = "verifying"
    STAND_IN = "stand_in"
    DEGRADING = "degrading"
    PENDING = "pending"
    NO_DATA = "no_data"
    SILENCED = "silenced"
    PAUSED = "paused"
    HEALTHY = "healthy"

    @property
    def rank(self) -> int:
        return tuple(ModelLook).index(self)


MODEL = {
    ModelLook.NEEDS_YOU: Look("?", "needs you", "needs"),
    ModelLook.FAILED: Look("✖", "failed", "firing"),
    ModelLook.FIRING: Look("✖", "firing", "firing"),
    ModelLook.HEALING: Look("↻", "healing", "healing"),
    ModelLook.VERIFYING: Look("↻", "verifying", "healing"),
    ModelLook.STAND_IN: Look("◐", "stand-in", "healing"),
    ModelLook.DEGRADING: Look("▲", "degrading", "pending"),
    ModelLook.PENDING: Look("▲", "pending", "pending"),
    ModelLook.NO_DATA: Look("?", "no data", "nodata"),
    ModelLook.SILENCED: Look("‖", "silenced", "paused"),
    ModelLook.PAUSED: Look("‖", "paused", "paused"),
    ModelLook.HEALTHY: Look("●", "healthy", "healthy"),
}

INCIDENT = {
    "open": Look("✖", "open", "firing"),
    "acting": Look("↻", "acting", "healing"),
    "mitigated": Look("◐", "mitigated", "healing"),
    "verifying": Look("↻", "verifying", "healing"),
    "escalated": Look("?", "escalated", "needs"),
    "closed": Look("✓", "closed", "good"),
}

RUN = {
    "running": Look("▶", "running", "healing"),
    "succeeded": Look("✓", "succeeded", "good"),
    "failed": Look("✗", "failed", "firing"),
    "cancelled": Look("·", "cancelled", "dim"),
}

STEP = {
    "waits": Look("○", "waits", "dim"),
    "runs": Look("▶", "runs", "healing"),
    "done": Look("✓", "done", "good"),
    "failed": Look("✗", "failed", "firing"),
    "skipped": Look("·", "skipped", "dim"),
    "needs_you": Look("?", "needs you", "needs"),
}

VERDICT = {
    "ok": Look("●", "ok", "healthy"),
    "breach": Look("✖", "breach", "firing"),
    "no_data": Look("?", "no data", "nodata"),
    "error": Look("✗", "error", "firing"),
    "not_yet": Look("○", "not yet", "dim"),
}

ALARM = {
    "pending": Look("▲", "pending", "pending"),
    "firing": Look("✖", "firing", "firing"),
    "resolved": Look("✓", "resolved", "good"),
    "inactive": Look("●", "inactive", "dim"),
}

TASK = {
    "running": Look("●", "running", "healthy"),
    "backing_off": Look("▲", "backing off", "pending"),
    "failed": Look("✖", "failed", "firing"),
    "stopped": Look("○", "stopped", "dim"),
}

SOURCE = {
    "ok": Look("●", "ok", "healthy"),
    "starting": Look("○", "starting", "dim"),
    "no_data": Look("?", "no data", "nodata"),
    "away": Look("✖", "away", "firing"),
}

MODE = {
    "act": Look("▶", "act", "good"),
    "ask": Look("?", "ask", "pending"),
    "shadow": Look("◐", "shadow", "paused"),
    "off": Look("○", "off", "dim"),
}
