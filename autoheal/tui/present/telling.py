"""Each kind of event in an operator's words. Pure; one small function a kind.

A kind that this version does not know is told by its name: an older dashboard must not fall over a newer daemon.
Called by ``present.events``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autoheal.domain import events as ev
from autoheal.domain.names import AlarmKey
from autoheal.domain.records import Decision
from autoheal.domain.world import World
from autoheal.tui.glyphs import ALARM, MODEL, RUN, VERDICT, ModelLook
from autoheal.tui.present.line import Part
from autoheal.tui.present.numbers import short
from autoheal.tui.present.text import clean, span

Parts = tuple[Part, ...]
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


_MONITORS = {
    "performance": "",
    "data_drift": "drift ",
    "concept_drift": "concept ",
    "data_quality": "quality ",
}


def path(key: AlarmKey | str) -> str:
    """``fraud auc`` or ``fraud drift amount`` from an alarm's key."""
    target, monitor, subject = [*str(key).split("|", 2), "", ""][:3]
    return f"{target} {_MONITORS.get(monitor, monitor + ' ')}{subject}"


def of_run(world: World, run_id: str) -> str:
    """The run by its runbook, where it is known."""
    run = next((r for key, r in world.runs.items() if key == run_id), None)
    return f"{run_id} {run.runbook.name}" if run else run_id


def _daemon(e: ev.DaemonStarted, _w: World) -> Parts:
    return (("● daemon started", "good"), f" autoheal {e.version}")


def _config(e: ev.ConfigApplied, _w: World) -> Parts:
    c = e.config
    sizes = f"{len(c.models)} models, {len(c.policies)} policies, {len(c.runbooks)} runbooks"
    return (("✓ configuration", "good"), f" {sizes}", _by(e.actor))


def _refused(e: ev.ConfigRefused, _w: World) -> Parts:
    return (("✗ configuration refused", "firing"), f" {len(e.problems)} problems, the last good one stays")


def _finding(e: ev.FindingObserved, _w: World) -> Parts:
    f = e.finding
    look = VERDICT[f.verdict]
    return ((look.glyph, look.role), f" {f.target} {f.path} {short(f.value)}", (f" {look.word}", "dim"))


def _champion(e: ev.ChampionObserved, _w: World) -> Parts:
    by = f" by {e.by}" if e.by else ""
    return (("◆ champion", "strong"), f" {e.model} {e.previous or '–'} → {e.version}{by}")


def _facts(e: ev.FactsObserved, _w: World) -> Parts:
    return (("· facts", "dim"), f" {e.model}: {e.facts.fresh_labels} fresh labels")


def _ticked(_e: ev.Ticked, _w: World) -> Parts:
    return (("· time passed", "dim"),)


def _step_started(e: ev.StepStarted, w: World) -> Parts:
    again = f" (try {e.attempt})" if e.attempt > 1 else ""
    return (("▶ step", "healing"), f" {of_run(w, e.run)}: {e.step}{again}")


def _step_finished(e: ev.StepFinished, w: World) -> Parts:
    if e.outcome == "done":
        found = ", ".join(f"{k}={v}" for k, v in list(e.outputs.items())[:2])
        return (("✓ step", "good"), f" {of_run(w, e.run)}: {e.step}", (f" {found}" if found else "", "dim"))
    if e.outcome == "unknown":
        return (("? step", "ask"), f" {of_run(w, e.run)}: {e.step}: nobody knows whether it happened")
    return (("✗ step", "firing"), f" {of_run(w, e.run)}: {e.step}: {e.error}")


def _answered(e: ev.ApprovalAnswered, _w: World) -> Parts:
    look = ("✓ approved", "good") if e.answer == "given" else ("✗ rejected", "pending")
    return (look, f" {e.approval}", _by(e.actor), f": {e.note}" if e.note else "")


def _paused(e: ev.PauseSet, _w: World) -> Parts:
    return (("‖ paused", "pending"), f" {e.pause.scope}", _by(e.pause.actor), f": {e.pause.reason}")


def _resumed(e: ev.PauseLifted, _w: World) -> Parts:
    return (("▶ resumed", "good"), f" {e.scope}", _by(e.actor))


def _silenced(e: ev.SilenceSet, _w: World) -> Parts:
    s = e.silence
    return (("‖ silenced", "paused"), f" {s.target} {s.path}", _by(s.actor), f": {s.reason}")


def _requested(e: ev.RunRequested, _w: World) -> Parts:
    return (("→ run asked for", "strong"), f" {e.runbook} on {e.model}", _by(e.actor))


def _cancelled(e: ev.RunCancelled, w: World) -> Parts:
    return (("✗ cancelled", "pending"), f" {of_run(w, e.run)}", _by(e.actor))


def _closed_by(e: ev.IncidentClosedByPerson, _w: World) -> Parts:
    return (("✓ closed", "good"), f" {e.incident}", _by(e.actor), f": {e.note}" if e.note else "")


def _task(e: ev.TaskStateChanged, _w: World) -> Parts:
    role = {"running": "good", "stopped": "dim"}.get(e.state, "pending")
    word = e.state.replace("_", " ")
    return ((f"◆ {word}", role), f" {e.task}", f": {e.detail}" if e.detail else "")


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
    return (("↻ retry", "pending"), f" {of_run(w, e.run)}: {e.step}")


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


def _by(actor: str) -> tuple[str, str]:
    return (f" by {actor}", "dim") if actor else ("", "")


TELL: dict[str, Callable[[Any, World], Parts]] = {
    "daemon_started": _daemon,
    "config_applied": _config,
    "config_refused": _refused,
    "finding_observed": _finding,
    "champion_observed": _champion,
    "facts_observed": _facts,
    "ticked": _ticked,
    "step_started": _step_started,
    "step_finished": _step_finished,
    "approval_answered": _answered,
    "pause_set": _paused,
    "pause_lifted": _resumed,
    "silence_set": _silenced,
    "run_requested": _requested,
    "run_cancelled": _cancelled,
    "incident_closed_by_person": _closed_by,
    "task_state_changed": _task,
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


def tell(event: object, world: World) -> Parts:
    """``event`` in words; by its name where they are not known, or where it is not what it should be."""
    kind = str(getattr(event, "kind", type(event).__name__))
    teller = TELL.get(kind)
    if teller is not None:
        try:
            return tuple(part for part in teller(event, world) if part != ("", ""))
        except (AttributeError, KeyError, TypeError, ValueError):
            pass
    return ((f"· {clean(kind).replace('_', ' ')}", "dim"),)
