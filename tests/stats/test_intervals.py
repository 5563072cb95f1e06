"""Intervals: vectors of statistics.md b and e, scipy, exact coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import intervals as iv

HITS = st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_vectors():
    assert iv.beta_mixture(130, 1000) == pytest.approx((0.09447785735, 0.1720779538), rel=1e-9)
    assert iv.beta_mixture(13, 100) == pytest.approx((0.04578216399, 0.2666808455), rel=1e-9)
    assert iv.normal_mixture(0.13, 1000, rho=500) == pytest.approx((0.06073458842, 0.1992654116), rel=1e-9)
    assert iv.clopper_pearson_upper(100, 1000) == pytest.approx(0.116991532096, rel=1e-11)
    assert iv.rule_of_three(10_000) == pytest.approx(0.000299528359777, rel=1e-11)
    assert iv.log_beta_mixture(80, 1000, 0.05) == pytest.approx(4.39872250837, rel=1e-11)


def test_null_rate_takes_the_larger():
    assert iv.null_rate(100, 1000) == pytest.approx(0.116991532096, rel=1e-11)
    assert iv.null_rate(10_000, 100_000) == pytest.approx(0.11, rel=1e-12)
    assert iv.null_rate(0, 10_000) == pytest.approx(iv.rule_of_three(10_000), rel=1e-9)
    assert 0 < iv.null_rate(5, 5) < 1


@given(HITS)
def test_clopper_pearson_is_scipys(hits):
    k, n = hits
    if n == 0:
        assert iv.clopper_pearson(k, n) == (0.0, 1.0)
        return
    want = ss.binomtest(k, n).proportion_ci(0.95, "exact")
    assert iv.clopper_pearson(k, n) == pytest.approx((want.low, want.high), rel=1e-9, abs=1e-12)


@given(HITS, st.floats(0.001, 0.5))
def test_beta_mixture_holds_the_estimate_and_nests(hits, alpha):
    k, n = hits
    low, high = iv.beta_mixture(k, n, alpha)
    assert 0 <= low <= (k / n if n else 0.5) <= high <= 1
    wide = iv.beta_mixture(k, n, alpha / 2)
    assert wide[0] <= low
    assert high <= wide[1]


@pytest.mark.parametrize("p", [0.02, 0.3])
def test_mixture_is_an_e_value_by_exact_summation(p):
    n = 60
    k = np.arange(n + 1)
    e = [math.exp(iv.log_beta_mixture(int(i), n, p)) for i in k]
    assert float(ss.binom.pmf(k, n, p) @ e) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: iv.clopper_pearson(3, 2),
        lambda: iv.clopper_pearson(-1, 2),
        lambda: iv.clopper_pearson(1, 2, 0.0),
        lambda: iv.clopper_pearson(1, 2, 1.0),
        lambda: iv.clopper_pearson(math.nan, 2),
        lambda: iv.rule_of_three(0),
        lambda: iv.null_rate(0, 0),
        lambda: iv.null_rate(0, 1, tolerance=-1),
        lambda: iv.beta_mixture(1, math.inf),
        lambda: iv.normal_mixture(math.nan, 10),
        lambda: iv.normal_mixture(0.1, 0),
        lambda: iv.normal_mixture(0.1, 10, rho=0),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
