"""Incidents, runs and policies as tables of rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from autoheal.domain.names import RunState, StepState
from autoheal.domain.records import Incident, Run
from autoheal.domain.specs import PolicySpec
from autoheal.tui.glyphs import INCIDENT, MODE, RUN, STEP, Look
from autoheal.tui.present.columns import GUTTER, Column, heading, layout, longest, row
from autoheal.tui.present.fleet import Row, Table
from autoheal.tui.present.incidents import what
from autoheal.tui.present.line import Line, line, wrapped
from autoheal.tui.present.text import clean, span
from autoheal.tui.present.times import clock, spans_days
from autoheal.tui.viewstate import Frame

Cells = tuple[str, dict[str, str], Sequence[Line], int]


def table(columns: Sequence[Column], found: Sequence[Cells], width: int) -> Table:
    sizes = layout(columns, width - GUTTER - 1)
    rows = tuple(Row(key, row(cells, columns, sizes), fields, rank) for key, fields, cells, rank in found)
    return Table(heading(columns, sizes), rows)


def incident_table(frame: Frame, width: int) -> Table:
    """Open incidents first, the newest first in each half."""
    found = sorted(frame.world.incidents.values(), key=lambda i: (i.open, i.opened_at), reverse=True)
    dated = spans_days([i.opened_at for i in found], frame.now)
    columns = (
        Column("STATE", 11),
        Column("ID", 8),
        Column("TARGET", 12, longest([clean(i.target) for i in found], 12, 26)),
        Column("OPENED", 11 if dated or frame.times == "relative" else 8),
        Column("LASTED", 6, right=True),
        Column("CAUSE", 14 if width >= 90 else 12, 16),
        Column("WHAT WAS DONE" if width >= 90 else "DONE", 8, 60),
    )
    return table(columns, [_incident(frame, i, dated=dated) for i in found], width)


def _incident(frame: Frame, incident: Incident, *, dated: bool) -> Cells:
    look = INCIDENT[incident.state]
    cause = str(incident.cause).replace("_", " ")
    cells = (
        line(look),
        line((incident.id, "strong" if incident.open else "")),
        line(incident.target),
        line((clock(incident.opened_at, frame, dated=dated), "dim")),
        line(span((incident.closed_at or frame.now) - incident.opened_at)),
        line(cause),
        line((what(incident), "" if incident.attempts else "dim")),
    )
    fields = {
        "id": str(incident.id),
        "state": look.word,
        "target": incident.target,
        "models": " ".join(incident.models),
        "cause": cause,
        "did": what(incident),
    }
    return incident.id, fields, cells, 0


def run_table(frame: Frame, width: int) -> Table:
    """Runs that move first, then the newest."""
    found = sorted(
        frame.world.runs.values(),
        key=lambda r: (r.state is RunState.RUNNING, r.started_at, r.id),
        reverse=True,
    )
    dated = spans_days([r.started_at for r in found], frame.now)
    columns = (
        Column("STATE", 11),
        Column("ID", 6),
        Column("RUNBOOK", 9, longest([clean(r.runbook.name) for r in found], 9, 20)),
        Column("MODEL", 12, longest([clean(r.model) for r in found], 12, 26)),
        Column("STEPS", 6, 20),
        Column("STARTED", 11 if dated or frame.times == "relative" else 8),
        Column("TOOK", 6, right=True),
        Column("FOR", 8, 40),
    )
    return table(columns, [_run(frame, r, dated=dated) for r in found], width)


def _run(frame: Frame, run: Run, *, dated: bool) -> Cells:
    look = RUN[run.state]
    needs = any(s.state is StepState.NEEDS_YOU for s in run.steps)
    shown = Look("?", "needs you", "needs") if needs else look
    for_what = str(run.incident or (f"by {run.actor}" if run.actor else "–"))
    cells = (
        line(shown),
        line((run.id, "strong" if run.state is RunState.RUNNING else "")),
        line(run.runbook.name),
        line(run.model),
        step_marks(run),
        line((clock(run.started_at, frame, dated=dated), "dim")),
        line(span((run.ended_at or frame.now) - run.started_at)),
        line((for_what, "dim")),
    )
    fields = {
        "id": str(run.id),
        "state": shown.word,
        "runbook": run.runbook.name,
        "model": str(run.model),
        "incident": str(run.incident or ""),
    }
    return run.id, fields, cells, 0


def step_marks(run: Run) -> Line:
    """A glyph a step: ``✓✓▶○○``."""
    return line(*[(STEP[s.state].glyph, STEP[s.state].role) for s in run.steps])


def policy_table(frame: Frame, width: int) -> Table:
    """Policies in the order in which they speak."""
    found = sorted(frame.world.config.policies, key=lambda p: (-p.priority, p.name))
    columns = (
        Column("MODE", 8),
        Column("POLICY", 14, longest([clean(p.name) for p in found], 14, 30)),
        Column("LADDER", 18, longest([_ladder(p) for p in found], 18, 60)),
        Column("MODELS", 6, longest([_selected(p) for p in found], 6, 30)),
        Column("WRITTEN AT", longest([_file(p) for p in found], 15, 24)),
    )
    return table(columns, [_policy(frame, p) for p in found], width)


def _policy(frame: Frame, policy: PolicySpec) -> Cells:
    ceiling = frame.world.config.mode
    mode = min((policy.mode, ceiling), key=lambda m: m.rank)
    look = MODE[mode]
    ladder = _ladder(policy)
    cells = (
        line(look),
        line((policy.name, "strong")),
        line(ladder),
        line((_selected(policy), "dim")),
        line((_file(policy) or "–", "dim")),
    )
    fields = {"name": policy.name, "mode": str(mode), "owner": policy.owner, "ladder": ladder}
    return policy.name, fields, cells, 0


def _file(policy: PolicySpec) -> str:
    """File and line; the folders are in the preview."""
    return clean(str(policy.position)).rpartition("/")[2]


def _ladder(policy: PolicySpec) -> str:
    return " → ".join(clean(rung.runbook) for rung in policy.ladder)


def _selected(policy: PolicySpec) -> str:
    labels = [f"{k}={'|'.join(v)}" for k, v in policy.match.labels.items()]
    return clean(", ".join([*policy.match.models, *labels])) or "none"


def problem_lines(frame: Frame, width: int) -> list[Line]:
    """Why the last reload was refused; nothing when it was not."""
    problems = frame.world.config_problems
    if not problems:
        return []
    head = line((" ✗ the last configuration was refused; the one before it stays in force", "firing"))
    shown = [
        row for p in problems[:5] for part in p.splitlines()[:2] for row in wrapped(line("   "), part, width)
    ]
    rest = [line((f"   {len(problems) - 5} more", "dim"))] if len(problems) > 5 else []
    return [head, *shown, *rest, ()]
