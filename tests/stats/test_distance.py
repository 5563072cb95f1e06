"""Distances: vectors of statistics.md a, scipy, bounds from bins, hostile input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import distance as ds

R = [100] * 10
C = [50, 60, 70, 80, 90, 110, 120, 130, 140, 150]
SAMPLE = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 2.0]), min_size=1, max_size=30)
TALLIES = st.integers(1, 8).flatmap(
    lambda b: st.tuples(*[st.lists(st.integers(0, 50), min_size=b, max_size=b).filter(any) for _ in range(2)])
)


def test_vectors():
    assert ds.js_divergence(R, C) == pytest.approx(0.0209764258559, rel=1e-11)
    assert ds.js_distance(R, C) == pytest.approx(0.144832406097, rel=1e-11)
    assert ds.hellinger(R, C) == pytest.approx(0.120886648434, rel=1e-11)
    assert ds.total_variation(R, C) == pytest.approx(0.15, rel=1e-12)
    a, b = [1, 2, 3, 4, 5], [2, 3, 4, 5, 9]
    assert ds.wasserstein(a, b) == pytest.approx(1.6, rel=1e-12)
    assert ds.wasserstein(a, b) / ds.iqr(a) == pytest.approx(0.8, rel=1e-12)
    assert ds.ks_statistic(a, b) == pytest.approx(0.2, rel=1e-12)


@given(SAMPLE, SAMPLE)
def test_samples_agree_with_scipy(a, b):
    assert ds.wasserstein(a, b) == pytest.approx(ss.wasserstein_distance(a, b), rel=1e-6, abs=1e-6)
    naive = max(abs(np.mean(np.array(a) <= t) - np.mean(np.array(b) <= t)) for t in a + b)
    assert ds.ks_statistic(a, b) == pytest.approx(naive, abs=1e-12)
    assert 0 <= ds.ks_p_value(ds.ks_statistic(a, b), len(a), len(b)) <= 1


def test_ks_p_is_kolmogorovs():
    assert ds.ks_p_value(0.1, 200, 200) == pytest.approx(ss.kstwobign.sf(1.0), rel=1e-9)
    assert ds.ks_p_value(0.0, 5, 5) == 1.0


@given(TALLIES)
def test_tallies_stay_in_their_ranges(sides):
    r, c = sides
    for distance in (ds.js_divergence, ds.js_distance, ds.hellinger, ds.total_variation):
        assert 0 <= distance(r, c) <= 1 + 1e-12
        assert distance(r, r) == pytest.approx(0, abs=1e-7)
        assert distance(r, c) == pytest.approx(distance(c, r), abs=1e-12)
    assert ds.hellinger(r, c) ** 2 <= ds.total_variation(r, c) + 1e-12


@given(SAMPLE, SAMPLE)
def test_ks_lies_between_its_bounds_from_bins(a, b):
    cuts = np.array([-1e3, -1.0, 0.5, 1.0, 1e3])
    r, c = (np.bincount(np.searchsorted(cuts, x), minlength=6) for x in (a, b))
    low, high = ds.ks_bounds(r, c)
    exact = ds.ks_statistic(a, b)
    assert low - 1e-12 <= exact <= high + 1e-12
    assert high - low <= max(np.max(r / len(a)), np.max(c / len(b))) + 1e-12


def test_wasserstein_from_bins():
    edges = np.linspace(0, 1, 201)
    rng = np.random.default_rng(3)
    x, y = rng.beta(2, 3, 4000), rng.beta(3, 2, 4000)
    tally = [np.histogram(v, edges)[0] for v in (x, y)]
    assert ds.wasserstein_from_counts(edges, *tally) == pytest.approx(ds.wasserstein(x, y), abs=1e-3)
    # 0 at both ends and equal masses swapped between two bins: one triangle of height 1 over both bins.
    assert ds.wasserstein_from_counts([0, 1, 2], [1, 0], [0, 1]) == pytest.approx(1.0)
    assert ds.wasserstein_from_counts([0, 1, 2, 3], [2, 0, 2], [1, 3, 0]) == pytest.approx(
        0.25 * 0.5 + (0.25**2 + 0.5**2) / 1.5 + 0.5 * 0.5
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: ds.wasserstein([], [1]),
        lambda: ds.wasserstein([1, math.nan], [1]),
        lambda: ds.ks_statistic([1], [math.inf]),
        lambda: ds.ks_statistic([[1]], [1]),
        lambda: ds.js_divergence([0, 0], [1, 0]),
        lambda: ds.hellinger([1, 2], [1, 2, 3]),
        lambda: ds.total_variation([1, -1], [1, 1]),
        lambda: ds.wasserstein_from_counts([0, 1], [1, 1], [1, 1]),
        lambda: ds.wasserstein_from_counts([0, 0, 1], [1, 1], [1, 1]),
        lambda: ds.ks_p_value(1.5, 1, 1),
        lambda: ds.ks_p_value(0.5, 0, 1),
        lambda: ds.iqr([]),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
