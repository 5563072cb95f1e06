"""The fleet as rows: state, model, champion, performance over time, drift, what is being done, last seen. Pure.

``fleet_rows`` sorts by severity, then name; ``arrange`` keeps the row under the cursor where it is, so that nothing
moves away under an operator's fingers. Cells are the same in every width; columns come and go with the room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoheal.domain.finding import Finding
from autoheal.domain.names import IncidentState, RunState, Severity, StepState, Verdict
from autoheal.domain.records import ModelState
from autoheal.tui.glyphs import MODEL, ModelLook
from autoheal.tui.present.columns import GUTTER, Column, heading, layout, longest, row
from autoheal.tui.present.history import history, newest, spark
from autoheal.tui.present.line import Line, line, text_of
from autoheal.tui.present.numbers import metric, short
from autoheal.tui.present.standing import look_of, models_of
from autoheal.tui.present.text import clean
from autoheal.tui.present.times import ago
from autoheal.tui.viewstate import Frame

#: From this width on the long columns are shown.
WIDE = 100
_SEVERITY = {Severity.CRITICAL: "firing", Severity.WARNING: "pending", Severity.NONE: ""}
_VERDICTS = {
    "blocked": ("‖ blocked", "pending"),
    "wait": ("○ waits", "dim"),
    "would": ("◐ shadow", "paused"),
    "nothing": ("no policy", "dim"),
    "exhausted": ("exhausted", "firing"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ``key`` stays with the object, ``fields`` are what a filter sees, ``rank`` sorts."""

    key: str
    content: Line
    fields: Mapping[str, str]
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A heading and its rows, all of the same width."""

    head: Line
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class _Model:
    state: ModelState
    look: ModelLook
    performance: Finding | None
    drift: Finding | None
    concept: Finding | None


def fleet_table(frame: Frame, width: int) -> Table:
    """Every model, the most pressing first."""
    models = [_model(frame, state) for state in models_of(frame.world).values()]
    models.sort(key=lambda m: (m.look.rank, m.state.name))
    columns = _columns(frame, models, width)
    sizes = layout(columns, width - GUTTER - 1)
    rows = tuple(
        Row(
            m.state.name,
            row(_cells(frame, m, columns, sizes), columns, sizes),
            _fields(frame, m),
            m.look.rank,
        )
        for m in models
    )
    return Table(heading(columns, sizes), rows)


def arrange(rows: Sequence[Row], key: str | None, at: int) -> tuple[tuple[Row, ...], int]:
    """``rows`` with the one called ``key`` held at index ``at``; and how many more pressing ones now stand below it.

    Without such a row (it is gone, or filtered away) nothing is held.
    """
    held = next((r for r in rows if r.key == key), None)
    if held is None:
        return tuple(rows), 0
    others = [r for r in rows if r.key != key]
    place = min(at, len(others))
    below = sum(r.rank < held.rank for r in others[place:])
    return (*others[:place], held, *others[place:]), below


def _model(frame: Frame, state: ModelState) -> _Model:
    found = frame.index.findings.get(state.name, ())
    return _Model(
        state,
        look_of(frame, state),
        worst(found, "performance"),
        worst(found, "data_drift"),
        worst(found, "concept_drift"),
    )


def worst(found: Sequence[Finding], monitor: str) -> Finding | None:
    """The finding of ``monitor`` to show: a breach before the rest, then the larger effect."""
    mine = [f for f in found if f.monitor == monitor and (not f.of_itself or f.verdict is not Verdict.OK)]
    if monitor == "performance":
        mine.sort(key=lambda f: (f.verdict is not Verdict.BREACH, -f.severity.rank, f.subject))
    else:
        mine.sort(
            key=lambda f: (f.verdict is not Verdict.BREACH, -f.severity.rank, -(f.effect or 0.0), f.subject)
        )
    return mine[0] if mine else None


def _columns(frame: Frame, models: Sequence[_Model], width: int) -> tuple[Column, ...]:
    names = longest([clean(m.state.name) for m in models], 14, 32)
    champions = longest([_champion(m)[0] for m in models], 8, 16)
    runs = longest([text_of(_doing(frame, m)) for m in models], 10, 20)
    drifts = longest([text_of(_drift(m)) for m in models], 12, 28)
    past = _past(frame, models)
    if width < WIDE:
        return (
            Column("STATE", 11),
            Column("MODEL", 14, names),
            Column(f"PERF {past}".rstrip(), 17, 40),
            Column("DRIFT", 12, drifts),
            Column("RUN", 10, runs),
            Column("SEEN", 4, right=True),
        )
    return (
        Column("STATE", 11),
        Column("MODEL", 14, names),
        Column("CHAMPION", 8, champions),
        Column(f"PERFORMANCE {past}".rstrip(), 19, 90),
        Column("DATA DRIFT", 13, drifts),
        Column("CONCEPT", 8, 10),
        Column("RUN", 12, runs),
        Column("SEEN", 4, right=True),
    )


def _past(frame: Frame, models: Sequence[_Model]) -> str:
    """How far back the sparklines go, in one unit."""
    lengths = []
    for m in models:
        points = history(frame, m.performance) if m.performance else ()
        if len(points) > 1:
            lengths.append(points[-1][0] - points[0][0])
    return ago(frame.now - max(lengths), frame.now) if lengths else ""


def _cells(frame: Frame, m: _Model, columns: Sequence[Column], sizes: Sequence[int]) -> list[Line]:
    look = MODEL[m.look]
    width = sizes[[c.title.startswith("PERF") for c in columns].index(True)]
    seen = line((ago(newest(frame, m.state.name), frame.now), "dim"))
    state, name = line((look.text, look.role)), line((m.state.name, _name_role(m)))
    if len(columns) == 6:
        performance = _performance(frame, m, width, named=False)
        return [state, name, performance, _drift(m), _doing(frame, m), seen]
    performance = _performance(frame, m, width, named=True)
    return [
        state,
        name,
        line(_champion(m)),
        performance,
        _drift(m),
        _concept(m),
        _doing(frame, m),
        seen,
    ]


def _name_role(m: _Model) -> str:
    return "strong" if m.look.rank < ModelLook.NO_DATA.rank else ""


def _champion(m: _Model) -> tuple[str, str]:
    facts = m.state.facts
    if facts is not None and facts.on_fallback:
        return clean(facts.fallback) or "fallback", "healing"
    return clean(m.state.champion) or "–", ""


def _performance(frame: Frame, m: _Model, width: int, *, named: bool) -> Line:
    finding = m.performance
    if finding is None:
        return line(("     –" if named else "  –", "dim"))
    alarm = next((a for a in frame.index.alarms.get(m.state.name, ()) if a.key == finding.key), None)
    role = _SEVERITY[alarm.severity] if alarm else "spark"
    value = None if finding.verdict is Verdict.NO_DATA else finding.value
    shown = short(value).rjust(4)
    head = f"{metric(clean(finding.subject))[:4]:<4} {shown} " if named else f"{shown} "
    points = history(frame, finding)
    drawn = spark(points, width - len(head), frame.now, alarm.started_at if alarm else None, role)
    return (*line((head, role if alarm else "")), *drawn)


def _drift(m: _Model) -> Line:
    finding = m.drift
    if finding is None or finding.verdict in {Verdict.NO_DATA, Verdict.NOT_YET}:
        return line(("–", "dim"))
    value = finding.value if finding.value is not None else finding.effect
    role = _SEVERITY[finding.severity] if finding.verdict is Verdict.BREACH else "dim"
    return line((f"{short(value)} {clean(finding.subject)}", role))


def _concept(m: _Model) -> Line:
    finding = m.concept
    if finding is None or finding.verdict is not Verdict.BREACH:
        return line(("–", "dim"))
    role = _SEVERITY[finding.severity] or "pending"
    return line((f"{clean(finding.subject)} {'✖' if role == 'firing' else '▲'}", role))


def _doing(frame: Frame, m: _Model) -> Line:
    """What is being done about it, or what stands in the way."""
    index, name = frame.index, m.state.name
    if name in index.approval:
        return line(("? approve", "ask"))
    run = index.run.get(name)
    if run is not None and run.state is RunState.RUNNING:
        done = sum(s.state in {StepState.DONE, StepState.SKIPPED} for s in run.steps)
        at = min(done + 1, len(run.steps))
        return line((f"{at}/{len(run.steps)} {clean(run.runbook.name)}", "healing"))
    incident = index.incident.get(name)
    if incident is None or not incident.open:
        return line(("–", "dim"))
    if incident.state is IncidentState.VERIFYING and incident.deadline is not None:
        return line((f"verify {ago(frame.now, incident.deadline)}", "healing"))
    decision = frame.world.decisions.get(incident.decision) if incident.decision else None
    if incident.state is IncidentState.OPEN and decision is not None and decision.verdict in _VERDICTS:
        return line(_VERDICTS[decision.verdict])
    return line((str(incident.id), "dim"))


def _fields(frame: Frame, m: _Model) -> dict[str, str]:
    spec = frame.world.config.models.get(m.state.name)
    incident = frame.index.incident.get(m.state.name)
    return {
        "model": m.state.name,
        "state": " ".join(
            [MODEL[m.look].word, *{str(a.state) for a in frame.index.alarms.get(m.state.name, ())}]
        ),
        "health": str(m.state.health),
        "owner": spec.owner if spec else "",
        "task": str(spec.task) if spec else "",
        "champion": str(m.state.champion),
        "incident": str(incident.id) if incident and incident.open else "",
        "cause": str(incident.cause) if incident and incident.open else "",
        **(spec.labels if spec else {}),
    }
