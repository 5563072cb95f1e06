"""Estimates without labels and label shift: vectors of statistics.md d and f."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import estimate as es
from autoheal.stats import label_shift as ls

S = [0.9, 0.8, 0.65, 0.4, 0.3, 0.1]
SCORES = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=15)


def test_cbpe_vectors():
    got = es.cbpe(S)
    assert (got.tp, got.fp, got.fn, got.tn) == pytest.approx((2.35, 0.65, 0.8, 2.2), rel=1e-12)
    assert got.accuracy == pytest.approx(0.7583333333, rel=1e-9)
    assert got.precision == pytest.approx(0.7833333333, rel=1e-9)
    assert got.recall == pytest.approx(0.746031746, rel=1e-9)
    assert got.f1 == pytest.approx(0.7642276423, rel=1e-9)
    assert got.accuracy_sd == pytest.approx(0.168118675015, rel=1e-11)
    assert es.chance_at_most(3, S) == pytest.approx(0.14719, rel=1e-9)
    assert es.expected_auroc(S) == pytest.approx(0.861180904523, rel=1e-11)


def test_ece_vector():
    p, y = [0.95, 0.85, 0.55, 0.45, 0.15, 0.05], [1, 1, 0, 1, 0, 0]
    assert es.ece(p, y, 2) == pytest.approx(0.116666666667, rel=1e-11)
    assert es.ece([0.0, 1.0], [0, 1]) == 0.0


@given(SCORES)
def test_expected_auroc_is_the_double_sum(p):
    top = bottom = 0.0
    for i, a in enumerate(p):
        for j, b in enumerate(p):
            if i != j:
                bottom += a * (1 - b)
                top += a * (1 - b) * ((a > b) + 0.5 * (a == b))
    got = es.expected_auroc(p)
    if bottom > 1e-6:
        assert got == pytest.approx(top / bottom, abs=1e-6)
    assert es.chance_at_most(len(p), p) == pytest.approx(1)
    assert es.chance_at_most(-1, p) == 0.0
    assert 0 <= es.cbpe(p).accuracy <= 1


def test_the_normal_law_takes_over():
    p = np.full(3000, 0.8)
    assert es.chance_at_most(2400, p) == pytest.approx(0.5, abs=0.02)
    assert es.chance_at_most(2999, np.ones(3000)) == 0.0
    assert es.chance_at_most(3000, np.ones(3000)) == 1.0


def test_nothing_positive_has_no_precision():
    got = es.cbpe([0.1, 0.0])
    assert math.isnan(got.precision)
    assert math.isnan(es.expected_auroc([1.0]))


def test_atc():
    confidence = np.linspace(0.5, 1, 100)
    tau = es.atc_threshold(confidence, np.arange(100) < 20)
    assert es.atc_error(confidence, tau) == pytest.approx(0.2)
    assert es.atc_error(confidence - 0.1, tau) > 0.2
    assert es.atc_error([0.1], es.atc_threshold([0.5], [1])) == 1.0
    assert es.effective_rows([1, 1, 0]) == pytest.approx(2)
    assert es.effective_rows([0, 0]) == 0.0


def test_bbse_vectors():
    got = ls.estimate([[0.45, 0.06], [0.05, 0.44]], [0.35, 0.65])
    assert got.weights == pytest.approx([0.5897435897, 1.41025641], rel=1e-9)
    assert got.prior == pytest.approx([0.2948717949, 0.7051282051], rel=1e-9)
    counts = ls.estimate([[450, 60], [50, 440]], [35, 65])
    assert counts.prior == pytest.approx(got.prior)


def test_reweighted_scores_reproduce_a_pure_label_shift():
    by_class = np.array([[300.0, 150, 50], [60, 140, 300]])
    now = np.array([0.6, 1.4]) @ by_class
    joint = np.array([[0.40, 0.1], [0.1, 0.40]])
    w = ls.estimate(joint, joint @ [0.6, 1.4]).weights
    assert ls.reweighted(w, by_class) == pytest.approx(now)


@pytest.mark.parametrize(
    "call",
    [
        lambda: es.cbpe([]),
        lambda: es.cbpe([1.1]),
        lambda: es.cbpe([math.nan]),
        lambda: es.ece([0.5], [0, 1]),
        lambda: es.ece([0.5], [0], 0),
        lambda: es.atc_threshold([0.5], [0, 1]),
        lambda: es.atc_error([0.5], math.nan),
        lambda: es.effective_rows([-1]),
        lambda: ls.estimate([[0.5, 0.5], [0.5, 0.5]], [0.5, 0.5]),
        lambda: ls.estimate([[1.0, 0], [0, 1]], [1.0]),
        lambda: ls.estimate([[-1.0, 0], [0, 1]], [0.5, 0.5]),
        lambda: ls.estimate([[0.51, 0.49], [0.49, 0.51]], [0.5, 0.5]),
        lambda: ls.reweighted([1.0], [[1.0], [1.0]]),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
