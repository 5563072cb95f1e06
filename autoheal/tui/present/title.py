"""The head of every screen: who, how the link does, how the fleet does, what time; the views; a rule. Pure.

The link comes first because everything below it is only as true as the link is live. Paused and stale push the counts
aside: they are what an operator must not miss.
"""

from __future__ import annotations

from collections import Counter

from autoheal.domain.names import RunState
from autoheal.tui.glyphs import MODEL, ModelLook
from autoheal.tui.present.line import Line, Span, beside, join, line, rule, width_of, wrapped
from autoheal.tui.present.numbers import count
from autoheal.tui.present.standing import look_of, models_of
from autoheal.tui.present.text import clean, cut
from autoheal.tui.present.times import rounded, wall_clock
from autoheal.tui.viewstate import Frame

#: key, full name, short name
VIEWS = (
    ("1", "Fleet", "Fleet"),
    ("2", "Incidents", "Inc"),
    ("3", "Runs", "Runs"),
    ("4", "Events", "Events"),
    ("5", "Policies", "Pol"),
    ("6", "Sources", "Src"),
)
_WIDE = 100
#: Between two heartbeats silence is normal and not worth a repaint.
_QUIET = 6.0


def head(frame: Frame, width: int, view: str, crumbs: tuple[str, ...] = ()) -> list[Line]:
    """Three lines: title, views (or where one is), rule."""
    second = crumb_line(frame, width, crumbs) if crumbs else tab_line(frame, width, view)
    return [title_line(frame, width), second, rule(width)]


