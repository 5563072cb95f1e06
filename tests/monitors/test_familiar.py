"""familiar: rules do what their names promise, warn of what they cost, and never more than notify."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from autoheal.domain.names import Severity, Task, Verdict
from autoheal.monitors import dump_states, load_states
from autoheal.monitors.familiar import FamiliarOptions
from autoheal.monitors.familiar.rates import RATES, UNITS, nearest
from autoheal.monitors.familiar.rules import KINDS, Rule
from autoheal.monitors.view import Series
from autoheal.stats.psi import psi_many
from autoheal.stats.trend import least_squares
from tests.monitors.conftest import Build

ALL = [
    "psi",
    "ks",
    "ddm",
    "adwin",
    "page_hinkley > 20",
    "ewma",
    "linear_trend",
    {"rule": "3_sigma", "of": ["gpu"]},
]


def feed_of(build: Any, *rules: Any, task: Task = Task.CLASSIFICATION, **options: Any) -> Any:
    feed = build.feed("familiar", task=task, rules=list(rules), **options)
    feed.step = 60.0
    feed.since = feed.now
    return feed


def test_a_healthy_model(build: Any) -> None:
    feed = feed_of(build, *ALL)
    build.live(feed, 600)
    found = feed.look()
    said = {path.removeprefix("familiar/"): f.verdict for path, f in found.items()}
    assert said == {
        "psi:x": Verdict.OK, "psi:y": Verdict.OK, "psi:s": Verdict.OK, "ks:x": Verdict.OK, "ks:y": Verdict.OK,
        "ddm:loss": Verdict.OK, "adwin:loss": Verdict.OK, "page_hinkley:loss": Verdict.OK, "ewma:loss": said["ewma:loss"],
        "linear_trend:loss": Verdict.NOT_YET, "3_sigma:gpu": Verdict.NOT_YET, "monitor": Verdict.OK,
    }  # fmt: skip


def test_features_that_moved(build: Any) -> None:
    feed = feed_of(build, "psi > 0.25", {"rule": "ks p < 0.01", "of": ["x"]})
    build.live(feed, 500, shift=1.0)
    found = feed.look()
    for subject in ("psi:x", "ks:x"):
        said = found[f"familiar/{subject}"]
        assert (said.verdict, said.severity, said.level) == (Verdict.BREACH, Severity.WARNING, "notify"), said
        assert said.started_at is not None
    assert found["familiar/psi:y"].verdict is Verdict.OK
    assert "familiar/ks:y" not in found
    began = found["familiar/psi:x"].started_at
    build.live(feed, 100, shift=1.0)
    assert feed.look()["familiar/psi:x"].started_at == began


@pytest.mark.parametrize("rule", ["ddm", "adwin", "page_hinkley > 20"])
def test_losses_that_rose(build: Any, rule: str) -> None:
    feed = feed_of(build, rule, quiet_rows=400)
    name = f"familiar/{rule.split(maxsplit=1)[0]}:loss"
    build.live(feed, 1000)
    assert feed.look()[name].verdict is Verdict.OK
    for _ in range(10):
        build.live(feed, 200, quality=0.45)
        feed.states = load_states(orjson.loads(orjson.dumps(dump_states(feed.states))))
        said = feed.look()[name]
        if said.verdict is Verdict.BREACH:
            break
    assert (said.verdict, said.level) == (Verdict.BREACH, "notify"), said.detail
    while said.verdict is Verdict.BREACH:
        build.live(feed, 200, quality=0.1)
        said = feed.look()[name]
    assert "rows ago" in said.detail


def test_numbers_are_entered_once_however_often_one_looks(build: Any) -> None:
    feed = feed_of(build, "ddm", "adwin", task=Task.REGRESSION, quality=1.0)
    build.live(feed, 300, quality=1.0)
    feed.look()
    before = feed.states
    for _ in range(5):
        feed.look(wait=1)
    assert feed.states == before


def test_a_week_of_rising_losses(build: Any) -> None:
    feed = feed_of(build, "linear_trend p < 0.01")
    feed.step = 86_400 / 200
    for day in range(9):
        build.live(feed, 200, quality=0.1 + 0.04 * day)
        said = feed.look()["familiar/linear_trend:loss"]
    assert said.verdict is Verdict.BREACH, said.detail
    assert "over 7 days" in said.detail


def test_a_sample_far_from_the_others(build: Any) -> None:
    feed = feed_of(build, {"rule": "3_sigma > 4", "of": ["gpu", "nothing"]})
    feed.now = 1_300_000_000.0
    values = build.rng.normal(10, 1, 100)
    for newest, want in ((10.5, Verdict.OK), (20.0, Verdict.BREACH), (math.nan, Verdict.OK)):
        time = feed.now + np.arange(-100, 1) * 15.0
        feed.metrics = {"gpu": Series(time, np.append(values, newest))}
        assert feed.look()["familiar/3_sigma:gpu"].verdict is want
    feed.metrics = {"gpu": Series(feed.now + np.arange(-100, 1) * 15.0, np.full(101, 3.0))}
    assert feed.look()["familiar/3_sigma:gpu"].verdict is Verdict.OK
    found = feed.look(wait=3600)
    assert found["familiar/3_sigma:gpu"].verdict is Verdict.NO_DATA
    assert found["familiar/3_sigma:nothing"].verdict is Verdict.NOT_YET


def test_what_cannot_be_judged(build: Any) -> None:
    feed = feed_of(
        build, {"rule": "psi", "of": ["x", "zzz"]}, {"rule": "ks", "of": ["s"]}, "ddm", "linear_trend"
    )
    found = feed.look()
    assert (found["familiar/psi:zzz"].verdict, "zzz" in found["familiar/psi:zzz"].detail) == (
        Verdict.ERROR,
        True,
    )
    assert found["familiar/ddm:loss"].verdict is Verdict.NOT_YET
    build.live(feed, 1)
    assert "1 of 50 rows" in feed.look()["familiar/psi:x"].detail
    build.live(feed, 200, labels=None)
    found = feed.look()
    assert "too few different values" in found["familiar/ks:s"].detail
    assert feed.look(wait=86_400)["familiar/psi:x"].verdict is Verdict.NO_DATA
    feed.reference = None
    assert "not in the reference" in feed.look()["familiar/psi:x"].detail
    empty = feed_of(build, {"rule": "ks", "of": []})
    empty.spec = type(empty.spec)("m", Task.REGRESSION, monitors=empty.spec.monitors)
    empty.__post_init__()
    assert empty.look()["familiar/rules"].verdict is Verdict.NOT_YET


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("psi", "psi > 0.2"), ("psi>0.1", "psi > 0.1"), ("psi > .3", None), ("ks p<0.01", "ks p < 0.01"),
        ("ks p < 1e-3", "ks p < 0.001"), ("ks", "ks p < 0.05"), ("ks < 0.05", "ks p < 0.05"), ("psi < 0.2", None),
        ("psi p > 0.2", None), ("ddm > 2", "ddm > 2"), ("adwin", "adwin < 0.002"), ("3_sigma", None), ("nonsense", None),
        ("psi 0.2", None), ("psi > 1e9", None), ("ks p < 0", None), ("", None), ("page_hinkley >= 20", "page_hinkley > 20"),
    ],
)  # fmt: skip
def test_how_rules_are_written(text: str, rule: str | None) -> None:
    if rule is None:
        with pytest.raises(ValidationError):
            Rule.model_validate(text)
    else:
        assert str(Rule.model_validate(text)) == rule


@given(st.text(max_size=12))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    with contextlib.suppress(ValidationError):
        assert Rule.model_validate(text).name in KINDS


def test_rules_that_make_no_sense_together_are_refused() -> None:
    for rules in ([], ["psi", "psi > 0.3"], [{"rule": "ddm", "of": ["x"]}], [{"rule": "psi", "on": ["x"]}]):
        with pytest.raises(ValidationError):
            FamiliarOptions.model_validate({"rules": rules})


def test_every_rule_warns_with_a_measured_rate() -> None:
    options = FamiliarOptions.model_validate({"rules": ALL, "window": {"rows": 60}})
    told = list(options.warnings())
    assert [path for path, _, _ in told] == [("rules", i) for i in range(len(ALL))]
    assert told[0][1] == (
        "psi > 0.2 keeps no budget of false alarms; measured at psi > 0.2 on 50 rows: "
        "27.0% of healthy windows alarm, for each feature"
    )
    assert all("measured at" in message and hint for _, message, hint in told)
    assert {name for name, _, _ in RATES} == set(KINDS) == set(UNITS)


def test_the_table_is_what_a_small_simulation_gives() -> None:
    """The quick ones; ``benchmarks/_familiar_rates.py`` measures all of them."""
    rng = np.random.default_rng(1)
    for rows, limit in ((50, 0.2), (100, 0.1)):
        counts = rng.multinomial(rows, [0.1] * 10, 4000)
        rate = float((psi_many(np.full((4000, 10), 10_000.0), counts) > limit).mean())
        assert rate == pytest.approx(nearest(Rule.model_validate(f"psi > {limit}"), rows)[2], abs=0.035)
    daily = rng.binomial(200, 0.1, 2000) / 200
    p = [1.0 - least_squares(np.arange(7.0), daily[i : i + 7]).p_falling() for i in range(1990)]
    assert float(np.mean(np.array(p) < 0.05)) == pytest.approx(RATES["linear_trend", 0.05, 0], abs=0.03)


cell = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.text(max_size=2))


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(list(Task)), st.lists(st.tuples(cell, cell), min_size=1, max_size=6), st.integers(-3, 3)
)
def test_any_rows_have_a_stated_outcome(task: Task, cells: list[Any], days: int) -> None:
    build = Build(np.random.default_rng(4))
    feed = feed_of(build, *ALL, task=task)
    for _ in range(2):
        said, true = build.answers(task, build.rng, 120, 0.3)
        rows = [{"x": cells[i % len(cells)][0], "y": 1.0, "s": cells[i % len(cells)][1]} for i in range(120)]
        feed.add(rows, said, true)
        found = feed.look()
        assert found["familiar/monitor"].verdict is Verdict.OK, found["familiar/monitor"].detail
        feed.now += 86_400 * days
    written = orjson.dumps(dump_states(feed.states))
    assert orjson.loads(orjson.dumps(dump_states(load_states(orjson.loads(written))))) == orjson.loads(
        written
    )
