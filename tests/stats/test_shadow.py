"""Discordant pairs: vectors of statistics.md i and l, exact expectation, scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import shadow as sh

COUNT = st.integers(0, 200)


def test_vectors():
    exact, mid, chi2 = sh.mcnemar(25, 10)
    assert exact == pytest.approx(0.0166738478, rel=1e-8)
    assert mid == pytest.approx(0.01133098418, rel=1e-9)
    assert chi2 == pytest.approx(0.01796047753, rel=1e-9)
    assert sh.log_e_different(25, 10) == pytest.approx(1.30903869319, rel=1e-11)
    assert sh.log_e_worse(25, 10) == pytest.approx(1.9970949522, rel=1e-9)
    assert sh.log_e_worse(60, 25) == pytest.approx(5.667352597, rel=1e-9)
    assert sh.kappa([[40, 8], [7, 45]]) == pytest.approx(0.699278267843, rel=1e-11)


@pytest.mark.parametrize("p", [0.1, 0.4, 0.5])
def test_expectation_at_most_one_by_exact_summation(p):
    n = 80
    e = [math.exp(sh.log_e_worse(b, n - b)) for b in range(n + 1)]
    total = float(ss.binom.pmf(np.arange(n + 1), n, p) @ e)
    assert total == pytest.approx(1.0, rel=1e-9) if p == 0.5 else total <= 1


@given(COUNT, COUNT)
def test_mcnemar_is_the_binomial_test(b, c):
    exact, mid, chi2 = sh.mcnemar(b, c)
    if b + c:
        assert exact == pytest.approx(ss.binomtest(b, b + c).pvalue, rel=1e-8)
    assert 0 <= mid <= exact <= 1
    assert 0 <= chi2 <= 1


@given(COUNT, COUNT)
def test_evidence_grows_with_b_and_falls_with_c(b, c):
    here = sh.log_e_worse(b, c)
    assert sh.log_e_worse(b + 1, c) > here - 1e-9
    assert sh.log_e_worse(b, c + 1) < here + 1e-9
    assert here <= sh.log_e_different(b, c) + math.log(2) + 1e-9


def test_far_tails_stay_finite_and_continuous():
    assert sh._log_e_far(10, 900) == pytest.approx(sh.log_e_worse(10, 900), rel=1e-9)
    assert math.isfinite(sh.log_e_worse(0, 10**6))
    assert sh.log_e_worse(10**6, 0) > 1e5
    assert sh.log_e_worse(0, 0) == pytest.approx(0, abs=1e-12)
    assert sh.log_e_different(0, 0) == pytest.approx(0, abs=1e-12)
    assert sh.mcnemar(0, 0) == (1.0, 1.0, 1.0)


def test_agreement():
    assert sh.kappa([[5, 0], [0, 0]]) == 1.0
    assert sh.harmless_without_labels(10, 10_000, 0.02)
    assert not sh.harmless_without_labels(10, 500, 0.02)
    assert not sh.harmless_without_labels(0, 0, 0.02)


@pytest.mark.parametrize(
    "call",
    [
        lambda: sh.log_e_worse(-1, 0),
        lambda: sh.log_e_worse(math.nan, 0),
        lambda: sh.mcnemar(1, -1),
        lambda: sh.kappa([[0, 0], [0, 0]]),
        lambda: sh.kappa([[1, 2, 3]]),
        lambda: sh.disagreement(2, 1),
        lambda: sh.harmless_without_labels(1, 2, 0),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
