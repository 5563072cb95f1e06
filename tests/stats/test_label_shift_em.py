"""Class shares by EM: recovers them, is the likelihood's maximum, agrees with BBSE but scatters less."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from autoheal.stats import label_shift
from autoheal.stats import label_shift_em as em


def scored(rng: np.random.Generator, n: int, share: float) -> np.ndarray:
    """Calibrated scores for a share of one half, of rows with another share."""
    y = rng.random(n) < share
    x = rng.standard_normal(n) + np.where(y, 1.0, -1.0)
    return expit(2.0 * x)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_the_new_share_is_found(share):
    got = em.estimate(em.of_two(scored(np.random.default_rng(1), 20_000, share)), [0.5, 0.5])
    assert got.prior[1] == pytest.approx(share, abs=0.012)
    assert got.weights == pytest.approx(got.prior / 0.5)
    assert got.gain > 100


def test_no_shift_moves_nothing():
    got = em.estimate(em.of_two(scored(np.random.default_rng(2), 20_000, 0.5)), [1.0, 1.0])
    assert got.prior[1] == pytest.approx(0.5, abs=0.012)
    assert got.gain < 5


def test_it_scatters_less_than_the_confusion_matrix():
    rng = np.random.default_rng(3)
    by_em, by_bbse = [], []
    right = 0.8413447  # P(N(1, 1) > 0)
    joint = 0.5 * np.array([[right, 1 - right], [1 - right, right]])
    for _ in range(60):
        p = scored(rng, 400, 0.2)
        by_em.append(em.estimate(em.of_two(p), [0.5, 0.5]).prior[1])
        by_bbse.append(label_shift.estimate(joint, [(p < 0.5).mean(), (p >= 0.5).mean()]).prior[1])
    assert np.mean(by_em) == pytest.approx(0.2, abs=0.015)
    assert np.std(by_em) < np.std(by_bbse)


@given(
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=20),
    st.floats(0.05, 0.95),
    st.floats(0.0, 1.0),
)
def test_it_is_the_maximum_of_the_likelihood(scores, old, other):
    chances, prior = em.of_two(scores), np.array([1.0 - old, old])
    got = em.estimate(chances, prior)

    def likelihood(share: float) -> float:
        return float(np.log(np.maximum(chances / prior @ np.array([1.0 - share, share]), 1e-300)).sum())

    assert likelihood(float(got.prior[1])) >= likelihood(other) - 1e-4
    assert got.prior.sum() == pytest.approx(1.0)
    assert em.adjusted(chances, prior, got.prior).mean(axis=0) == pytest.approx(got.prior, abs=1e-4)


def test_certain_rows():
    got = em.estimate([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [0.5, 0.5])
    assert got.prior == pytest.approx([2 / 3, 1 / 3])
    assert em.adjusted([[0.0, 1.0]], [0.5, 0.5], [1.0, 0.0]).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(
    "call",
    [
        lambda: em.estimate([], [0.5, 0.5]),
        lambda: em.estimate([[0.5, 0.4]], [0.5, 0.5]),
        lambda: em.estimate([[0.5, 0.5]], [1.0, 0.0]),
        lambda: em.estimate([[0.5, 0.5]], [0.2, 0.3, 0.5]),
        lambda: em.estimate([[math.nan, 0.5]], [0.5, 0.5]),
        lambda: em.adjusted([[0.5, 0.5]], [0.5, 0.5], [1.0]),
        lambda: em.of_two([1.5]),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
