"""The fleet on one page of text: what ``autoheal status`` prints. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from autoheal.api.wire import Snapshot, newest_incident
from autoheal.domain.finding import Finding
from autoheal.domain.names import Health, ModelName, RunState, StepState
from autoheal.domain.records import ModelState, Pause
from autoheal.domain.world import World
from autoheal.tui.glyphs import SOURCE
from autoheal.tui.present.source_words import STATES, lag, rate, source_says
from autoheal.tui.present.text import clean, cut, number, pad, plain, span, stamp, wrap

MARKS = {
    Health.FAILED: "✖",
    Health.UNHEALTHY: "✖",
    Health.DEGRADING: "▲",
    Health.UNKNOWN: "?",
    Health.HEALTHY: "●",
}
Columns = tuple[tuple[str, int], ...]
_WORST_FIRST = tuple(MARKS)
_COLUMNS = (("STATE", 10), ("MODEL", 20), ("CHAMPION", 10), ("PERFORMANCE", 14), ("DRIFT", 18))
_NARROW = (("STATE", 9), ("MODEL", 15), ("CHAMPION", 8), ("PERFORMANCE", 11), ("DRIFT", 13))
_WIDE = 100


def status_lines(snapshot: Snapshot, width: int = 100, ascii: bool = False) -> list[str]:  # noqa: A002  the option's word
    """Title, warnings, a line a model (the worst first), what is not running."""
    world, columns = snapshot.world, _COLUMNS if width >= _WIDE else _NARROW
    lines = [*_title(snapshot, width), *_warnings(world, width), "", _heading(columns)]
    states = sorted(_states(world), key=lambda m: (_WORST_FIRST.index(m.health), m.name))
    lines += [_row(world, state, columns) for state in states] or [
        "  no models: name some in the configuration"
    ]
    lines += _sources(snapshot)
    return [plain(cut(line, width).rstrip(), ascii) for line in lines]


def _sources(snapshot: Snapshot) -> list[str]:
    """A line a source, what is wrong first."""
    if not snapshot.sources:
        return []
    found = sorted(snapshot.sources, key=lambda s: (STATES.index(s.state), s.name))
    columns = (("STATE", 9), ("SOURCE", 20), ("ROWS/S", 7), ("LAG", 5))
    head = "  " + " ".join(pad(name, size) for name, size in columns) + " "
    rows = [(SOURCE[s.state], s.name, rate(s), lag(s), source_says(s)) for s in found]
    return [
        "",
        head,
        *(
            f"{look.glyph} "
            + " ".join(
                pad(t, n) for t, (_, n) in zip((look.word, clean(name), per, age), columns, strict=True)
            )
            + f" {clean(says)}"
            for look, name, per, age, says in rows
        ),
    ]


def _states(world: World) -> list[ModelState]:
    """Every configured model, seen or not, and every seen one."""
    known = {name: ModelState(name) for name in world.config.models} | dict(world.models)
    return list(known.values())


def _title(snapshot: Snapshot, width: int) -> list[str]:
    world = snapshot.world
    counts = Counter(MARKS[m.health] for m in _states(world))
    health = "  ".join(f"{glyph} {counts[glyph]}" for glyph in dict.fromkeys(MARKS.values()) if counts[glyph])
    incidents = sum(i.open for i in world.incidents.values())
    questions = sum(a.state == "open" for a in world.approvals.values())
    text = (
        f"autoheal {clean(snapshot.name)}  {health}  incidents {incidents}  approvals {questions}  "
        f"mode {snapshot.mode}  {stamp(snapshot.now)} UTC  seq {snapshot.seq}"
    )
    return wrap(text, width)


def _warnings(world: World, width: int) -> list[str]:
    texts = [_pause(p) for p in world.pauses.values()]
    texts += [f"configuration refused, the last good one stays: {p}" for p in world.config_problems]
    broken = [t for t in world.tasks.values() if t.state not in {"running", "stopped"}]
    texts += [f"{t.name} is {t.state.replace('_', ' ')}: {t.detail}" for t in broken]
    return [row for text in texts for row in wrap("! " + clean(text), width)]


def _pause(pause: Pause) -> str:
    until = f" until {stamp(pause.until)} UTC" if pause.until else ""
    return f"PAUSED {pause.scope} by {pause.actor}{until}: {pause.reason} (decides, does not act)"


def _heading(columns: Columns) -> str:
    return "  " + " ".join(pad(name, size) for name, size in columns) + " INCIDENT"


def _row(world: World, state: ModelState, columns: Columns) -> str:
    mine = [f for f in world.findings.values() if f.target == state.name]
    mark = "‖" if "fleet" in world.pauses or state.name in world.pauses else MARKS[state.health]
    cells = (
        str(state.health),
        clean(state.name),
        clean(state.champion) or "–",
        _performance(mine),
        _drift(mine),
    )
    sized = " ".join(pad(text, size) for text, (_, size) in zip(cells, columns, strict=True))
    return f"{mark} {sized} {_incident(world, state.name)}"


def _performance(findings: Iterable[Finding]) -> str:
    mine = sorted(
        (f for f in findings if f.monitor == "performance"), key=lambda f: (-f.severity.rank, f.subject)
    )
    return f"{clean(mine[0].subject)} {number(mine[0].value)}" if mine else "–"


def _drift(findings: Iterable[Finding]) -> str:
    mine = [f for f in findings if f.monitor == "data_drift" and f.effect is not None]
    worst = max(mine, key=lambda f: f.effect or 0.0, default=None)
    return f"{number(worst.effect)} {clean(worst.subject)}" if worst else "–"


def _incident(world: World, model: ModelName) -> str:
    incident = newest_incident(world, model)
    if incident is None or not incident.open:
        return "–"
    text = f"{incident.id} {incident.state}"
    run = next(
        (r for r in world.runs.values() if r.incident == incident.id and r.state is RunState.RUNNING), None
    )
    if run is None:
        return text
    done = sum(s.state in {StepState.DONE, StepState.SKIPPED} for s in run.steps)
    now = world.at or run.started_at
    return f"{text}, {clean(run.runbook.name)} {done}/{len(run.steps)} {span(now - run.started_at)}"
