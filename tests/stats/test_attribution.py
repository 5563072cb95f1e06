"""Blame and choice: vectors of statistics.md j, l and m."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc, betaincinv

from autoheal.stats import action_choice as ch
from autoheal.stats import attribution as at
from autoheal.stats import merge as me

SEGMENTS = st.lists(
    st.tuples(st.integers(1, 50), st.floats(0, 1), st.integers(1, 50), st.floats(0, 1)),
    min_size=1,
    max_size=6,
)


def test_attribution_vectors():
    scores = at.feature_scores([0.3, 0.05, 0.6], [0.5, 0.3, 0.01])
    assert scores == pytest.approx([0.7854020491, 0.1923834263, 0.02221452459], rel=1e-9)
    assert at.feature_scores([0.0, 0.0]).tolist() == [0, 0]
    assert at.feature_scores([0.04, 0.16]) == pytest.approx([1 / 3, 2 / 3])
    split = at.segments([0.5, 0.3, 0.2], [0.05, 0.10, 0.20], [0.4, 0.2, 0.4], [0.05, 0.16, 0.22])
    assert split.total == pytest.approx(0.045, rel=1e-9)
    assert split.mix == pytest.approx([0.0068, -0.0012, 0.0184], rel=1e-9)
    assert split.rate == pytest.approx([0, 0.015, 0.006], abs=1e-12)


def test_shapley_vector():
    v = {(0,): 0.04, (1,): 0.01, (2,): 0.0, (0, 1): 0.08, (0, 2): 0.04, (1, 2): 0.01, (0, 1, 2): 0.08}
    values = at.shapley({frozenset(k): x for k, x in v.items()}, 3)
    assert values == pytest.approx([0.055, 0.025, 0], abs=1e-12)


@given(SEGMENTS)
def test_the_split_has_no_residual(rows):
    split = at.segments(*(np.array(column) for column in zip(*rows, strict=True)))
    assert split.mix.sum() + split.rate.sum() == pytest.approx(split.total, abs=1e-12)


def test_a_segment_that_appears_moves_the_mix_only():
    split = at.segments([10, 0], [0.1, 0.0], [5, 5], [0.1, 0.5])
    assert split.rate.tolist() == [0, 0]
    assert split.mix.sum() == pytest.approx(0.2)


def test_choice_vectors():
    nine, two = ch.Record(9, 3), ch.Record(2, 1)
    assert nine.mean == pytest.approx(0.75)
    assert nine.quantile() == pytest.approx(0.5848430683, rel=1e-9)
    assert two.mean == pytest.approx(0.6666666667, rel=1e-9)
    assert two.quantile() == pytest.approx(0.316227766, rel=1e-9)
    assert ch.chance_better(nine, two) == pytest.approx(0.576923076923, rel=1e-9)
    options = [ch.Option("rollback", 0.6, 1), ch.Option("restart", 0.2, 0.1), ch.Option("retrain", 0.8, 10)]
    best = ch.order(options)
    assert [o.name for o in best] == ["restart", "rollback", "retrain"]
    assert ch.expected_cost(best) == pytest.approx(4.1)
    assert ch.expected_cost(options) == pytest.approx(4.24)
    costs = [ch.expected_cost(p) for p in itertools.permutations(options)]
    assert min(costs) == pytest.approx(4.1)
    assert max(costs) == pytest.approx(10.208)


def test_gate_vector():
    gate = ch.gate(60, 25, 1000, least_gain=0.01)
    assert gate.allowed
    assert gate.gain == pytest.approx(0.035)
    assert gate.log_e == pytest.approx(5.667352597, rel=1e-9)
    assert not ch.gate(60, 25, 1000, least_gain=0.05).allowed
    assert not ch.gate(60, 25, 1000, least_gain=0.01, candidates=20).allowed
    assert "not proved" in ch.gate(5, 5, 100, least_gain=0.01).reason


def test_records():
    start = ch.prior(0.5)
    assert (start.alpha, start.beta) == (1, 1)
    once = ch.learn(start, start, healed=True)
    assert (once.alpha, once.beta) == (2, 1)
    twice = ch.learn(once, start, healed=False)
    assert (twice.alpha, twice.beta) == pytest.approx((1.98, 2))
    assert ch.must_ask(start)
    assert not ch.must_ask(ch.Record(9, 3))


def test_large_records_do_not_overflow():
    assert ch.chance_better(ch.Record(1e5, 1e5), ch.Record(1e5, 1e5)) == pytest.approx(0.5, abs=1e-6)
    assert ch.chance_better(ch.Record(2000, 100), ch.Record(100, 2000)) == pytest.approx(1)
    assert ch.chance_better(ch.Record(0.5, 0.5), ch.Record(0.5, 0.5)) == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize(
    "four",
    [(11, 0.5, 43, 0.5), (0.2, 1.8, 1.9, 0.1), (3.3, 2.1, 1.2, 4.4), (0.5, 0.5, 3, 0.7), (30, 1.5, 0.3, 9)],
)
def test_chance_better_against_fine_sums(four):
    a, b, c, d = four
    u = (np.arange(200_000) + 0.5) / 200_000
    want = betainc(c, d, betaincinv(a, b, u)).mean()
    assert ch.chance_better(ch.Record(a, b), ch.Record(c, d)) == pytest.approx(want, abs=1e-3)


def test_merge_vectors():
    assert me.psi_error_bound(10, 0.0133) == pytest.approx(0.0708, abs=1e-4)
    assert me.psi_error_bound(10, 0.0035) == pytest.approx(0.0049, abs=1e-4)
    assert me.dkw(10_000) == pytest.approx(0.0136, abs=5e-5)
    assert me.add_counts([[1, 2], [3, 4], np.array([0, 1])]).tolist() == [4, 7]


@pytest.mark.parametrize(
    "call",
    [
        lambda: at.segments([1], [0.1], [1, 2], [0.1, 0.2]),
        lambda: at.segments([0], [0.1], [1], [0.1]),
        lambda: at.segments([1], [math.nan], [1], [0.1]),
        lambda: at.feature_scores([-1.0]),
        lambda: at.feature_scores([1.0], [1.0, 2.0]),
        lambda: at.shapley({}, 2),
        lambda: at.shapley({}, 13),
        lambda: ch.gate(5, 6, 10, least_gain=0.1),
        lambda: ch.gate(-1, 0, 10, least_gain=0.1),
        lambda: ch.Record(0, 1),
        lambda: ch.Option("x", 1.1, 1),
        lambda: ch.Option("x", 0.5, 0),
        lambda: ch.prior(1.0),
        lambda: me.add_counts([]),
        lambda: me.add_counts([[1], [1, 2]]),
        lambda: me.add_counts([[1.5]]),
        lambda: me.add_counts([[-1]]),
        lambda: me.psi_error_bound(1, 0.1),
        lambda: me.dkw(0),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
