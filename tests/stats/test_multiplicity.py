"""Many hypotheses: vectors of statistics.md a, scipy, exact expectation of calibrators."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import multiplicity as mu

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def test_vectors():
    rejected, level = mu.e_bh([40, 3, 25, 100, 0.5], 0.1)
    assert rejected.tolist() == [True, False, True, True, False]
    assert level == pytest.approx(16.6667, rel=1e-5)
    assert mu.power_calibrator(0.01)[0] == pytest.approx(5, rel=1e-12)
    assert mu.mixture_calibrator(0.01)[0] == pytest.approx(4.45099226, rel=1e-8)


def test_e_lond():
    ledger, levels, hits = mu.ELond(0.1), [], []
    for e in (5, 80, 2, 100, 30, 1, 400):
        levels.append(ledger.level())
        ledger, hit = ledger.test(e)
        hits.append(int(hit))
    want = [0.06079271, 0.01519818, 0.01350949, 0.00759909, 0.00486342, 0.00337737, 0.00248134]
    assert levels == pytest.approx(want, abs=5.1e-9)
    assert hits == [0, 1, 0, 0, 0, 0, 0]
    assert (ledger.tested, ledger.rejected) == (7, 1)


def test_e_bh_rejects_none_or_all():
    rejected, level = mu.e_bh([0.0, 1.0])
    assert not rejected.any()
    assert level == math.inf
    assert mu.e_bh([math.inf, math.inf])[0].all()


def test_calibrators_integrate_to_one():
    u = np.linspace(-60, 0, 400_001)  # p = exp(u)
    p = np.exp(u)
    for e in (mu.power_calibrator(p, 0.3), mu.mixture_calibrator(p)):
        area = ((e * p)[1:] + (e * p)[:-1]).sum() / 2 * (u[1] - u[0])
        assert area <= 1 + 1e-6
    assert mu.mixture_calibrator([0.0, 1.0, 1 - 1e-9]) == pytest.approx([math.inf, 0.5, 0.5])
    assert mu.power_calibrator([0.0, 1.0]) == pytest.approx([math.inf, 0.5])


@given(P_VALUES)
def test_benjamini_hochberg_is_scipys(p):
    assert mu.benjamini_hochberg(p) == pytest.approx(ss.false_discovery_control(p), rel=1e-9, abs=1e-12)


@given(P_VALUES)
def test_holm_is_between_p_and_bonferroni(p):
    adjusted = mu.holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1, np.array(p) * len(p)) + 1e-12).all()
    assert mu.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@pytest.mark.parametrize(
    "call",
    [
        lambda: mu.e_bh([]),
        lambda: mu.e_bh([math.nan]),
        lambda: mu.e_bh([-1]),
        lambda: mu.e_bh([1], 0),
        lambda: mu.holm([1.5]),
        lambda: mu.benjamini_hochberg([math.nan]),
        lambda: mu.power_calibrator(0.5, 1),
        lambda: mu.ELond().test(math.nan),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
