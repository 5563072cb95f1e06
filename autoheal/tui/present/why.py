"""Why: an incident from symptom to outcome, every decision with its tree of reasons and YAML positions. Pure.

The same lines for ``autoheal why`` and the dashboard's why screen. Nothing is cut away: what is too long goes on in
the next line, because the answer to "why not" is often at the end of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from autoheal.api.wire import Why
from autoheal.domain.finding import Finding
from autoheal.domain.records import (
    Alarm,
    Approval,
    Attempt,
    Decision,
    Hypothesis,
    Incident,
    ModelState,
    Run,
    Step,
)
from autoheal.domain.specs import StepSpec
from autoheal.tui.present.text import clean, left_right, number, plain, span, stamp, wrap
from autoheal.tui.present.tree import tree_lines

VERDICTS = {
    "act": "DECIDED to act:",
    "ask": "ASKED a person about:",
    "would": "WOULD (shadow mode):",
    "blocked": "BLOCKED by a guard:",
    "wait": "WAITS for:",
    "nothing": "DOES NOTHING",
    "exhausted": "NOTHING LEFT to try",
}
STEP_MARKS = {"waits": "○", "runs": "▶", "done": "✓", "failed": "✗", "skipped": "·", "needs_you": "?"}
RUN_MARKS = {"running": "▶", "succeeded": "✓", "failed": "✗", "cancelled": "·"}
_INDENT = 10


def why_lines(why: Why, width: int = 100, ascii: bool = False) -> list[str]:  # noqa: A002  the option's word
    """Everything known about the reasons, at most ``width`` wide."""
    body = _incident_lines(why, why.incident, width) if why.incident else _quiet_lines(why, width)
    return [plain(line.rstrip(), ascii) for line in body]


def _incident_lines(why: Why, incident: Incident, width: int) -> list[str]:
    lines = [*_headline(incident, why.now, width), ""]
    lines += _field("symptom", _symptoms(why.findings, why.alarms), width)
    lines += _cause_lines(incident.causes, width)
    for decision in why.decisions:
        asked = [a for a in why.approvals if a.decision == decision.id]
        lines += [
            "",
            *decision_lines(decision, width),
            *(line for a in asked for line in _approval(a, width)),
        ]
    if not why.decisions:
        lines += ["", " no decision yet"]
    for run in why.runs:
        lines += ["", *run_lines(run, width)]
    return [*lines, "", *_outcome(incident, why.now, width)]


def _quiet_lines(why: Why, width: int) -> list[str]:
    """A model without an incident: what is seen, and that nothing follows from it."""
    lines = [clean(why.subject)]
    for model in why.models:
        lines += _field("health", [_health(model, why.now)], width)
    lines += _field("findings", _symptoms(why.findings, why.alarms) or ["none yet"], width)
    return [*lines, "", " no incident: no alarm of this model has fired, so there is nothing to decide"]


def _health(model: ModelState, now: datetime) -> str:
    since = f" for {span(now - model.health_since)}" if model.health_since else ""
    return f"{model.health}{since}, champion {clean(model.champion) or '–'}"


def _headline(incident: Incident, now: datetime, width: int) -> list[str]:
    state = f"{incident.state} {span((incident.closed_at or now) - incident.opened_at)}"
    left = f"{incident.id}  {clean(incident.target)}  {state}  {incident.severity}"
    lines = wrap(left, width)
    lines[-1] = left_right(lines[-1], f"opened {stamp(incident.opened_at)} UTC", width)
    others = [m for m in incident.models if m != incident.target]
    return [*lines, *_field("models", [", ".join(clean(m) for m in others)], width)] if others else lines


def _symptoms(findings: Iterable[Finding], alarms: Iterable[Alarm]) -> list[str]:
    """One line a finding: the breaches first."""
    states = {alarm.key: alarm for alarm in alarms}
    ordered = sorted(findings, key=lambda f: (f.verdict != "breach", -f.severity.rank, f.target, f.path))
    return [_symptom(f, states.get(f.key)) for f in ordered]


def _symptom(finding: Finding, alarm: Alarm | None) -> str:
    state = f"{alarm.state} since {stamp(alarm.since)}" if alarm else str(finding.verdict)
    parts = [f"{clean(finding.target)} {clean(finding.path)}: {state}"]
    if finding.value is not None:
        parts.append(f"{number(finding.value)} against {number(finding.reference)}")
    if finding.effect is not None:
        parts.append(f"effect {number(finding.effect)}")
    if finding.evidence is not None:
        parts.append(f"ln e = {number(finding.evidence)}")
    parts.append(f"n={finding.n}")
    return ", ".join(parts) + (f" ({clean(finding.detail)})" if finding.detail else "")


def _cause_lines(causes: Iterable[Hypothesis], width: int) -> list[str]:
    lines: list[str] = []
    for n, hypothesis in enumerate(causes):
        title = " cause    " if n == 0 else " " * _INDENT
        lines.append(f"{title}{str(hypothesis.cause).replace('_', ' ')} (weight {hypothesis.weight:.2f})")
        lines += tree_lines(hypothesis.reason, width, indent=" " * _INDENT)
    return lines


def decision_lines(decision: Decision, width: int) -> list[str]:
    """One decision: what, by which policy, when, and the whole tree."""
    what = f" {clean(decision.runbook)}" if decision.runbook else ""
    rung = f", rung {decision.rung + 1}" if decision.rung is not None else ""
    by = f" by {clean(decision.policy)}{rung}" if decision.policy else ""
    head = f" {stamp(decision.at)}  {VERDICTS[decision.verdict]}{what}{by}"
    lines = [f" {row}" for row in wrap(head.strip(), width - 1)]
    lines[-1] = left_right(lines[-1], str(decision.id), width)
    if decision.until is not None:
        lines.append(f"   until {stamp(decision.until)} UTC")
    return lines + tree_lines(decision.reason, width, indent="  ")


def _approval(approval: Approval, width: int) -> list[str]:
    if approval.state == "open":
        text = f"waits for {', '.join(approval.ask) or 'a person'} until {stamp(approval.expires_at)} UTC, then: {approval.otherwise}"
    else:
        text = approval.state + (f" by {approval.actor}" if approval.actor else "")
        text += f": {approval.note}" if approval.note else ""
    rows = wrap(clean(f"ask {approval.id}: {text}"), width - 4)
    return [f"  ? {rows[0]}", *(f"    {row}" for row in rows[1:])]


def run_lines(run: Run, width: int) -> list[str]:
    """One run and its steps."""
    took = f", took {span(run.ended_at - run.started_at)}" if run.ended_at else ""
    by = f" by {run.actor}" if run.actor else ""
    title = f"{RUN_MARKS[run.state]} {run.id} {run.runbook.name} on {run.model}: {run.state}{took}{by}"
    title += " (the way back)" if run.recovery else ""
    lines = _positioned(clean(title), str(run.runbook.position), " ", width)
    specs = {spec.id: spec for spec in run.runbook.steps}
    for step in run.steps:
        lines += _step(step, specs.get(step.id), width)
    return lines + ([f"    {row}" for row in wrap(clean(run.note), width - 4)] if run.note else [])


def _step(step: Step, spec: StepSpec | None, width: int) -> list[str]:
    action = f"  {spec.action}" if spec else ""
    tries = f", try {step.attempt}" if step.attempt > 1 else ""
    took = f"  {stamp(step.started_at)}" if step.started_at else ""
    if step.started_at and step.ended_at:
        took += f" took {span(step.ended_at - step.started_at)}"
    word = str(step.state).replace("_", " ")
    title = clean(f"{STEP_MARKS[step.state]} {step.id}{action}: {word}{tries}{took}")
    lines = _positioned(title, str(spec.position) if spec else "", "   ", width)
    outputs = ", ".join(f"{key}={value}" for key, value in step.outputs.items())
    for text in (outputs, step.error):
        lines += [f"       {row}" for row in wrap(clean(text), width - 7)] if text else []
    return lines


def _outcome(incident: Incident, now: datetime, width: int) -> list[str]:
    texts = [_attempt(a) for a in incident.attempts]
    if incident.closed_at is not None:
        took = span(incident.closed_at - incident.started_at)
        verified = "verified" if incident.verified else "not verified"
        texts.append(
            f"closed {stamp(incident.closed_at)} UTC: {incident.outcome or 'over'}, {verified}, {took} after the first symptom"
        )
    elif incident.deadline is not None:
        texts.append(
            f"being verified, {span(incident.deadline - now)} left (until {stamp(incident.deadline)} UTC)"
        )
    else:
        texts.append(f"{incident.state}")
    return _field("outcome", texts, width)


def _attempt(attempt: Attempt) -> str:
    text = f"rung {attempt.rung + 1} {attempt.runbook} ({', '.join(attempt.runs)}): {attempt.outcome.replace('_', ' ')}"
    return f"{text}, {attempt.detail}" if attempt.detail else text


def _positioned(title: str, position: str, indent: str, width: int) -> list[str]:
    rows = wrap(title, width - len(indent) - (len(position) + 2 if position else 0))
    lines = [indent + rows[0], *(f"{indent}  {row}" for row in rows[1:])]
    lines[0] = left_right(lines[0], position, width)
    return lines


def _field(name: str, texts: Iterable[str], width: int) -> list[str]:
    """`` name     text``, the texts beneath each other."""
    lines: list[str] = []
    for text in texts:
        for row in wrap(clean(text), width - _INDENT):
            lines.append((f" {name}".ljust(_INDENT) if not lines else " " * _INDENT) + row)
    return lines
