"""SPRT, mSPRT, safe 2x2 and Mann-Whitney: vectors of statistics.md h."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import mann_whitney as mw
from autoheal.stats import sprt, two_by_two
from autoheal.stats.canary import Outcome

SAMPLE = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=30)


def test_wald():
    bar = sprt.boundaries(0.05, 0.10)
    assert (bar.upper, bar.lower) == pytest.approx((2.890371758, -2.251291799), rel=1e-9)
    length = sprt.lengths(0.05, 0.10)
    assert length.equal == pytest.approx(3.988417, rel=1e-6)
    assert length.worse == pytest.approx(4.752411, rel=1e-6)
    assert length.fixed == pytest.approx(8.563847, rel=1e-6)
    assert length.equal / length.fixed == pytest.approx(0.466, abs=5e-4)
    assert length.worse / length.fixed == pytest.approx(0.555, abs=5e-4)


def test_the_sign_positive_evidence_rolls_back():
    llr = sprt.gaussian_log_ratio([1, 0, 0, -1, 1], 0.01, 0.1)
    assert llr == pytest.approx(0.975, rel=1e-12)
    bar = sprt.boundaries()
    assert bar.decide(2.89) is Outcome.CONTINUE
    assert bar.decide(2.9) is Outcome.ROLLBACK
    assert bar.decide(-2.26) is Outcome.PROMOTE
    assert bar.decide(sprt.gaussian_log_ratio(np.ones(50), 0.02, 0.42)) is Outcome.ROLLBACK


def test_discordant_and_mixture():
    assert sprt.discordant_log_ratio(10, 5, 0.6) == pytest.approx(10 * math.log(1.2) + 5 * math.log(0.8))
    assert sprt.mixture_log_ratio(1000, 0.03, 0.18, 0.0004) == pytest.approx(1.13910230471, rel=1e-11)
    assert sprt.mixture_log_ratio(99, 5.0, 0.18, 0.0004) == 0.0


def test_safe_two_by_two():
    state = two_by_two.TwoByTwo()
    for control, treated in ((0, 1), (0, 1), (0, 0), (1, 1), (0, 1)):
        state = two_by_two.observe(state, 1, control, 1, treated)
    assert state.log_e == pytest.approx(-0.675538377931, rel=1e-11)
    assert two_by_two.observe(state, 0, 0, 0, 0) == state


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.5, 0.9])
def test_safe_two_by_two_expectation_by_exact_summation(rate):
    """Three blocks of 2 against 1 row, all outcomes."""
    total = 0.0
    for blocks in itertools.product(range(3), range(2), repeat=3):
        state, chance = two_by_two.TwoByTwo(), 1.0
        for ka, kb in zip(blocks[::2], blocks[1::2], strict=True):
            state = two_by_two.observe(state, 2, ka, 1, kb)
            chance *= math.comb(2, ka) * rate ** (ka + kb) * (1 - rate) ** (3 - ka - kb)
        total += chance * math.exp(state.log_e)
    assert total <= 1 + 1e-12


def test_mann_whitney():
    x, y = [1.1, 2.2, 3.3, 4.4, 5.5], [2, 3.1, 4.2, 6, 7.5]
    test = mw.rank_test(x, y)
    assert test.u == 16
    assert test.p == pytest.approx(0.530869304, rel=1e-9)
    assert mw.shift(x, y) == pytest.approx(0.9, rel=1e-9)


@given(SAMPLE, SAMPLE)
def test_mann_whitney_is_scipys(x, y):
    test = mw.rank_test(x, y)
    if len(set(x + y)) == 1:
        assert test.p == 1.0
        return
    want = ss.mannwhitneyu(y, x, method="asymptotic")
    assert test.u == want.statistic
    assert test.p == pytest.approx(want.pvalue, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda: sprt.boundaries(0.5, 0.5),
        lambda: sprt.boundaries(0.0, 0.5),
        lambda: sprt.boundaries().decide(math.nan),
        lambda: sprt.gaussian_log_ratio([math.nan], 0.1, 0.1),
        lambda: sprt.gaussian_log_ratio([0.1], 0.1, 0.0),
        lambda: sprt.discordant_log_ratio(1, 1, 0.5),
        lambda: sprt.discordant_log_ratio(-1, 1, 0.6),
        lambda: sprt.mixture_log_ratio(100, math.inf, 1, 1),
        lambda: sprt.mixture_log_ratio(100, 0, 0, 1),
        lambda: two_by_two.observe(two_by_two.TwoByTwo(), 1, 2, 1, 0),
        lambda: mw.rank_test([], [1]),
        lambda: mw.shift([1], [math.inf]),
        lambda: mw.shift(np.zeros(3000), np.zeros(3000)),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
