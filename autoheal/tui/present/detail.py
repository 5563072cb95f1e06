"""The pane under the fleet: everything about the model that the cursor is on, without a key. Pure.

With an incident: why, effect, cause, plan, waiting, next. Without: what each monitor sees, and what was last.
"""

from __future__ import annotations

from autoheal.domain.finding import Finding
from autoheal.domain.names import IncidentState, RunState, StepState, Verdict
from autoheal.domain.reason import Reason
from autoheal.domain.records import Decision, Hypothesis, Incident, ModelState, Run
from autoheal.tui.glyphs import INCIDENT, MODEL, VERDICT
from autoheal.tui.present.fleet import worst
from autoheal.tui.present.line import Line, cut, line, wrapped
from autoheal.tui.present.numbers import count, evidence, exact
from autoheal.tui.present.standing import look_of, models_of
from autoheal.tui.present.text import clean, span
from autoheal.tui.present.times import ago
from autoheal.tui.viewstate import Frame

MONITORS = (
    "performance", "data_drift", "concept_drift", "serving", "data_quality",
    "score_drift", "multivariate", "estimated_performance", "familiar", "slices",
)  # fmt: skip
_LABEL = 9


def detail_lines(frame: Frame, key: str | None, width: int, height: int) -> list[Line]:
    """At most ``height`` lines about the model called ``key``."""
    state = models_of(frame.world).get(key or "")
    if state is None:
        return []
    incident = frame.index.incident.get(state.name)
    if incident is None or not incident.open:
        lines = _calm(frame, state, incident, width)
    else:
        lines = _incident(frame, incident, state, width, roomy=height >= 9)
    return [cut(content, width) for content in lines[:height]]


def _field(name: str, body: str, width: int, *, role: str = "", most: int = 2) -> list[Line]:
    return wrapped(line((f" {name}".ljust(_LABEL), "dim")), body, width, role=role, most=most)


def _incident(frame: Frame, incident: Incident, state: ModelState, width: int, *, roomy: bool) -> list[Line]:
    findings = _breaches(frame, incident)
    lines = [_headline(frame, incident, findings)]
    most = 2 if roomy else 1
    if findings:
        lines += _why(frame, findings, width, most)
        lines += _field("effect", _effect(findings[0]), width, most=1) if roomy else []
    if incident.causes:
        lines += _field("cause", _cause(incident.causes[0]), width, most=most + int(roomy))
    lines += _plan(frame, incident, state, width, roomy=roomy)
    others = [m for m in incident.models if m != state.name]
    if others:
        lines += _field("also", ", ".join(others), width, most=1)
    if roomy:
        lines += [(), *_monitors(frame, state)]
    return lines


def _headline(frame: Frame, incident: Incident, findings: list[Finding]) -> Line:
    look = INCIDENT[incident.state]
    lasted = span(frame.now - incident.opened_at)
    monitors = dict.fromkeys(f.monitor.replace("_", " ") for f in findings)
    return line(
        (f" {incident.id} ", "strong"),
        (f"{look.glyph} {look.word} {lasted}", look.role),
        f"  {' + '.join(monitors)}",
        ("" if incident.target in incident.models else f"  {incident.target}", "accent"),
    )


def _breaches(frame: Frame, incident: Incident) -> list[Finding]:
    """What the incident's alarms stand on, the worst first."""
    found = [f for key in incident.alarms if (f := frame.world.findings.get(key))]
    order = {name: n for n, name in enumerate(MONITORS)}
    found.sort(key=lambda f: (f.verdict is not Verdict.BREACH, -f.severity.rank, order.get(f.monitor, 9)))
    return found


def _why(frame: Frame, findings: list[Finding], width: int, most: int) -> list[Line]:
    """A line a finding; what there is no room for is counted."""
    lines: list[Line] = []
    shown = findings[:most]
    for finding in shown:
        alarm = frame.world.alarms.get(finding.key)
        held = f" for {span(frame.now - alarm.since)}" if alarm and alarm.state == "firing" else ""
        over = " (gone)" if finding.verdict is Verdict.OK else ""
        against = f", was {exact(finding.reference)}" if finding.reference else ""
        more = len(findings) - most if finding is shown[-1] else 0
        rest = f"; {more} more" if more > 0 else ""
        text = f"{_subject(finding)} {exact(finding.value)}{against}{held}{over}{rest}"
        lines += _field("" if lines else "why", text, width, most=1)
    return lines


def _subject(finding: Finding) -> str:
    """``auc``, ``drift of amount``: short, and still clear about what it is."""
    return f"drift of {finding.subject}" if finding.monitor == "data_drift" else finding.subject


def _effect(finding: Finding) -> str:
    parts = [f"worse by {exact(finding.effect)}" if finding.effect is not None else finding.detail]
    parts += [evidence(finding.evidence), f"n={count(finding.n)}" if finding.n else ""]
    parts.append(f"against {finding.version}" if finding.version else "")
    return ", ".join(p for p in parts if p)


def _cause(best: Hypothesis) -> str:
    because = best.reason.detail or best.reason.label
    return f"{best.cause.replace('_', ' ')} ({best.weight:.2f}): {because}"


