"""One run as a page: its steps with tries, times and outcomes, then what the log says about it. Pure."""

from __future__ import annotations

from autoheal.domain.records import Run, Step
from autoheal.tui.glyphs import RUN, STEP
from autoheal.tui.present.columns import Column, layout, row
from autoheal.tui.present.events import subjects
from autoheal.tui.present.line import Line, Span, beside, cut, join, line, rule, wrapped
from autoheal.tui.present.numbers import outputs
from autoheal.tui.present.telling import tell
from autoheal.tui.present.text import clean, span
from autoheal.tui.present.times import clock, spans_days
from autoheal.tui.viewstate import Frame

_COLUMNS = (
    Column("STEP", 14, 40),
    Column("STATE", 11),
    Column("TRY", 4),
    Column("STARTED", 8, 11),
    Column("TOOK", 6, right=True),
    Column("NOTE", 16, 60),
)


def run_lines(frame: Frame, run_id: str, width: int) -> list[Line]:
    """Everything about the run; one sentence when it is gone."""
    run = next((r for key, r in frame.world.runs.items() if key == run_id), None)
    if run is None:
        return [line((f" run {run_id} is no longer kept", "dim"))]
    sizes = layout(_COLUMNS, width - 4)
    lines = [*_head(frame, run, width), (), _titles(sizes)]
    for number, step in enumerate(run.steps, 1):
        lines += _step(frame, run, step, number, width)
    lines += [(), *_journal(run, width), (), rule(width, (1, "log"))]
    return lines + _log(frame, run, width)


def _head(frame: Frame, run: Run, width: int) -> list[Line]:
    look = RUN[run.state]
    took = span((run.ended_at or frame.now) - run.started_at)
    left = line(
        (f" {look.text} {took}", look.role),
        (f"   {run.runbook.name}", "strong"),
        f" on {run.model}",
        ("   the way back" if run.recovery else "", "dim"),
    )
    right = line((f"{run.runbook.position} ", "dim"))
    lines = [beside(left, right, width)]
    by = f"for {run.incident}" if run.incident else ""
    by += f", policy {run.policy} rung {run.rung + 1}" if run.policy and run.rung is not None else ""
    by += f"asked for by {run.actor}" if run.actor and not by else ""
    if by:
        lines.append(line((f" {by}", "dim")))
    return lines + (wrapped(line(" "), run.note, width, role="pending") if run.note else [])


def _titles(sizes: tuple[int, ...]) -> Line:
    cells = [line((c.title, "head")) for c in _COLUMNS]
    return (Span("   "), *row(cells, _COLUMNS, sizes))


def _step(frame: Frame, run: Run, step: Step, number: int, width: int) -> list[Line]:
    sizes = layout(_COLUMNS, width - 4)
    look = STEP[step.state]
    spec = next((s for s in run.runbook.steps if s.id == step.id), None)
    most = spec.retry.attempts if spec else 1
    took = (step.ended_at or frame.now) - step.started_at if step.started_at else None
    note = step.error or outputs(step.outputs)
    cells = (
        line((look.glyph, look.role), f" {number} {step.id}", (f"  {spec.action}" if spec else "", "dim")),
        line((look.word, look.role)),
        line((f"{step.attempt}/{most}" if step.attempt else "–", "dim")),
        line((clock(step.started_at, frame, dated=_dated(frame, run)), "dim")),
        line(span(took) if took is not None else "–"),
        line((note, "firing" if step.error else "")),
    )
    lines = [(Span("   "), *row(cells, _COLUMNS, sizes))]
    if step.error and len(clean(step.error)) > sizes[-1]:
        lines += wrapped(line("       "), step.error, width, role="firing", most=6)
    return lines


def _dated(frame: Frame, run: Run) -> bool:
    return spans_days([run.started_at], frame.now)


def _journal(run: Run, width: int) -> list[Line]:
    text = "each step is on disk before it happens: a crash repeats nothing"
    edition = f"edition {run.runbook.digest[:8]}" if run.runbook.digest else ""
    return [cut(line((f" {text}", "dim"), (f"   {edition}", "dim")), width)]


def _log(frame: Frame, run: Run, width: int) -> list[Line]:
    mine = [e for e in frame.tail if run.id in subjects(e)]
    if not mine:
        return [line((" older than this dashboard's log tail", "dim"))]
    return [
        cut(
            join(
                [
                    line((f" {clock(e.at, frame, dated=_dated(frame, run))} ", "dim")),
                    line(*tell(e.event, frame.world)),
                ]
            ),
            width,
        )
        for e in mine
    ]
