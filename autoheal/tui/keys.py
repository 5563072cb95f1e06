"""Every key of the dashboard, as data: the source of bindings, footer, help page and ``docs/dashboard.md``. Pure.

``when`` says where a key works: on every screen, in lists, or on one screen by its name. A key is named here once and
bound by ``id``, so that a key map can change it without touching a screen.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """``keys`` as Textual names them; ``shown`` is how footer and help write them; ``footer`` 0 keeps it out of the
    footer, else the lowest stand first."""

    id: str
    keys: str
    action: str
    shown: str
    label: str
    help: str
    group: str
    footer: int = 0


EVERYWHERE, LISTS, PAGES, WHY, EVENTS, ONE_MODEL = "everywhere", "lists", "pages", "why", "events", "model"

KEYS = (
    Key("list.down", "j,down", "down", "j/k", "move", "next row, and back with k (or the arrows)", LISTS, 1),
    Key("list.up", "k,up", "up", "k", "up", "row before", LISTS),
    Key("list.top", "g,home", "top", "g", "top", "first row; follow the most pressing again", LISTS),
    Key("list.end", "G,end", "end", "G", "end", "last row; in events: follow what comes", LISTS),
    Key("list.page_down", "ctrl+d,pagedown", "page_down", "ctrl+d", "page", "half a page down", LISTS),
    Key("list.page_up", "ctrl+u,pageup", "page_up", "ctrl+u", "page", "half a page up", LISTS),
    Key("list.open", "enter,l,right", "open", "⏎", "open", "open what the cursor is on", LISTS, 2),
    Key(
        "list.filter",
        "slash",
        "filter",
        "/",
        "filter",
        "narrow: text !text state:firing owner:risk-ml",
        LISTS,
        5,
    ),
    Key(
        "page.down",
        "j,down",
        "down",
        "j/k",
        "scroll",
        "a line down, and back with k (or the arrows)",
        PAGES,
        1,
    ),
    Key("page.up", "k,up", "up", "k", "up", "a line up", PAGES),
    Key("page.top", "g,home", "top", "g", "top", "the beginning", PAGES),
    Key("page.end", "G,end", "end", "G", "end", "the end", PAGES),
    Key(
        "page.page_down", "ctrl+d,pagedown,space", "page_down", "ctrl+d", "page", "half a page down", PAGES, 2
    ),
    Key("page.page_up", "ctrl+u,pageup", "page_up", "ctrl+u", "page", "half a page up", PAGES),
    Key(
        "app.why",
        "w",
        "why",
        "w",
        "why",
        "why was this done, or not done: the tree of reasons",
        EVERYWHERE,
        3,
    ),
    Key("app.back", "escape,h,left", "back", "esc", "back", "back; clears the filter first", EVERYWHERE, 6),
    Key("app.last", "minus", "app.last_view", "-", "last view", "the main view before this one", EVERYWHERE),
    Key("app.times", "t", "app.times", "t", "times", "times in UTC, local, or relative", EVERYWHERE, 7),
    Key(
        "app.fleet", "1", "app.view('Fleet')", "1", "fleet", "all models, the most pressing first", EVERYWHERE
    ),
    Key(
        "app.incidents",
        "2",
        "app.view('Incidents')",
        "2",
        "incidents",
        "incidents, the open ones first",
        EVERYWHERE,
    ),
    Key("app.runs", "3", "app.view('Runs')", "3", "runs", "runs of runbooks, step by step", EVERYWHERE),
    Key("app.events", "4", "app.view('Events')", "4", "events", "the event log as it grows", EVERYWHERE),
    Key(
        "app.policies",
        "5",
        "app.view('Policies')",
        "5",
        "policies",
        "policies: mode, ladder, file and line",
        EVERYWHERE,
    ),
    Key(
        "app.sources",
        "6",
        "app.view('Sources')",
        "6",
        "sources",
        "telemetry sources and tasks: state, rate, lag",
        EVERYWHERE,
    ),
    Key("why.next", "n", "next_decision", "n/N", "decision", "the next decision, and back with N", WHY, 2),
    Key("why.previous", "N", "previous_decision", "N", "decision", "the decision before", WHY),
    Key(
        "model.sample",
        "s",
        "sample",
        "s",
        "rows",
        "a sample of raw rows, without sensitive features",
        ONE_MODEL,
        4,
    ),
    Key("events.all", "a", "all", "a", "all/notable", "also show every finding, fact and tick", EVENTS, 4),
    Key("app.help", "question_mark", "app.help", "?", "help", "this page", EVERYWHERE, 8),
    Key("app.quit", "q,ctrl+c", "app.quit", "q", "quit", "leave; the daemon goes on healing", EVERYWHERE, 9),
)


def keys_of(*groups: str) -> tuple[Key, ...]:
    """The keys that work where these groups apply."""
    return tuple(key for key in KEYS if key.group in groups)


def in_footer(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    return tuple(sorted((key for key in keys if key.footer), key=lambda key: key.footer))
