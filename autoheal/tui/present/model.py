"""One model as a page: how it stands, its performance drawn large, every finding, its versions and incidents. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from autoheal.domain.finding import Finding
from autoheal.domain.names import Verdict
from autoheal.domain.records import ModelState
from autoheal.tui.glyphs import INCIDENT, MODEL, VERDICT
from autoheal.tui.present.chart import chart_lines
from autoheal.tui.present.columns import Column, layout, row
from autoheal.tui.present.detail import MONITORS
from autoheal.tui.present.fleet import worst
from autoheal.tui.present.history import history, spark
from autoheal.tui.present.incidents import what
from autoheal.tui.present.line import Line, Span, cut, line, rule
from autoheal.tui.present.numbers import count, evidence, exact
from autoheal.tui.present.standing import look_of, models_of
from autoheal.tui.present.text import clean, span
from autoheal.tui.present.times import clock, spans_days
from autoheal.tui.sparkline import with_gaps
from autoheal.tui.viewstate import Frame


def model_lines(frame: Frame, name: str, width: int) -> list[Line]:
    """Everything about the model; one sentence when it is not known."""
    state = models_of(frame.world).get(name)
    if state is None:
        return [line((f" no model is called {name}", "dim"))]
    return [
        cut(content, width)
        for content in (
            *_head(frame, state),
            *_performance(frame, state, width),
            *_findings(frame, state, width),
            *_versions(frame, state, width),
            *_incidents(frame, state, width),
        )
    ]


def _head(frame: Frame, state: ModelState) -> list[Line]:
    look = MODEL[look_of(frame, state)]
    spec = frame.world.config.models.get(state.name)
    since = f" {span(frame.now - state.health_since)}" if state.health_since else ""
    about = [str(spec.task), f"owner {spec.owner}" if spec.owner else ""] if spec else ["not configured"]
    about += [f"{k}={v}" for k, v in spec.labels.items()] if spec else []
    return [
        line(
            " ",
            (f"{look.text}{since}", look.role),
            f"   champion {state.champion or '–'}",
            (f"   {'   '.join(a for a in about if a)}", "dim"),
        )
    ]


def _performance(frame: Frame, state: ModelState, width: int) -> list[Line]:
    """The performance metric drawn large; nothing while there is no history of it."""
    finding = worst(frame.index.findings.get(state.name, ()), "performance")
    points = history(frame, finding) if finding else ()
    if finding is None or len(points) < 2:
        return []
    spec = frame.world.config.models.get(state.name)
    lag = f", labels lag {span(spec.label_lag)}" if spec and spec.label_lag else ""
    past = span(points[-1][0] - points[0][0])
    drawn = chart_lines(with_gaps(points, frame.now), finding.reference, width)
    return [rule(width, (1, f"{clean(finding.subject)}, last {past}{lag}")), *drawn] if drawn else []


def _findings(frame: Frame, state: ModelState, width: int) -> list[Line]:
    found = frame.index.findings.get(state.name, ())
    if not found:
        return [rule(width, (1, "findings")), line((" no monitor has said anything yet", "dim"))]
    found = tuple(f for f in found if not f.of_itself or f.verdict is not Verdict.OK)
    order = {name: n for n, name in enumerate(MONITORS)}
    mine = sorted(
        found,
        key=lambda f: (
            order.get(f.monitor, len(order)),
            f.monitor,
            f.verdict is not Verdict.BREACH,
            -f.severity.rank,
            -(f.effect or 0),
            f.subject,
        ),
    )
    return [rule(width, (1, "findings")), *_rows(frame, mine, width)]


_COLUMNS = (
    Column("MONITOR", 13),
    Column("FINDING", 12, 24),
    Column("STATE", 8),
    Column("VALUE", 7, right=True),
    Column("REF", 7, right=True),
    Column("EVIDENCE", 8, right=True),
    Column("ROWS", 6, right=True),
    Column("HISTORY", 8, 30),
)


def _rows(frame: Frame, mine: Sequence[Finding], width: int) -> list[Line]:
    sizes = layout(_COLUMNS, width - 4)
    titles = (Span("   "), *row([line((c.title, "head")) for c in _COLUMNS], _COLUMNS, sizes))
    lines: list[Line] = [titles]
    before = ""
    for finding in mine:
        look = VERDICT[finding.verdict]
        role = look.role if finding.verdict is not Verdict.OK else ""
        points = history(frame, finding)
        monitor = finding.monitor if finding.monitor != before else ""
        before = finding.monitor
        cells = (
            line((monitor.replace("_", " "), "dim")),
            line((clean(finding.subject), role)),
            line((look.word, look.role)),
            line(exact(finding.value)),
            line((exact(finding.reference), "dim")),
            line((evidence(finding.evidence) or "–", "dim")),
            line((count(finding.n), "dim")),
            spark(points, sizes[-1], frame.now, None, "") if len(points) > 2 else (),
        )
        lines.append((*line((f" {look.glyph} ", look.role)), *row(cells, _COLUMNS, sizes)))
        if finding.detail and finding.verdict is not Verdict.OK:
            lines.append(line((f"     {finding.detail}", "dim")))
    return lines


def _versions(frame: Frame, state: ModelState, width: int) -> list[Line]:
    facts = state.facts
    since = f"since {clock(state.champion_since, frame, dated=True)}" if state.champion_since else ""
    by = f" by {state.promoted_by}" if state.promoted_by else ""
    lines = [
        rule(width, (1, "versions")),
        line(f"   {state.champion or '–'}", ("   champion  ", "dim"), f"{since}{by}"),
    ]
    if state.previous:
        lines.append(line(f"   {state.previous}", ("   before it", "dim")))
    if facts is not None:
        good = facts.known_good or "none"
        stand_in = facts.fallback or "none"
        lines.append(
            line(
                ("   known good ", "dim"),
                good,
                ("   fallback ", "dim"),
                stand_in,
                (" serves now" if facts.on_fallback else "", "healing"),
            )
        )
        lines.append(
            line(
                (
                    f"   {count(facts.matured_labels)} labels for the champion, {count(facts.fresh_labels)} fresh for a retraining",
                    "dim",
                )
            )
        )
    return lines


def _incidents(frame: Frame, state: ModelState, width: int) -> list[Line]:
    mine = [i for i in frame.world.incidents.values() if state.name in i.models or i.target == state.name]
    mine.sort(key=lambda i: (i.open, i.opened_at), reverse=True)
    lines = [rule(width, (1, "incidents"))]
    if not mine:
        return [*lines, line(("   none so far", "dim"))]
    dated = spans_days([i.opened_at for i in mine], frame.now)
    for incident in mine:
        look = INCIDENT[incident.state]
        lasted = span((incident.closed_at or frame.now) - incident.opened_at)
        lines.append(
            line(
                (f" {look.glyph} {incident.id} {look.word:<10}", look.role),
                (f" {clock(incident.opened_at, frame, dated=dated)}", "dim"),
                f"  {lasted:<8} {str(incident.cause).replace('_', ' ')}: {what(incident)}",
            )
        )
    return lines
