"""Properties of what is printed, whatever the facts are."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from autoheal.domain.events import Entry, Event, Ticked
from autoheal.domain.names import ModelName
from autoheal.domain.records import ModelState
from autoheal.domain.world import World
from autoheal.tui.keys import KEYS
from autoheal.tui.present.chart import chart_lines
from autoheal.tui.present.detail import detail_lines
from autoheal.tui.present.events import event_table, tail_lines
from autoheal.tui.present.filter import keep, parse
from autoheal.tui.present.fleet import arrange, fleet_table
from autoheal.tui.present.footer import foot, help_lines
from autoheal.tui.present.line import beside, cut, fit, in_ascii, line, text_of, width_of, wrapped
from autoheal.tui.present.lists import incident_table, policy_table, run_table
from autoheal.tui.present.model import model_lines
from autoheal.tui.present.numbers import count, evidence, short
from autoheal.tui.present.pane import pane_lines
from autoheal.tui.present.policy import policy_lines
from autoheal.tui.present.run import run_lines
from autoheal.tui.present.sources import source_table
from autoheal.tui.present.telling import TELL, tell
from autoheal.tui.present.text import span
from autoheal.tui.present.times import ago
from autoheal.tui.present.title import head
from autoheal.tui.sparkline import sparkline, with_gaps
from tests.tui.sight import look, of_world, recording

names = st.text(min_size=0, max_size=40)
moments = st.datetimes(timezones=st.just(UTC))
numbers = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(names, max_size=5), st.integers(1, 60))
def test_a_fitted_line_has_exactly_the_columns(parts: list[str], width: int):
    content = line(*parts)
    assert width_of(fit(content, width)) == width
    assert width_of(cut(content, width)) <= width
    assert width_of(beside(content, line("right"), width)) == width
    assert width_of(in_ascii(fit(content, width))) == width
    assert all(c.isprintable() for c in text_of(content))


@given(names, st.text(max_size=200), st.integers(20, 80), st.integers(0, 4))
def test_wrapped_text_stays_in_its_columns(head_text: str, body: str, width: int, most: int):
    rows = wrapped(cut(line(head_text), 9), body, width, most=most)
    assert all(width_of(row) <= width for row in rows)
    assert not most or len(rows) <= most


@given(st.lists(numbers, max_size=200), st.integers(0, 60))
def test_a_sparkline_is_exactly_as_wide_as_asked(values: list[float | None], width: int):
    drawn = sparkline(values, width)
    assert cell_len(drawn) == len(drawn) == width


@given(st.lists(numbers, max_size=60), st.none() | st.floats(-1e9, 1e9), st.integers(10, 140))
def test_a_chart_stays_in_its_columns(values: list[float | None], baseline: float | None, width: int):
    finite = [v if v is None or abs(v) < 1e12 else None for v in values]
    assert all(width_of(row) <= width for row in chart_lines(finite, baseline, width))


def test_gaps_are_drawn_as_gaps():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    at = [start + timedelta(minutes=m) for m in (0, 1, 2, 6, 7)]
    values = with_gaps([(t, 1.0 + n) for n, t in enumerate(at)], start + timedelta(minutes=10))
    assert values == [1.0, 2.0, 3.0, None, None, None, 4.0, 5.0, None, None]
    assert sparkline(values, 10).count("·") == 5
    assert sparkline([None, None], 4) == "  ··"
    assert sparkline([], 3) == "   "


@given(moments, moments)
def test_ages_are_never_negative(then: datetime, now: datetime):
    assert not ago(then, now).startswith("-")
    assert not span(now - then).startswith("-")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.712, ".71"), (0.999, "1.0"), (4.92, "4.9"), (38.2, "38"), (1234.0, "1.2k"), (-0.12, "−.12"), (0.0, ".00"),
     (None, "–"), (float("nan"), "–"), (999.6, "1.0k"), (2.5e6, "2.5M"), (-0.001, ".00")],
)  # fmt: skip
def test_numbers_in_few_columns(value: float | None, text: str):
    assert short(value) == text


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_numbers_stay_short(value: float):
    assert len(short(value)) <= 6
    assert len(evidence(value)) <= 9


def test_counts_and_evidence():
    assert (count(41200), evidence(7.52), evidence(30.0), evidence(0.5), evidence(None)) == (
        "41 200",
        "e=1 845",
        "e=10^13",
        "e=1.65",
        "",
    )


@dataclass(frozen=True, slots=True)
class FromTheFuture:
    """An event that a newer daemon might send."""

    model: str = "fraud"
    kind: str = "model_teleported"


@given(st.sampled_from([FromTheFuture(), object(), None, *[replace(FromTheFuture(), kind=k) for k in TELL]]))
def test_unknown_or_misshapen_events_are_told_by_name(event: object):
    assert text_of(line(*tell(event, World())))


def test_every_kind_of_event_has_words():
    kinds = {member.__dataclass_fields__["kind"].default for member in Event.__origin__.__args__}  # type: ignore[attr-defined]
    assert kinds == set(TELL)


def test_every_event_of_a_night_is_told():
    for entry in recording().entries:
        assert tell(entry.event, recording().snapshot.world)


def everything(width: int, **options: object) -> list[str]:
    """Every presenter's lines in one width."""
    frame = look(**options)  # type: ignore[arg-type]
    tables = [
        fleet_table(frame, width),
        incident_table(frame, width),
        run_table(frame, width),
        policy_table(frame, width),
        source_table(frame, width),
        event_table(frame, width, everything=True),
    ]
    lines = [row.content for table in tables for row in table.rows]
    assert [text_of(c) for c in lines if width_of(c) > width - 3] == []
    lines += [table.head for table in tables] + head(frame, width, "Fleet") + foot(KEYS, width)
    lines += tail_lines(frame, width, 50) + help_lines(width, "here")
    for name in frame.world.models:
        lines += model_lines(frame, name, width) + detail_lines(frame, name, width, 30)
        lines += pane_lines(frame, name, width, 12)
    for run in frame.world.runs:
        lines += run_lines(frame, run, width)
    for policy in frame.world.config.policies:
        lines += policy_lines(frame, policy.name, width)
    assert [text_of(content) for content in lines if width_of(content) > width] == []
    return [text_of(content) for content in lines]


