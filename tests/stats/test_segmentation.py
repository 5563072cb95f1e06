"""PELT against all segmentations by brute force; E-Divisive against its definition, and on changes it should see."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import xlog1py, xlogy

from autoheal.stats import e_divisive, pelt


def cost_of(family: str, x: np.ndarray) -> float:
    if family == "gaussian":
        return float(((x - x.mean()) ** 2).sum())
    return -2.0 * float((xlogy(x, x.mean()) + xlog1py(1 - x, -x.mean())).sum())


def brute(family: str, x: np.ndarray, penalty: float, least: int) -> float:
    best = math.inf
    for many in range(len(x)):
        for changes in itertools.combinations(range(1, len(x)), many):
            edges = [0, *changes, len(x)]
            parts = [x[a:b] for a, b in itertools.pairwise(edges)]
            if min(len(p) for p in parts) >= least:
                best = min(best, sum(cost_of(family, p) for p in parts) + penalty * many)
    return best


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=4, max_size=9), st.floats(0.2, 6.0), st.integers(1, 3))
def test_pelt_is_the_best_of_all_segmentations(values, penalty, least):
    x = np.array(values)
    if least > len(x):
        return
    got = pelt.segment(x, "bernoulli", penalty=penalty, least_rows=least)
    assert got.cost == pytest.approx(brute("bernoulli", x, penalty, least), abs=1e-7)
    scaled = (x - x.mean()) / pelt.noise(x)
    mean = pelt.segment(x, "gaussian", penalty=penalty, least_rows=least)
    assert mean.cost == pytest.approx(brute("gaussian", scaled, penalty, least), abs=1e-7)
    edges = [0, *mean.changes, len(x)]
    assert mean.levels == pytest.approx([x[a:b].mean() for a, b in itertools.pairwise(edges)])


def test_pelt_finds_steps_and_nothing_else():
    rng = np.random.default_rng(2)
    x = rng.standard_normal(1500) * 3.0
    assert pelt.segment(x).changes == ()
    x[500:] += 5.0
    x[1100:] -= 9.0
    first, second = pelt.segment(x).changes
    assert abs(first - 500) <= 5
    assert abs(second - 1100) <= 3
    bits = (rng.random(1200) < np.where(np.arange(1200) < 700, 0.1, 0.4)).astype(float)
    (only,) = pelt.segment(bits, "bernoulli").changes
    assert abs(only - 700) <= 30
    assert pelt.segment(np.ones(50)).changes == ()
    assert pelt.segment([1.0]).levels == (1.0,)


@given(st.lists(st.integers(-3, 3), min_size=4, max_size=12), st.integers(2, 10))
def test_energy_is_its_definition(values, split):
    x = np.array(values, dtype=float)
    split = min(split, len(x) - 2)
    a, b = x[:split], x[split:]
    m, n = len(a), len(b)

    def pairs(z):
        return sum(abs(p - q) for p, q in itertools.combinations(z, 2)) / math.comb(len(z), 2)

    across = sum(abs(p - q) for p in a for q in b) / (m * n)
    want = m * n / (m + n) * (2 * across - pairs(a) - pairs(b))
    assert e_divisive.energy(a, b) == pytest.approx(want, abs=1e-9)


def test_e_divisive_sees_level_spread_and_correlation():
    rng = np.random.default_rng(3)
    x = rng.standard_normal(240)
    assert e_divisive.divide(x, np.random.default_rng(0), shuffles=99) == ()
    spread = x * np.where(np.arange(240) < 120, 1.0, 4.0)
    (change,) = e_divisive.divide(spread, np.random.default_rng(0), shuffles=99)
    assert abs(change.start - 120) <= 15
    assert change.p <= 0.05
    pair = rng.standard_normal((300, 2))
    pair[150:, 1] = pair[150:, 0]
    (change,) = e_divisive.divide(pair, np.random.default_rng(0), shuffles=59)
    assert abs(change.start - 150) <= 40


def test_two_changes_come_in_order_and_are_repeatable():
    rng = np.random.default_rng(4)
    x = rng.standard_normal(300) + np.repeat([0.0, 3.0, -1.0], 100)
    got = e_divisive.divide(x, np.random.default_rng(1), shuffles=59)
    assert [round(c.start / 100) for c in got] == [1, 2]
    assert got == e_divisive.divide(x, np.random.default_rng(1), shuffles=59)


@pytest.mark.parametrize(
    "call",
    [
        lambda: pelt.segment([]),
        lambda: pelt.segment([math.nan]),
        lambda: pelt.segment([2.0], "bernoulli"),
        lambda: pelt.segment([1.0, 2.0], penalty=0.0),
        lambda: pelt.segment([1.0], least_rows=0),
        lambda: pelt.segment(np.zeros(pelt.MOST_ROWS + 1)),
        lambda: e_divisive.divide([], np.random.default_rng(0)),
        lambda: e_divisive.divide([1.0, math.inf], np.random.default_rng(0)),
        lambda: e_divisive.divide([1.0, 2.0], np.random.default_rng(0), exponent=2.0),
        lambda: e_divisive.divide([1.0, 2.0], np.random.default_rng(0), least_rows=1),
        lambda: e_divisive.divide(np.zeros(2001), np.random.default_rng(0)),
        lambda: e_divisive.energy([1.0], [1.0, 2.0]),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
