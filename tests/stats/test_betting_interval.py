"""Betting intervals: coverage at every moment, shorter where the variance is small, monotone in time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import betting_interval as bi
from autoheal.stats.intervals import beta_mixture, normal_mixture

VALUES = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0]), max_size=30)


@given(VALUES, st.sampled_from([0.01, 0.05, 0.3]))
def test_limits_are_ordered_and_in_range(values, alpha):
    for low, high in (bi.sequence(values, alpha), bi.interval(values, alpha)):
        assert 0.0 <= low <= high <= 1.0


@given(VALUES)
def test_mirrored_values_mirror_the_limits(values):
    low, high = bi.sequence(values)
    other = bi.sequence([1.0 - v for v in values])
    assert (1.0 - other[1], 1.0 - other[0]) == pytest.approx((low, high), abs=1e-6)


@given(VALUES, st.floats(0.05, 0.95))
def test_what_is_rich_is_excluded(values, mean):
    if bi.log_capital(values, mean) > math.log(2 / 0.05) + 1e-6:
        low, high = bi.sequence(values)
        assert not low + 1e-9 < mean < high - 1e-9


def test_the_sequence_covers_at_all_times():
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(120):
        x = rng.beta(0.6, 3.4, 400)  # mean 0.15, far from 0/1
        low, high = bi.sequence(x)  # its running limits hold every earlier moment too
        missed += not low <= 0.15 <= high
    assert missed <= 6


def test_small_variance_is_short():
    rng = np.random.default_rng(2)
    x = 0.3 + 0.05 * rng.standard_normal(1000).clip(-3, 3)
    low, high = bi.sequence(x)
    plain = normal_mixture(float(x.mean()), x.size)
    assert high - low < 0.35 * (plain[1] - plain[0])
    bits = (rng.random(1000) < 0.13).astype(float)
    low, high = bi.sequence(bits)
    other = beta_mixture(float(bits.sum()), 1000)
    assert high - low < 1.3 * (other[1] - other[0])
    tight = bi.interval(bits)
    assert tight[1] - tight[0] < high - low


def test_the_band_narrows():
    x = np.random.default_rng(3).random(600)
    got = bi.band(x, [0, 50, 200, 600])
    assert got[0].tolist() == [0.0, 1.0]
    assert (np.diff(got[:, 0]) >= -1e-9).all()
    assert (np.diff(got[:, 1]) <= 1e-9).all()
    assert tuple(got[-1]) == pytest.approx(bi.sequence(x))


@pytest.mark.parametrize(
    "call",
    [
        lambda: bi.sequence([1.2]),
        lambda: bi.sequence([math.nan]),
        lambda: bi.interval([0.5], 0.0),
        lambda: bi.log_capital([0.5], 1.0),
        lambda: bi.band([0.5], [2]),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
