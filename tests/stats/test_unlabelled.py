"""Estimates without labels under moved inputs: right where they can be, refused where they cannot, blind where stated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import expit

from autoheal.stats import calibration, direct_loss, estimate
from autoheal.stats import shifted_estimate as se
from autoheal.stats.domain_classifier import tell_apart


def world(rng: np.random.Generator, n: int, at: float):
    """Scores that are calibrated on average, but too sure of themselves where x is large; inputs around ``at``."""
    x = rng.normal(at, 1.0, n)
    score = expit(rng.normal(0.0, 1.5, n))
    truth = expit(np.log(score / (1 - score)) * np.where(x > 0.5, 0.3, 1.6))
    return x[:, None], score, (rng.random(n) < truth).astype(float)


def test_weights_mend_what_an_average_calibration_misses():
    rng = np.random.default_rng(1)
    x, score, label = world(rng, 12_000, 0.0)
    x_now, score_now, label_now = world(rng, 6_000, 1.2)
    true = float(((score_now >= 0.5) == label_now).mean())
    weights = tell_apart(x, x_now).weights
    got = se.weighted_cbpe(score, label, weights, score_now)
    plain = estimate.cbpe_decided(calibration.fit(score, label)(score_now), score_now >= 0.5).accuracy
    assert got.refused == ""
    assert got.expected is not None
    assert abs(got.expected.accuracy - true) < 0.02
    assert abs(got.expected.accuracy - true) < abs(plain - true) / 2
    assert abs(got.expected.accuracy - true) < 4 * got.accuracy_sd


def test_even_weights_are_plain_cbpe():
    rng = np.random.default_rng(2)
    _, score, label = world(rng, 3000, 0.0)
    got = se.weighted_cbpe(score, label, np.full(3000, 7.0), score[:500])
    plain = estimate.cbpe_decided(calibration.fit(score, label)(score[:500]), score[:500] >= 0.5)
    assert got.expected is not None
    assert got.expected.accuracy == pytest.approx(plain.accuracy)
    assert got.effective_rows == pytest.approx(3000)


def test_too_few_effective_rows_are_refused():
    rng = np.random.default_rng(3)
    _, score, label = world(rng, 3000, 0.0)
    weights = np.zeros(3000)
    weights[:99] = 1.0
    got = se.weighted_cbpe(score, label, weights, score)
    assert got.expected is None
    assert "99" in got.refused
    one_class = se.weighted_cbpe(score, label, (label == 1).astype(float), score)
    assert one_class.expected is None
    assert "one class" in one_class.refused


def test_bad_calibration_is_refused():
    rng = np.random.default_rng(4)
    score, label = rng.random(150), (rng.random(150) < 0.5).astype(float)
    score = np.where(rng.random(150) < 0.5, label, score).clip(0.01, 0.99)
    got = se.weighted_cbpe(score, label, np.ones(150), score)
    assert (got.expected is None) == (got.ece > estimate.WORST_ECE)


@settings(max_examples=30)
@given(st.integers(20, 200), st.integers(0, 10_000))
@example(20, 623)  # whole Newton steps go back and forth for ever here
def test_weighted_calibration_is_the_repeated_rows(n, seed):
    rng = np.random.default_rng(seed)
    s, y = rng.random(n).round(2), np.arange(n) % 2.0
    times = rng.integers(1, 4, n)
    weighted = calibration.fit(s, y, times)
    grid = np.linspace(0, 1, 21)
    repeated = calibration.fit(np.repeat(s, times), np.repeat(y, times))
    # Platt's softening counts rows, and weights keep the number of rows: a little apart in small samples.
    assert np.abs(weighted(grid) - repeated(grid)).max() < 0.06
    assert (np.diff(weighted(grid)) >= -1e-12).all()


def test_isotonic_with_weights_is_the_repeated_rows():
    rng = np.random.default_rng(5)
    s = rng.random(3000)
    y = (rng.random(3000) < s**2).astype(float)
    times = rng.integers(1, 3, 3000)
    grid = np.linspace(0, 1, 21)
    one, other = calibration.fit(s, y, times), calibration.fit(np.repeat(s, times), np.repeat(y, times))
    assert one(grid) == pytest.approx(other(grid), abs=1e-9)


def noisy(rng: np.random.Generator, n: int, at: float, extra: float = 1.0):
    x = rng.normal(at, 1.0, (n, 3))
    guess = x[:, 0]
    loss = np.abs(rng.standard_normal(n)) * (0.5 + np.maximum(x[:, 1], 0.0)) * extra
    return x, guess, loss


def test_direct_loss_follows_the_inputs_and_not_the_world():
    rng = np.random.default_rng(6)
    learned = direct_loss.learn(*noisy(rng, 6000, 0.0))
    assert learned.useful
    assert learned.skill > 0.1
    x, guess, loss = noisy(rng, 2000, 1.0)
    got = direct_loss.estimate(learned, x, guess)
    assert got.mean == pytest.approx(loss.mean(), rel=0.1)
    assert got.moved > 0.3
    assert got.low < got.mean < got.high
    x, guess, _ = noisy(rng, 2000, 0.0, extra=3.0)
    assert abs(direct_loss.estimate(learned, x, guess).moved) < 0.1


def test_without_skill_it_repeats_the_mean():
    rng = np.random.default_rng(7)
    x, loss = rng.standard_normal((400, 2)), np.abs(rng.standard_normal(400))
    learned = direct_loss.learn(x, x[:, 0], loss)
    assert not learned.useful
    got = direct_loss.estimate(learned, x + 3.0, x[:, 0])
    assert got.mean == pytest.approx(loss.mean())
    assert got.moved == 0.0
    constant = direct_loss.learn(x, x[:, 0], np.zeros(400))
    assert direct_loss.estimate(constant, x, x[:, 0]).mean == 0.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: se.weighted_cbpe([0.5], [1.0], [1.0], []),
        lambda: se.weighted_cbpe([0.5], [1.0], [1.0, 2.0], [0.5]),
        lambda: se.weighted_cbpe([1.5], [1.0], [1.0], [0.5]),
        lambda: se.weighted_cbpe([0.5], [1.0], [-1.0], [0.5]),
        lambda: calibration.fit([0.5] * 20, [0.0, 1.0] * 10, [0.0] * 20),
        lambda: calibration.fit([0.5] * 20, [0.0, 1.0] * 10, [math.nan] * 20),
        lambda: estimate.ece([0.5], [1], weights=[0.0]),
        lambda: direct_loss.learn(np.zeros((199, 1)), np.zeros(199), np.zeros(199)),
        lambda: direct_loss.learn(np.zeros((200, 1)), np.zeros(200), -np.ones(200)),
        lambda: direct_loss.learn(np.zeros((200, 1)), np.zeros(199), np.ones(200)),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
