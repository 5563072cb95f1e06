"""Burn rates and habits: vectors of statistics.md g, exact expectation of ranks, detection in a small simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autoheal.stats import burn_rate as br
from autoheal.stats import eprocess as ep
from autoheal.stats import seasonal as se
from autoheal.stats.surprise import Past

MAYBE = st.floats(0, 1e9) | st.just(math.nan)


def test_burn_vectors():
    assert [rule.threshold(0.999) for rule in br.RULES] == pytest.approx([0.0144, 0.006, 0.003, 0.001])
    assert [rule.budget_spent() for rule in br.RULES] == pytest.approx([0.02, 0.05, 0.10, 0.10])
    assert br.RULES[0].seconds_of_outage(0.999) == pytest.approx(51.84)


def windows(share, total=100_000):
    hours = {h for rule in br.RULES for h in (rule.long_hours, rule.short_hours)}
    return {h: br.Count(total, total * share) for h in hours}


def test_burn_rules():
    assert br.worst(br.read(windows(0.0005), 0.999)) is None
    assert br.worst(br.read(windows(0.002), 0.999)) is br.Urgency.TICKET
    assert br.worst(br.read(windows(0.02), 0.999)) is br.Urgency.PAGE
    # Nine bad events of little traffic, and a short window that has recovered.
    assert br.worst(br.read(windows(0.9, total=10), 0.999)) is None
    healed = windows(0.02) | {rule.short_hours: br.Count(1000, 0) for rule in br.RULES}
    assert br.worst(br.read(healed, 0.999)) is None
    assert br.burn(br.Count(0, 0), 0.99) == 0.0


def test_robust_vectors():
    history = [100, 102, 98, 101, 300, 99]
    habit = se.robust(history)
    assert habit.median == 100.5
    assert habit.mad == pytest.approx(2.2239, rel=1e-12)
    assert habit.z(110) == pytest.approx(4.27177481, rel=1e-8)
    assert se.rank_p(110, history) == pytest.approx(0.285714285714, rel=1e-11)
    assert se.robust([1, 1]).z(1) == 0
    assert se.robust([1, 1]).z(0) == -math.inf


@pytest.mark.parametrize("n", [1, 20, 672])
def test_rank_e_values_expect_at_most_one_by_exact_summation(n):
    e = np.exp([se.log_e_rank((1 + i) / (1 + n)) for i in range(n + 1)])
    assert (e.mean(axis=0) <= 1).all()


def test_baseline_needs_three_weeks_then_falls_back_to_the_hour_of_day():
    weeks = np.full((8, 168), np.nan)
    weeks[-3:, 0] = [10, 30, 20]
    weeks[-1, 24:120:24] = 7  # other weekdays at midnight, once each
    usual = se.baseline(weeks)
    assert usual[0] == 20
    assert usual[24] == 7
    assert np.isnan(usual[1])
    assert np.isnan(usual[120])
    ten = np.tile(np.arange(10.0)[:, None], (1, 168))
    assert (se.baseline(ten) == 5.5).all()


def test_log_ratio():
    got = se.log_ratio([0, 10, math.nan, 5, 1e308], [10, 10, 10, 0, 1e-300])
    assert got[:2].tolist() == [-20, 0]
    assert np.isnan(got[2:4]).all()
    assert got[4] == pytest.approx(608 * math.log(10))


def test_whitening_removes_the_memory():
    rng = np.random.default_rng(2)
    r = np.zeros(4000)
    for t in range(1, r.size):
        r[t] = 0.8 * r[t - 1] + rng.normal()
    phi = se.lag_one(r)
    assert phi == pytest.approx(0.8, abs=0.07)
    assert se.lag_one(se.whiten(r, phi)) < 0.1
    assert se.lag_one([1.0, 2.0]) == 0.0
    assert se.lag_one(np.ones(100)) == 0.0
    v = se.whiten([1.0, math.nan, 2.0, 3.0], 0.6)
    assert v[0] == pytest.approx(0.8)
    assert np.isnan(v[1])
    assert v[2:] == pytest.approx([1.6, 1.8])


def test_a_rise_of_a_third_is_found_within_three_days_and_silence_before():
    rng = np.random.default_rng(9)
    r = rng.standard_t(5, 672 + 240) * 0.05
    r[-72:] += math.log(1.3)
    phi = se.lag_one(r[:672])
    v, state, alarms = se.whiten(r, phi), ep.fresh(), []
    for t in range(672, r.size):
        state = ep.update(state, se.log_e_rank(se.rank_p(v[t], v[t - 672 : t])), 1 / 24)
        if ep.log_m(state) >= math.log(60):
            alarms.append(t)
    assert 672 + 168 <= alarms[0] < 672 + 240


@given(arrays(np.float64, (3, 168), elements=MAYBE))
def test_any_history_gives_a_habit_or_nan(weeks):
    usual = se.baseline(weeks)
    assert usual.shape == (168,)
    r = se.log_ratio(weeks[0], usual)
    phi = se.lag_one(r)
    assert 0 <= phi <= 0.95
    v = se.whiten(r, phi)
    assert (np.isnan(v) == np.isnan(r)).all()
    for value in v[~np.isnan(v)][:3]:
        assert np.isfinite(se.log_e_rank(se.rank_p(float(value), v))).all()


def test_empty_histories():
    assert np.isnan(se.baseline(np.empty((0, 168)))).all()
    assert se.whiten([], 0.5).size == 0
    assert se.rank_p(1.0, []) == 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: br.burn(br.Count(1, 2), 0.99),
        lambda: br.burn(br.Count(1, 0), 1.0),
        lambda: br.read({}, 0.99),
        lambda: se.robust([]),
        lambda: se.baseline(np.zeros((2, 24))),
        lambda: se.baseline(np.full((2, 168), -1.0)),
        lambda: se.log_ratio([-1.0], [1.0]),
        lambda: se.log_ratio([math.inf], [1.0]),
        lambda: se.whiten([1.0], 0.99),
        lambda: se.rank_p(math.nan, [1.0]),
        lambda: se.rank_p(1.0, [math.inf]),
        lambda: se.log_e_rank(0.0),
        lambda: se.log_e_rank(1.1),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()


@given(arrays(np.float64, (5, 168), elements=st.floats(0, 1e6) | st.just(math.nan)), st.integers(0, 167))
def test_one_hour_of_the_baseline_is_the_baseline(weeks, hour):
    assert se.usual_at(weeks, hour) == pytest.approx(se.baseline(weeks)[hour], nan_ok=True)


@given(st.lists(st.floats(0, 1e6), max_size=60), st.integers(0, 60))
def test_a_past_that_was_written_down_goes_on_as_it_would_have(sizes, cut):
    whole, first = Past(0.1), Past(0.1)
    said = [whole.enter(size) for size in sizes]
    for size in sizes[:cut]:
        first.enter(size)
    again = Past.of(first.sizes, 0.1)
    assert [again.enter(size) for size in sizes[cut:]] == said[cut:]