def _plan(frame: Frame, incident: Incident, state: ModelState, width: int, *, roomy: bool) -> list[Line]:
    run = frame.index.run.get(state.name)
    decision = frame.world.decisions.get(incident.decision) if incident.decision else None
    approval = frame.index.approval.get(state.name)
    lines: list[Line] = []
    if run is not None and run.state is RunState.RUNNING:
        lines += _running(run, width)
    elif decision is not None and (roomy or approval is None):
        lines += _field("plan", _decided(decision), width, most=2 if roomy else 1)
    if approval is not None:
        left = ago(frame.now, approval.expires_at)
        asks = ", ".join(approval.ask) or "a person"
        waiting = f"? approve {approval.runbook}: {asks}, {left} left, else {approval.otherwise}"
        lines += _field("waiting", waiting, width, role="ask", most=1)
    lines += _after(frame, incident, width)
    return lines


def _running(run: Run, width: int) -> list[Line]:
    done = sum(s.state in {StepState.DONE, StepState.SKIPPED} for s in run.steps)
    current = next((s for s in run.steps if s.state in {StepState.RUNS, StepState.NEEDS_YOU}), None)
    at = f" {current.id}" if current else ""
    text = f"runbook {run.runbook.name} ({run.id}), step {min(done + 1, len(run.steps))}/{len(run.steps)}{at}"
    lines = _field("plan", text, width, role="healing", most=1)
    waiting = [s.id for s in run.steps if s.state is StepState.WAITS]
    return lines + (_field("next", " → ".join(waiting), width, most=1) if waiting else [])


def _decided(decision: Decision) -> str:
    by = f" by {decision.policy}" if decision.policy else ""
    if decision.verdict == "blocked":
        return f"{decision.runbook}{by}, blocked: {'; '.join(obstacles(decision.reason)) or 'a guard'}"
    words = {
        "act": f"{decision.runbook}{by}",
        "ask": f"{decision.runbook}{by}, needs a yes",
        "would": f"would {decision.runbook}{by} (shadow mode: does not act)",
        "wait": f"{decision.runbook}{by}, not ripe yet",
        "nothing": "nothing: no policy applies (w says why)",
        "exhausted": "nothing left to try",
    }
    return words[decision.verdict]


def obstacles(reason: Reason) -> list[str]:
    """The guards that said no: the false leaves under a node called guards."""
    found: list[str] = []
    for child in reason.children:
        if child.label == "guards":
            found += [f"{g.label} {g.detail}".strip() for g in child.children if g.holds is not True]
        else:
            found += obstacles(child)
    return found


def _after(frame: Frame, incident: Incident, width: int) -> list[Line]:
    if incident.state is IncidentState.VERIFYING and incident.deadline is not None:
        spec = incident.verify
        need = f"healthy for {span(spec.healthy_for)}" if spec else "healthy"
        left = ago(frame.now, incident.deadline)
        return _field("next", f"verify: {need}, {left} left → close", width, most=1)
    if incident.state is IncidentState.MITIGATED:
        way = next((a.on_recovery for a in reversed(incident.attempts) if a.on_recovery), "")
        return _field("next", f"the fault passes → {way or 'close'}", width, most=1)
    if incident.state is IncidentState.ESCALATED:
        return _field("waiting", f"? {incident.outcome or 'a person is needed'}", width, role="ask", most=2)
    return []


def _calm(frame: Frame, state: ModelState, last: Incident | None, width: int) -> list[Line]:
    look = MODEL[look_of(frame, state)]
    since = f" {span(frame.now - state.health_since)}" if state.health_since else ""
    known = state.facts.known_good if state.facts else ""
    lines = [
        line(
            (f" {look.text}{since}", look.role),
            f"   champion {state.champion or '–'}",
            (f"   known good {known}" if known else "", "dim"),
        )
    ]
    lines += _monitors(frame, state)
    if not frame.index.findings.get(state.name):
        lines += _field("", "no monitor has said anything yet", width)
    if last is not None:
        lines += _field("last", f"{last.id} {_ended(frame, last)}", width, most=2)
    return lines


def _monitors(frame: Frame, state: ModelState) -> list[Line]:
    """A line a monitor: its worst finding."""
    findings = frame.index.findings.get(state.name, ())
    return [_monitor(found, findings, name) for name in MONITORS if (found := worst(findings, name))]


def _monitor(finding: Finding, findings: tuple[Finding, ...], name: str) -> Line:
    look = VERDICT[finding.verdict]
    more = sum(f.monitor == name and not f.of_itself for f in findings) - 1
    against = f", reference {exact(finding.reference)}" if finding.reference else ""
    value = f" {exact(finding.value)}{against}" if finding.value is not None else f" {look.word}"
    return line(
        (f" {look.glyph} ", look.role),
        (f"{name.replace('_', ' '):<14}", "dim"),
        f"{clean(finding.subject)}{value}",
        (f"   {more} more" if more else "", "dim"),
    )


def _ended(frame: Frame, incident: Incident) -> str:
    closed = incident.closed_at or frame.now
    took = span(closed - incident.started_at)
    how = incident.outcome or "over"
    verified = ", verified" if incident.verified else ""
    return f"{span(frame.now - closed)} ago: {how}{verified}, {took} after the first symptom"
