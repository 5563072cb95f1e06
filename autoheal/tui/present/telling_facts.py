"""Facts in an operator's words: what happened outside. Pure; one small function a kind, gathered in ``FACTS``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autoheal.domain import events as ev
from autoheal.domain.world import World
from autoheal.tui.glyphs import VERDICT
from autoheal.tui.present.numbers import outputs, short
from autoheal.tui.present.telling_words import Parts, by, of_run


def _daemon(e: ev.DaemonStarted, _w: World) -> Parts:
    return (("● daemon started", "good"), f" autoheal {e.version}")


def _config(e: ev.ConfigApplied, _w: World) -> Parts:
    c = e.config
    sizes = f"{len(c.models)} models, {len(c.policies)} policies, {len(c.runbooks)} runbooks"
    return (("✓ configuration", "good"), f" {sizes}", by(e.actor))


def _refused(e: ev.ConfigRefused, _w: World) -> Parts:
    return (("✗ configuration refused", "firing"), f" {len(e.problems)} problems, the last good one stays")


def _finding(e: ev.FindingObserved, _w: World) -> Parts:
    f = e.finding
    look = VERDICT[f.verdict]
    return ((look.glyph, look.role), f" {f.target} {f.path} {short(f.value)}", (f" {look.word}", "dim"))


def _champion(e: ev.ChampionObserved, _w: World) -> Parts:
    by = f" by {e.by}" if e.by else ""
    return (("◆ champion", "strong"), f" {e.model} {e.previous or '–'} → {e.version}{by}")


def _reference(e: ev.ReferenceObserved, _w: World) -> Parts:
    if not e.digest:
        return (("◆ reference", "strong"), f" {e.model} {e.version}: its own again")
    by = f" by {e.by}" if e.by else ""
    return (("◆ reference", "strong"), f" {e.model} {e.version}: {e.how}{by}", (f" {e.detail}", "dim"))


def _facts(e: ev.FactsObserved, _w: World) -> Parts:
    return (("· facts", "dim"), f" {e.model}: {e.facts.fresh_labels} fresh labels")


def _ticked(_e: ev.Ticked, _w: World) -> Parts:
    return (("· time passed", "dim"),)


def _step_started(e: ev.StepStarted, w: World) -> Parts:
    again = f" (try {e.attempt})" if e.attempt > 1 else ""
    return (("▶ step", "healing"), f" {e.step}{again}", (f" {of_run(w, e.run)}", "dim"))


def _step_finished(e: ev.StepFinished, w: World) -> Parts:
    if e.outcome == "done":
        found = outputs(e.outputs, 2)
        result = f" {found}" if found else ""
        return (("✓ step", "good"), f" {e.step}{result}", (f" {of_run(w, e.run)}", "dim"))
    if e.outcome == "unknown":
        return (
            ("? step", "ask"),
            f" {e.step}: nobody knows whether it happened",
            (f" {of_run(w, e.run)}", "dim"),
        )
    return (("✗ step", "firing"), f" {e.step}: {e.error}", (f" {of_run(w, e.run)}", "dim"))


def _answered(e: ev.ApprovalAnswered, _w: World) -> Parts:
    look = ("✓ approved", "good") if e.answer == "given" else ("✗ rejected", "pending")
    return (look, f" {e.approval}", by(e.actor), f": {e.note}" if e.note else "")


def _paused(e: ev.PauseSet, _w: World) -> Parts:
    return (("‖ paused", "pending"), f" {e.pause.scope}", by(e.pause.actor), f": {e.pause.reason}")


def _resumed(e: ev.PauseLifted, _w: World) -> Parts:
    return (("▶ resumed", "good"), f" {e.scope}", by(e.actor))


def _silenced(e: ev.SilenceSet, _w: World) -> Parts:
    s = e.silence
    return (("‖ silenced", "paused"), f" {s.target} {s.path}", by(s.actor), f": {s.reason}")


def _requested(e: ev.RunRequested, _w: World) -> Parts:
    return (("→ run asked for", "strong"), f" {e.runbook} on {e.model}", by(e.actor))


def _cancelled(e: ev.RunCancelled, w: World) -> Parts:
    return (("✗ cancelled", "pending"), f" {of_run(w, e.run)}", by(e.actor))


def _closed_by(e: ev.IncidentClosedByPerson, _w: World) -> Parts:
    return (("✓ closed", "good"), f" {e.incident}", by(e.actor), f": {e.note}" if e.note else "")


def _task(e: ev.TaskStateChanged, _w: World) -> Parts:
    role = {"running": "good", "stopped": "dim"}.get(e.state, "pending")
    word = e.state.replace("_", " ")
    return ((f"◆ {word}", role), f" {e.task}", f": {e.detail}" if e.detail else "")


FACTS: dict[str, Callable[[Any, World], Parts]] = {
    "daemon_started": _daemon,
    "config_applied": _config,
    "config_refused": _refused,
    "finding_observed": _finding,
    "champion_observed": _champion,
    "reference_observed": _reference,
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
}