@pytest.mark.parametrize("width", [80, 99, 100, 140, 200])
@pytest.mark.parametrize("times", ["utc", "local", "relative"])
def test_nothing_is_wider_than_the_screen(width: int, times: str):
    assert everything(width, times=times, later=3000.0)


def test_names_from_outside_cannot_steer_the_terminal():
    evil = "ev\x1b[31mil\n[bold red]x[/]\u202e名前の長いモデル🚀" * 2
    world = recording().snapshot.world
    state = ModelState(ModelName(evil))
    strange = replace(world, models={**world.models, state.name: state}, config_problems=(evil,))
    for width in (80, 100):
        shown = everything(width, record=of_world(strange, name=evil))
        assert all(c.isprintable() for text in shown for c in text)
        assert any("[bold" in text for text in shown)


def test_no_models_and_many():
    assert fleet_table(look(of_world(World())), 80).rows == ()
    assert detail_lines(look(of_world(World())), None, 80, 9) == []
    many = {ModelName(f"model-{n:03}"): ModelState(ModelName(f"model-{n:03}")) for n in range(200)}
    table = fleet_table(look(of_world(replace(World(), models=many))), 100)
    assert len(table.rows) == 200
    assert "no data" in text_of(table.rows[0].content)


def test_the_worst_stands_first():
    rows = fleet_table(look(), 100).rows
    assert [row.key for row in rows][:4] == ["fraud-scorer", "eta-ranker", "ads-ctr", "demand-fc"]
    assert [row.rank for row in rows] == sorted(row.rank for row in rows)


@given(st.integers(0, 9), st.integers(0, 12))
def test_the_row_under_the_cursor_does_not_move(index: int, at: int):
    rows = fleet_table(look(), 100).rows
    key = rows[index].key
    placed, below = arrange(rows, key, at)
    assert [row.key for row in placed].index(key) == min(at, len(rows) - 1)
    assert sorted(row.key for row in placed) == sorted(row.key for row in rows)
    assert 0 <= below < len(rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fraud", ["fraud-scorer"]),
        ("FRAUD-", ["fraud-scorer"]),
        ("owner:risk-ml", ["fraud-scorer", "credit-limit"]),
        ("owner:risk-ml !fraud", ["credit-limit"]),
        ("state:firing", ["fraud-scorer", "eta-ranker", "price-elast"]),
        ("state:no", ["churn-xgb"]),
        ("tier:critical state:healthy", ["credit-limit", "search-ltr"]),
        ("!tier:standard fr", ["fraud-scorer"]),
        ("nobody", []),
    ],
)
def test_filters(text: str, expected: list[str]):
    assert [row.key for row in keep(fleet_table(look(), 100).rows, text)] == expected


@given(st.text(max_size=40))
def test_any_filter_may_be_typed(text: str):
    rows = fleet_table(look(), 100).rows
    assert all(row in rows for row in keep(rows, text))


def test_half_typed_filters_hide_nothing():
    assert parse("!") == parse("state:") == parse("") == ()


def test_a_tail_longer_than_its_room_shows_the_newest():
    frame = look()
    shown = [text_of(content) for content in tail_lines(frame, 60, 3)]
    assert len(shown) == 3
    assert "labels" in shown[-1]
    quiet = replace(frame, tail=(Entry(1, frame.now, Ticked()),))
    assert tail_lines(quiet, 60, 3) == []


def test_presenters_do_not_load_textual():
    code = (
        "import pkgutil, importlib, sys, autoheal.tui.present as p\n"
        "[importlib.import_module(f'autoheal.tui.present.{m.name}') for m in pkgutil.iter_modules(p.__path__)]\n"
        "sys.exit('textual' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
