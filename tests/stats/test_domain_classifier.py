"""Boosted trees learn what is there and nothing else; the domain classifier tells samples apart honestly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoheal.stats import boosted_trees as bt
from autoheal.stats import domain_classifier as dc
from autoheal.stats.estimate import effective_rows


def test_auc_vector():
    assert dc.auc([0.9, 0.8, 0.4], [0.7, 0.3, 0.2]) == pytest.approx(8 / 9)
    assert dc.auc([1.0], [1.0]) == 0.5


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=8), st.lists(st.integers(0, 4), min_size=1, max_size=8)
)
def test_auc_is_the_double_sum(high, low):
    want = np.mean([(a > b) + 0.5 * (a == b) for a in high for b in low])
    assert dc.auc(high, low) == pytest.approx(want)


def test_trees_fit_a_curve_with_gaps():
    rng = np.random.default_rng(1)
    x = rng.uniform(-2, 2, (3000, 3))
    y = np.sin(2 * x[:, 0]) + (x[:, 1] > 0) * x[:, 0] + 0.1 * rng.standard_normal(3000)
    x[::50, 2] = math.nan
    got = bt.fit(x[:2000], y[:2000], logistic=False)
    rest = y[2000:] - got.predict(x[2000:])
    assert rest.var() < 0.1 * y.var()
    assert got.importance[2] < 0.02
    assert got.importance.sum() == pytest.approx(1.0)
    again = bt.fit(x[:2000], y[:2000], logistic=False)
    assert (again.predict(x) == got.predict(x)).all()


def test_trees_find_a_missing_value_that_means_something():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((800, 2))
    y = (rng.random(800) < 0.5).astype(float)
    x[y > 0, 1] = math.nan
    assert bt.fit(x, y, logistic=True).predict(x)[y > 0].min() > 0.8


@settings(max_examples=25)
@given(st.integers(20, 60), st.integers(1, 3), st.integers(0, 1000))
def test_chances_are_chances_and_weights_matter(n, d, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 4, (n, d)).astype(float), (rng.random(n) < 0.4).astype(float)
    p = bt.fit(x, y, logistic=True, trees=5).predict(x)
    assert ((p > 0) & (p < 1)).all()
    heavy = bt.fit(x, y, logistic=True, trees=5, weights=np.where(y > 0, 50.0, 1.0)).predict(x)
    assert heavy.mean() >= p.mean() - 1e-9


def test_a_constant_target_has_no_trees():
    got = bt.fit(np.zeros((30, 2)), np.ones(30), logistic=False)
    assert got.trees == ()
    assert got.predict(np.zeros((1, 2))).tolist() == [1.0]


def test_the_same_law_cannot_be_told_apart():
    rng = np.random.default_rng(3)
    ps = [dc.tell_apart(rng.standard_normal((300, 5)), rng.standard_normal((200, 5))).p for _ in range(12)]
    assert sum(p < 0.05 for p in ps) <= 3
    assert min(ps) > 1e-4


def test_a_shifted_feature_is_named():
    rng = np.random.default_rng(4)
    old, new = rng.standard_normal((2, 1000, 6))
    new[:, 2] += 0.5
    got = dc.tell_apart(old, new)
    assert got.auc > 0.6
    assert got.p < 1e-6
    assert int(np.argmax(got.importance)) == 2
    # Weighted, the old rows look like the new ones.
    assert np.average(old[:, 2], weights=got.weights) == pytest.approx(0.5, abs=0.15)
    assert effective_rows(got.weights) < 1000


def test_a_link_between_two_features_is_found():
    rng = np.random.default_rng(5)
    old, new = rng.standard_normal((2, 1500, 4))
    old[:, 1] = 0.8 * old[:, 0] + 0.6 * old[:, 1]
    got = dc.tell_apart(old, new)
    assert got.auc > 0.62
    assert set(np.argsort(-got.importance)[:2].tolist()) == {0, 1}


@pytest.mark.parametrize(
    "call",
    [
        lambda: dc.tell_apart(np.zeros((40, 2)), np.zeros((40, 3))),
        lambda: dc.tell_apart(np.zeros((39, 2)), np.zeros((40, 2))),
        lambda: dc.tell_apart(np.zeros(40), np.zeros((40, 2))),
        lambda: dc.auc([], [1.0]),
        lambda: bt.fit([[math.inf]] * 20, [0.0] * 20, logistic=False),
        lambda: bt.fit([[1.0]] * 20, [0.5] * 20, logistic=True),
        lambda: bt.fit([[1.0]] * 19, [0.5] * 19, logistic=False),
        lambda: bt.fit([[1.0]] * 20, [0.5] * 20, logistic=False, weights=[-1.0] * 20),
        lambda: bt.fit([[1.0]] * 20, [0.5] * 20, logistic=False).predict([[1.0, 2.0]]),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