def title_line(frame: Frame, width: int) -> Line:
    gap = "   " if width >= _WIDE else "  "
    name = clean(frame.snapshot.name) if frame.snapshot else "…"
    left = line((" autoheal", "brand"), gap[1:] if width < _WIDE else "  ", (cut(name, width // 5), "strong"))
    middle = _middle(frame, width)
    right = line((f"{wall_clock(frame)} ", "dim" if not frame.link.fresh else ""))
    return beside((*left, Span(gap * (2 if width >= _WIDE else 1)), *middle), right, width)


def _middle(frame: Frame, width: int) -> Line:
    link = frame.link
    if frame.snapshot is None:
        return _nothing_yet(frame)
    if not link.fresh:
        return _old(frame)
    live = line(("● live", "good"), f" +{rounded(link.silent)}" if link.silent > _QUIET else "")
    pause = frame.world.pauses.get("fleet")
    if pause is not None:
        text = f'‖ PAUSED by {pause.actor} {pause.since:%H:%M} "{pause.reason}"'
        return (*line((cut(text, width // 2), "needs")), *line("  decides, does not act"))
    gap = "      " if width >= _WIDE else "  "
    only = line("  ", ("READ ONLY", "dim")) if frame.snapshot.readonly and width >= 120 else ()
    return (*live, *only, Span(gap), *_counts(frame, width), *_needs(frame, gap))


def _nothing_yet(frame: Frame) -> Line:
    if frame.link.word == "retrying":
        return line(
            ("○ no daemon", "pending"), f", next try in {rounded(frame.link.retry_in)}{_tries(frame)}"
        )
    return line(("○ connecting", "dim"))


def _old(frame: Frame) -> Line:
    assert frame.snapshot is not None
    age = f"○ stale {rounded(frame.link.silent)}"
    again = (
        f", reconnecting in {rounded(frame.link.retry_in)}{_tries(frame)}"
        if frame.link.word == "retrying"
        else ", the daemon is silent"
    )
    as_of = frame.snapshot.now.astimezone(frame.zone)
    return line((age, "pending"), again, ("   ", ""), (f"data as of {as_of:%H:%M:%S}", "dim"))


def _tries(frame: Frame) -> str:
    return f" (try {frame.link.attempt})" if frame.link.attempt else ""


def _counts(frame: Frame, width: int) -> Line:
    """How many models stand how, by glyph; what nobody is in is left out."""
    looks = Counter(look_of(frame, state) for state in models_of(frame.world).values())
    groups: dict[tuple[str, str], int] = {}
    for look in ModelLook:
        if looks[look] and look is not ModelLook.NEEDS_YOU:
            group = (MODEL[look].glyph, MODEL[look].role)
            groups[group] = groups.get(group, 0) + looks[look]
    ill = looks[ModelLook.NEEDS_YOU]
    if ill:
        groups = {("✖", "firing"): ill + groups.pop(("✖", "firing"), 0), **groups}
    space = " " if width >= _WIDE else ""
    cells = [line((f"{glyph}{space}{number}", role)) for (glyph, role), number in groups.items()]
    return join(cells, "  " if width >= _WIDE else " ")


def _needs(frame: Frame, gap: str) -> Line:
    asked = sum(a.state == "open" for a in frame.world.approvals.values())
    alone = sum(i.open and (i.state == "escalated" or i.needs_person) for i in frame.world.incidents.values())
    if not asked + alone:
        return ()
    return (Span(gap), *line((f" needs you {asked + alone} ", "needs")))


def apology(frame: Frame, width: int) -> list[Line]:
    """What keeps the screen empty while no daemon was heard yet."""
    if frame.snapshot is not None or not frame.link.detail:
        return []
    return [
        (),
        *wrapped(line(" "), frame.link.detail, width, role="pending"),
        *wrapped(
            line(" "), "Is it running (autoheal run)? This screen goes on by itself when it answers.", width
        ),
    ]


def tab_line(frame: Frame, width: int, view: str) -> Line:
    numbers = {
        "Incidents": sum(i.open for i in frame.world.incidents.values()),
        "Runs": sum(r.state is RunState.RUNNING for r in frame.world.runs.values()),
    }
    cells = []
    for key, name, short in VIEWS:
        shown = name if width >= _WIDE else short
        number = numbers.get(name, 0)
        text = f"{key} {shown}" + (f"·{number}" if number else "")
        cells.append(line((text, "tab" if name == view else "dim")))
    left = (Span(" "), *join(cells, "   " if width >= _WIDE else "  "))
    return beside(left, _mode(frame, width), width)


def _mode(frame: Frame, width: int) -> Line:
    if frame.snapshot is None:
        return ()
    world = frame.world
    parts: list[str | tuple[str, str]] = []
    if world.config_problems:
        parts += [("config refused", "firing"), "  "]
    if world.warm_until is not None and world.warm_until > frame.now:
        parts += [("warming up", "pending"), "  "]
    mode = str(frame.snapshot.mode)
    colon = ":" if width >= _WIDE else ""
    return line(*parts, (f"mode{colon} ", "dim"), (mode, "" if mode == "act" else "pending"), " ")


def crumb_line(frame: Frame, width: int, crumbs: tuple[str, ...]) -> Line:
    """``Fleet ▸ fraud-scorer ▸ why``: the last one is where one is."""
    cells = [line((c, "dim")) for c in crumbs[:-1]] + [line((crumbs[-1], "strong"))]
    shown = (Span(" "), *join(cells, " ▸ "))
    right = _mode(frame, width)
    return beside(shown, right if width_of(shown) + width_of(right) < width else (), width)


def counted(
    shown: int, total: int, place: int, text: str, width: int, *, sorted_by: str, below: int = 0
) -> Line:
    """Under a list: how many of how many, in which order, the filter, and where the cursor is."""
    parts: list[str | tuple[str, str]] = [(f" {count(shown)} of {count(total)}", "dim")]
    parts.append((f" · {sorted_by}", "dim"))
    parts.append(
        (f" · filter: {text}", "accent") if text else (" · filter: none" if width >= _WIDE else "", "dim")
    )
    if below:
        parts.append((f"   ▲ {below} more pressing", "pending"))
    right = line((f"row {place}/{shown} " if shown else "", "dim"))
    return beside(line(*parts), right, width)
