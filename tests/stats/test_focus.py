"""FOCuS: the vector of the profile, and the statistic of every row against all starts by brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import xlog1py, xlogy

from autoheal.stats.changepoint import glr_profile
from autoheal.stats.focus import Focus, trace

BITS = [float(c) for c in "00100000110111"]


def likelihood(family: str, x: np.ndarray, level: float | None) -> float:
    if not len(x):
        return 0.0
    at = float(x.mean()) if level is None else level
    if family == "gaussian":
        return -float(((x - at) ** 2).sum()) / 2.0
    return float((xlogy(x, at) + xlog1py(1 - x, -at)).sum())


def brute(family: str, x: np.ndarray, before: float | None, side: str) -> float:
    best = 0.0
    for start in range(len(x)):
        old, new = x[:start], x[start:]
        if not len(old) and before is None:
            continue
        level = float(old.mean()) if before is None else before
        rise = float(new.mean()) - level
        if (side == "up" and rise <= 0) or (side == "down" and rise >= 0):
            continue
        with_change = likelihood(family, old, before) + likelihood(family, new, None)
        best = max(best, with_change - likelihood(family, x, before))
    return best


def test_the_vector():
    state, ratios = trace(Focus("bernoulli", 0.1, side="up"), BITS)
    assert state.best.log_ratio == pytest.approx(8.914918727, rel=1e-9)
    assert state.best.start == 8
    assert ratios[-1] == pytest.approx(glr_profile(0.1, np.ones(14), BITS).max())


@given(
    st.lists(st.sampled_from([0.0, 1.0, 0.25]), min_size=1, max_size=14),
    st.sampled_from([None, 0.1, 0.5]),
    st.sampled_from(["up", "down", "both"]),
)
def test_rates_are_exact(values, before, side):
    _, ratios = trace(Focus("bernoulli", before, side=side), values)
    for end in range(1, len(values) + 1):
        assert ratios[end - 1] == pytest.approx(
            brute("bernoulli", np.array(values[:end]), before, side), abs=1e-9
        )


@given(
    st.lists(st.integers(-8, 8).map(lambda i: i / 2), min_size=1, max_size=14),
    st.sampled_from([None, 0.0, 1.5]),
    st.sampled_from(["up", "down", "both"]),
)
def test_means_are_exact(values, before, side):
    _, ratios = trace(Focus("gaussian", before, side=side), values)
    for end in range(1, len(values) + 1):
        assert ratios[end - 1] == pytest.approx(
            brute("gaussian", np.array(values[:end]), before, side), abs=1e-8
        )


def test_few_corners_and_the_right_start():
    rng = np.random.default_rng(5)
    x = rng.standard_normal(4000)
    x[3000:] += 1.0
    state, ratios = trace(Focus("gaussian"), x)
    assert len(state.rising) + len(state.falling) < 60
    assert abs(state.best.start - 3000) < 20
    assert ratios[2999] < 12 < ratios[-1]
    known, _ = trace(Focus("gaussian", 0.0, side="up"), x)
    assert len(known.rising) <= len(state.rising)
    assert abs(known.best.start - 3000) < 20


def test_a_scale_is_a_unit():
    x = [0.0, 1.0, 4.0, 5.0, 4.5]
    _, ones = trace(Focus("gaussian", 0.0), x)
    _, tens = trace(Focus("gaussian", 0.0, sd=10.0), [10 * v for v in x])
    assert tens == pytest.approx(ones)


@pytest.mark.parametrize(
    "call",
    [
        lambda: Focus("bernoulli").update(1.5),
        lambda: Focus().update(math.nan),
        lambda: Focus("bernoulli", 0.0),
        lambda: Focus("gaussian", math.inf),
        lambda: Focus(sd=0.0),
        lambda: trace(Focus(), [[1.0]]),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
