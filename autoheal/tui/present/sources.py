"""The daemon's tasks and telemetry sources as one table: does it run, how fast, how far behind, what does it say. Pure.

A source's row stands for its task too; it says what is wrong with either. A rate is of the last minute, a lag is how old
the newest row is by its own time (so a sender whose clock is ahead has a negative one).
"""

from __future__ import annotations

from autoheal.domain.names import is_model
from autoheal.domain.source_health import SourceHealth
from autoheal.domain.world import TaskView
from autoheal.tui.glyphs import SOURCE, TASK, Look
from autoheal.tui.present.columns import Column, longest
from autoheal.tui.present.fleet import Table
from autoheal.tui.present.line import Line, cut, line, wrapped
from autoheal.tui.present.lists import Cells, table
from autoheal.tui.present.numbers import count
from autoheal.tui.present.source_words import STATES, lag, rate, source_says
from autoheal.tui.present.text import clean
from autoheal.tui.present.times import ago, clock
from autoheal.tui.viewstate import Frame

PREFIX = "source:"
_LABEL = 9


def source_table(frame: Frame, width: int) -> Table:
    """What does not run first; then sources, other tasks, and shared feeds."""
    sources = {f"{PREFIX}{s.name}": s for s in (frame.snapshot.sources if frame.snapshot else ())}
    tasks = dict(frame.world.tasks)
    names = [*(s.name for s in sources.values()), *(t.name for t in tasks.values())]
    columns = (
        Column("STATE", 13),
        Column("NAME", 16, longest([clean(n) for n in names], 16, 40)),
        Column("SINCE", 5, right=True),
        Column("ROWS/S", 6, right=True),
        Column("LAG", 4, right=True),
        Column("WHAT IT SAYS", 20, 100),
    )
    ill = [t for t in tasks.values() if t.state != "running" and t.name not in sources]
    well = [t for t in tasks.values() if t.state == "running" and t.name not in sources]
    found = sorted(sources.items(), key=lambda item: (STATES.index(item[1].state), item[0]))
    rows = [_task(frame, t) for t in sorted(ill, key=lambda t: t.name)]
    rows += [_source(frame, key, source, tasks.get(key)) for key, source in found]
    rows += [_task(frame, t) for t in sorted(well, key=lambda t: t.name)]
    return table(columns, rows + _feeds(frame), width)


def source_lines(frame: Frame, key: str, width: int) -> list[Line]:
    """What the cursor is on, in full: the sentence that the table cuts short, and what came and did not."""
    source = next(
        (s for s in (frame.snapshot.sources if frame.snapshot else ()) if key == f"{PREFIX}{s.name}"), None
    )
    task = next((t for t in frame.world.tasks.values() if t.name == key), None)
    if source is None:
        says = task.detail if task and task.detail else "–"
        return wrapped(line((" says".ljust(_LABEL), "accent")), says, width, most=3) if task else []
    ill = source.state in {"away", "no_data"} and source.last_error
    lines = wrapped(line((" says".ljust(_LABEL), "accent")), source.last_error if ill else "–", width, most=3)
    if source.last_error and not ill:
        when = f"{clock(source.last_error_at, frame)}  {source.last_error}"
        lines = wrapped(line((" was".ljust(_LABEL), "accent")), when, width, most=3)
    if task is not None and task.state not in {"running", "stopped"} and task.detail:
        lines += wrapped(line((" task".ljust(_LABEL), "accent")), task.detail, width, most=2)
    doubled = f", {count(source.duplicates)} doubled" if source.duplicates else ""
    newest = f", the newest of {clock(source.newest, frame, dated=True)}" if source.newest else ""
    lines.append(
        cut(line((" rows".ljust(_LABEL), "accent"), f"{count(source.rows)}{doubled}{newest}"), width)
    )
    refused = ", ".join(f"{reason} {count(n)}" for reason, n in sorted(source.refused.items(), key=_most))
    lines += wrapped(line((" refused".ljust(_LABEL), "accent")), refused or "none", width, most=2)
    incident = frame.index.incident.get(key)
    if incident and incident.open:
        lines.append(line((" open".ljust(_LABEL), "accent"), f"{incident.id}: w tells why"))
    return lines


def _most(refused: tuple[str, int]) -> int:
    return -refused[1]


def _source(frame: Frame, key: str, source: SourceHealth, task: TaskView | None) -> Cells:
    broken = task is not None and task.state not in {"running", "stopped"}
    look = TASK.get(task.state, SOURCE[source.state]) if task and broken else SOURCE[source.state]
    incident = frame.index.incident.get(key)
    says = f"{incident.id}, " if incident and incident.open else ""
    says += task.detail if task and broken else source_says(source)
    well = source.state in {"ok", "starting"} and not broken
    cells = (
        line(look),
        line((source.name, "" if well else "strong")),
        line((ago(source.since, frame.now), "dim")),
        line((rate(source), "" if source.rows_per_s else "dim")),
        line((lag(source), "dim")),
        line((says, "dim" if well and not source.refused else "")),
    )
    return key, {"name": key, "state": look.word, "kind": source.kind, "detail": says}, cells, 0


def _task(frame: Frame, task: TaskView) -> Cells:
    look = TASK.get(task.state, Look("?", task.state, "pending"))
    cells = (
        line(look),
        line((task.name, "strong" if task.state not in {"running", "stopped"} else "")),
        line((ago(task.since, frame.now), "dim")),
        line(""),
        line(""),
        line((task.detail or "–", "" if task.detail else "dim")),
    )
    return task.name, {"name": task.name, "state": look.word, "detail": task.detail}, cells, 0


def _feeds(frame: Frame) -> list[Cells]:
    """Shared feeds by the models that stand on them, and their incident."""
    feeds: dict[str, list[str]] = {}
    for name, spec in frame.world.config.models.items():
        for upstream in spec.upstreams:
            feeds.setdefault(upstream, []).append(name)
    rows: list[Cells] = []
    for feed, models in sorted(feeds.items()):
        target = f"upstream:{feed}"
        assert not is_model(target)
        incident = frame.index.incident.get(target)
        broken = incident is not None and incident.open
        look = Look("✖", "in incident", "firing") if broken else Look("●", "feed", "healthy")
        says = f"{incident.id}, " if incident and broken else ""
        cells = (
            line(look),
            line(target),
            line(("–", "dim")),
            line(""),
            line(""),
            line(f"{says}feeds {', '.join(sorted(models))}"),
        )
        rows.append((target, {"name": target, "state": look.word}, cells, 0))
    return rows
