"""Trends against scipy, and series that are odd."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import assume, given
from hypothesis import strategies as st

from autoheal.stats import trend as tr

SERIES = st.lists(st.floats(-1000, 1000).map(lambda v: round(v, 3)), min_size=3, max_size=40)


@given(SERIES)
def test_least_squares_is_scipys(y):
    assume(np.std(y) > 1e-3)
    x = np.arange(len(y))
    got, want = tr.least_squares(x, y), ss.linregress(x, y)
    assume(want.stderr > 1e-6)
    assert got.slope == pytest.approx(want.slope, rel=1e-7, abs=1e-9)
    assert got.intercept == pytest.approx(want.intercept, rel=1e-7, abs=1e-7)
    assert got.stderr == pytest.approx(want.stderr, rel=1e-6)
    assert got.p == pytest.approx(want.pvalue, rel=1e-6, abs=1e-9)
    assert tr.theil_sen(x, y) == pytest.approx(ss.theilslopes(y, x).slope, abs=1e-9)
    s, p = tr.mann_kendall(y)
    assert -(len(y) ** 2) <= s <= len(y) ** 2
    assert 0 <= p <= 1


def test_a_falling_accuracy():
    days = np.arange(7.0)
    fall = tr.least_squares(days, 0.9 - 0.01 * days + 0.001 * np.array([1, -1, 1, -1, 1, -1, 1]))
    assert fall.slope == pytest.approx(-0.01, abs=1e-3)
    assert fall.p_falling() < 1e-5
    assert tr.mann_kendall(0.9 - 0.01 * days) == (-21.0, pytest.approx(0.00267, abs=1e-4))


def test_perfect_lines_and_constants():
    line = tr.least_squares([0, 1, 2], [0.1, 0.2, 0.3])
    assert (line.slope, line.p) == (pytest.approx(0.1), 0.0)
    flat = tr.least_squares([0, 1, 2], [0.1, 0.1, 0.1])
    assert (flat.slope, flat.p, flat.p_falling()) == (0.0, 1.0, 0.5)
    assert tr.least_squares([0, 1, 2], [0, 0, 0]).p == 1.0
    assert tr.theil_sen([0, 1, 2], [5, 5, 5]) == 0.0
    assert tr.mann_kendall([5, 5, 5]) == (0.0, 1.0)


def test_one_wild_day_does_not_move_the_robust_slope():
    y = np.arange(9.0)
    y[4] = 1e6
    assert tr.theil_sen(np.arange(9.0), y) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: tr.least_squares([0, 1], [1, 2]),
        lambda: tr.least_squares([0, 1, 2], [1, 2]),
        lambda: tr.least_squares([1, 1, 1], [1, 2, 3]),
        lambda: tr.least_squares([0, 1, 2], [1, math.nan, 3]),
        lambda: tr.theil_sen([0, 1, math.inf], [1, 2, 3]),
        lambda: tr.theil_sen(np.arange(2001.0), np.zeros(2001)),
        lambda: tr.mann_kendall([1]),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
