"""The engine's conclusions in an operator's words. Pure; one small function a kind, gathered in ``CONCLUSIONS``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autoheal.domain import events as ev
from autoheal.domain.records import Decision
from autoheal.domain.world import World
from autoheal.tui.glyphs import ALARM, MODEL, RUN, ModelLook
from autoheal.tui.present.telling_words import Parts, of_run, path
from autoheal.tui.present.text import span

_HEALTH = {
    "healthy": MODEL[ModelLook.HEALTHY],
    "degrading": MODEL[ModelLook.DEGRADING],
    "unhealthy": MODEL[ModelLook.FIRING],
    "failed": MODEL[ModelLook.FAILED],
    "unknown": MODEL[ModelLook.NO_DATA],
}
_VERDICTS = {
    "act": ("→ decided", "strong"),
    "ask": ("? asks first", "ask"),
    "would": ("◐ would", "paused"),
    "blocked": ("‖ blocked", "pending"),
    "wait": ("○ waits", "dim"),
    "nothing": ("· does nothing", "dim"),
    "exhausted": ("? nothing left", "ask"),
}


def _pending(e: ev.AlarmPending, _w: World) -> Parts:
    return (ALARM["pending"], f" {path(e.key)}")


def _firing(e: ev.AlarmFiring, _w: World) -> Parts:
    return (ALARM["firing"], f" {path(e.key)}", (f" {e.detail}" if e.detail else "", "dim"))


def _eased(e: ev.AlarmEased, _w: World) -> Parts:
    return (("○ eased" if e.eased else "▲ back again", "dim" if e.eased else "pending"), f" {path(e.key)}")


def _resolved(e: ev.AlarmResolved, _w: World) -> Parts:
    return (ALARM["resolved"], f" {path(e.key)}")


def _health(e: ev.HealthChanged, _w: World) -> Parts:
    look = _HEALTH[e.health]
    return ((f"{look.glyph} {e.health}", look.role), f" {e.model}", (f" {e.because}", "dim"))


def _opened(e: ev.IncidentOpened, _w: World) -> Parts:
    return (("✖ opened", "firing"), f" {e.incident.id} {e.incident.target}")


def _grew(e: ev.IncidentGrew, _w: World) -> Parts:
    return (("✖ grew", "firing"), f" {e.incident}: {len(e.alarms)} alarms, {', '.join(e.models)}")


def _merged(e: ev.IncidentMerged, _w: World) -> Parts:
    return (("→ merged", "dim"), f" {e.incident} is part of {e.into}")


def _cause(e: ev.CauseAssessed, _w: World) -> Parts:
    found = e.hypotheses[0].cause.replace("_", " ") if e.hypotheses else "unknown"
    return (("◆ cause", "strong"), f" {e.incident}: {found}")


def _held(e: ev.ConditionHeld, _w: World) -> Parts:
    return (("· condition", "dim"), f" {e.key} {'holds' if e.since else 'no longer holds'}")


def _decided(e: ev.DecisionMade, _w: World) -> Parts:
    d: Decision = e.decision
    by = f" ({d.policy})" if d.policy else ""
    return (_VERDICTS[d.verdict], f" {d.incident}: {d.runbook or '–'}", (by, "dim"))


def _skipped(e: ev.RungSkipped, _w: World) -> Parts:
    return (("· skipped", "dim"), f" {e.incident}: {e.runbook}: {e.detail}")


def _asked(e: ev.ApprovalAsked, _w: World) -> Parts:
    a = e.approval
    return (("? needs you", "ask"), f" {a.id}: {a.runbook} on {', '.join(a.models)}")


def _question_closed(e: ev.ApprovalClosed, _w: World) -> Parts:
    return (("· question", "dim"), f" {e.approval} {e.state}")


def _run_started(e: ev.RunStarted, _w: World) -> Parts:
    r = e.run
    return (
        ("▶ run", "healing"),
        f" {r.id} {r.runbook.name} on {r.model}",
        " (the way back)" if r.recovery else "",
    )


def _retried(e: ev.StepRetried, w: World) -> Parts:
    return (("↻ retry", "pending"), f" {e.step}", (f" {of_run(w, e.run)}", "dim"))


def _run_ended(e: ev.RunEnded, w: World) -> Parts:
    look = RUN[e.state]
    return (
        (f"{look.glyph} run {look.word}", look.role),
        f" {of_run(w, e.run)}",
        f": {e.note}" if e.note else "",
    )


def _verifying(e: ev.VerificationStarted, _w: World) -> Parts:
    return (("↻ verifying", "healing"), f" {e.incident}: healthy for {span(e.verify.healthy_for)}?")


def _mitigated(e: ev.IncidentMitigated, _w: World) -> Parts:
    return (("◐ mitigated", "healing"), f" {e.incident}: a stand-in serves")


def _attempt_failed(e: ev.AttemptFailed, _w: World) -> Parts:
    return ((f"✗ {e.outcome.replace('_', ' ')}", "firing"), f" {e.incident}: {e.detail}")


def _escalated(e: ev.IncidentEscalated, _w: World) -> Parts:
    return (("? needs you", "ask"), f" {e.incident}: {e.detail}")


def _reopened(e: ev.IncidentReopened, _w: World) -> Parts:
    return (("✖ reopened", "firing"), f" {e.incident}: {e.detail}")


def _closed(e: ev.IncidentClosed, _w: World) -> Parts:
    word = "✓ healed, verified" if e.verified else "✓ closed"
    return ((word, "good"), f" {e.incident}", (f" {e.outcome}" if e.outcome else "", "dim"))


CONCLUSIONS: dict[str, Callable[[Any, World], Parts]] = {
    "alarm_pending": _pending,
    "alarm_firing": _firing,
    "alarm_eased": _eased,
    "alarm_resolved": _resolved,
    "health_changed": _health,
    "incident_opened": _opened,
    "incident_grew": _grew,
    "incident_merged": _merged,
    "cause_assessed": _cause,
    "condition_held": _held,
    "decision_made": _decided,
    "rung_skipped": _skipped,
    "approval_asked": _asked,
    "approval_closed": _question_closed,
    "run_started": _run_started,
    "step_retried": _retried,
    "run_ended": _run_ended,
    "verification_started": _verifying,
    "incident_mitigated": _mitigated,
    "attempt_failed": _attempt_failed,
    "incident_escalated": _escalated,
    "incident_reopened": _reopened,
    "incident_closed": _closed,
}
