"""The e-detector: vectors of statistics.md 0 and e, exact expectation, merging, hostile input."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln, xlog1py, xlogy

from autoheal.stats import eprocess as ep

RATES = st.floats(1e-6, 0.999)


def test_vector_0_two_batches_of_a_small_share():
    state = ep.fresh()
    for n, k in ((200, 20), (200, 40)):
        state = ep.update(state, ep.log_e_batch(0.1, n, k), 0.01 * 0.5)
    assert math.exp(ep.log_m(state)) == pytest.approx(6.65042477582, rel=1e-11)


def test_grid_and_bets():
    grid = [0.1093668704, 0.1194946317, 0.1421892512, 0.1982568985, 0.3549789231, 0.7316039098]
    bets = [0.1040763377, 0.216607019, 0.4687694579, 1.091743317, 2.833099146, 7.01782122]
    assert ep.bernoulli_grid(0.1) == pytest.approx(grid, rel=1e-9)
    assert ep.bet_sizes(0.1) == pytest.approx(bets, rel=1e-9)


M = [0.804464725, 4.442914711, 20.71045886, 11.1089853, 48.4420903, 271.7727811, 1761.691542, 602.570516]
M += [3889.318949, 26812.63763]
R10 = [14.58679782, 21.77342026, 51.18329134, 310.5502964, 8155.110819, 152322.6211]


def test_ten_outcomes_one_by_one():
    state, x = ep.fresh(), [0, 1, 1, 0, 1, 1, 1, 0, 1, 1]
    seen = []
    for value in x:
        state = ep.update(state, ep.log_e_batch(0.1, 1, value), 1.0)
        seen.append(math.exp(ep.log_m(state)))
    assert seen == pytest.approx(M, rel=1e-8)
    assert np.exp(state.log_r) == pytest.approx(R10, rel=1e-9)


def test_trace_is_the_same_recursion():
    x = [0, 1, 1, 0, 1, 1, 1, 0, 1, 1]
    half, first = ep.trace(ep.fresh(), ep.log_e_losses(0.1, x[:4]), 1.0)
    state, rest = ep.trace(half, ep.log_e_losses(0.1, x[4:]), 1.0)
    assert np.exp([*first, *rest]) == pytest.approx(M, rel=1e-8)
    assert np.exp(state.log_r) == pytest.approx(R10, rel=1e-9)


def test_one_batch_of_200():
    state = ep.update(ep.fresh(), ep.log_e_batch(0.1, 200, 30), 1.0)
    want = [0.9075656146, 1.620252291, 2.397747864, 0.8786941812, -18.62235395, -145.9861851]
    assert state.log_r == pytest.approx(want, rel=1e-9)


def test_real_losses():
    state, means = ep.trace(ep.fresh(), ep.log_e_losses(0.1, [0.2, 0.9, 0.4, 0.7, 0.5]), 1.0)
    assert math.exp(means[-1]) == pytest.approx(220.899784683, rel=1e-11)
    assert math.exp(ep.log_m(state)) == pytest.approx(220.899784683, rel=1e-11)


def test_missing_rate_vector():
    assert ep.log_likelihood_ratio(0.01, 0.02, 1000, 25) == pytest.approx(7.43011733658, rel=1e-11)


@pytest.mark.parametrize(
    ("p1", "divergence", "delay"),
    [(0.12, 0.002102473665, 1738), (0.15, 0.01223511445, 442), (0.30, 0.1536635868, 51.8)],
)
def test_labels_needed(p1, divergence, delay):
    got = ep.labels_needed(0.1, p1, 50_000)
    assert got == pytest.approx(delay, rel=2e-3)
    assert got == pytest.approx((math.log(50_000 * divergence) - 1) / divergence, rel=1e-8)
    assert ep.labels_needed(0.1, 0.1, 1000) == math.inf
    assert ep.labels_needed(0.1, 0.5, 1) == 1.0


def test_rare_rates_start_higher():
    assert np.log(ep.bernoulli_grid(0.001)[0] / 0.001) == pytest.approx(0.4, abs=1e-3)
    assert np.log(ep.bernoulli_grid(0.005)[0] / 0.005) == pytest.approx(0.1, abs=1e-3)


@given(RATES, st.integers(0, 40))
def test_expectation_is_one_by_exact_summation(p0, n):
    k = np.arange(n + 1)
    log_pmf = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + xlogy(k, p0) + xlog1py(n - k, -p0)
    e = np.array([ep.log_e_batch(p0, n, int(i)) for i in k])
    assert np.exp(log_pmf[:, None] + e).sum(axis=0) == pytest.approx(np.ones(6), rel=1e-8)


@given(RATES, st.floats(0, 1))
def test_real_losses_with_the_null_mean_have_expectation_at_most_one(p0, low):
    """A loss on two points (low*p0, 1) with mean p0."""
    a = low * p0
    q = (p0 - a) / (1 - a)
    e = np.exp(ep.log_e_losses(p0, [a, 1.0]))
    assert ((1 - q) * e[0] + q * e[1] <= 1 + 1e-9).all()


@given(RATES, st.lists(st.floats(0, 1), max_size=30))
def test_a_sum_of_fractions_never_claims_more_than_the_rows(p0, losses):
    whole = ep.log_e_losses(p0, losses).sum(axis=0)
    total = min(math.fsum(losses), len(losses))
    assert (ep.log_e_batch(p0, len(losses), total) <= whole + 1e-6 * (1 + np.abs(whole))).all()


@given(RATES, st.lists(st.booleans(), min_size=1, max_size=50), st.integers(0, 50))
def test_batches_merge_exactly(p0, x, cut):
    whole = ep.log_e_batch(p0, len(x), sum(x))
    parts = ep.log_e_batch(p0, len(x[:cut]), sum(x[:cut])) + ep.log_e_batch(p0, len(x[cut:]), sum(x[cut:]))
    assert parts == pytest.approx(whole, rel=1e-9, abs=1e-9)
    many = ep.log_e_batches(p0, [len(x[:cut]), len(x[cut:])], [sum(x[:cut]), sum(x[cut:])])
    assert many.sum(axis=0) == pytest.approx(whole, rel=1e-9, abs=1e-9)
    assert ep.log_e_losses(p0, x).sum(axis=0) == pytest.approx(whole, rel=1e-9, abs=1e-9)


@given(
    st.lists(st.lists(st.floats(-800, 800), min_size=3, max_size=3), min_size=1, max_size=20),
    st.floats(0, 10),
)
def test_many_trace_and_single_agree_and_stay_finite(steps, weight):
    state = ep.fresh(3)
    many = np.array([state.log_r, state.log_r])
    for row in steps:
        state = ep.update(state, row, weight)
        many = ep.update_many(many, [row, row], [weight, weight])
    last, means = ep.trace(ep.fresh(3), steps, weight)
    assert many[0] == pytest.approx(state.log_r)
    assert last.log_r == pytest.approx(state.log_r, rel=1e-6, abs=1e-6)
    assert np.isfinite(means).all()
    assert math.isfinite(ep.log_m(state))
    assert ep.log_m_many(many)[1] == pytest.approx(ep.log_m(state))
    assert ep.EState(tuple(json.loads(json.dumps(state.log_r)))) == state


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 700),
    st.sampled_from([0.01, 1.0, 6.0, 40.0]),
    st.sampled_from([0.0, 1e-9, 1e-3, 5.0]),
    st.sampled_from([None, -300.0, 0.0, 900.0]),
)
@settings(deadline=None, max_examples=80)
def test_a_long_trace_is_that_of_its_steps(seed, n, spread, weight, before):
    rng = np.random.default_rng(seed)
    steps = rng.normal(-0.1 * spread, spread, (n, 3)).clip(-700, 700)
    start = ep.fresh(3) if before is None else ep.EState((before, before - 1000.0, before + 3.0))
    last, means = ep.trace(start, steps, weight)
    state = start
    wanted = []
    for row in steps:
        state = ep.update(state, row, weight)
        wanted.append(ep.log_m(state))
    # No evidence at all has no exact logarithm.
    for found, exact in ((means, wanted), (last.log_r, state.log_r)):
        known = np.maximum(exact, ep.LOG_ZERO / 2)
        assert np.maximum(found, ep.LOG_ZERO / 2) == pytest.approx(known, rel=1e-8, abs=1e-6)


def test_infinite_evidence_is_clipped():
    up = ep.update(ep.fresh(1), [np.inf], 1.0)
    assert up.log_r == (700.0,)
    assert ep.update(ep.fresh(1), [-np.inf], 1.0).log_r == (-700.0,)
    assert ep.reset(up) == ep.fresh(1)


def test_zero_weight_adds_no_evidence():
    state = ep.update(ep.fresh(2), [1.0, 2.0], 0.0)
    assert math.exp(ep.log_m(state)) == 0.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: ep.fresh(0),
        lambda: ep.update(ep.fresh(), [0.0], 1.0),
        lambda: ep.update(ep.fresh(1), [math.nan], 1.0),
        lambda: ep.update(ep.fresh(1), [0.0], -1.0),
        lambda: ep.update(ep.fresh(1), [0.0], math.nan),
        lambda: ep.update_many([[0.0]], [[0.0]], [1.0, 2.0]),
        lambda: ep.trace(ep.fresh(1), [], 1.0),
        lambda: ep.log_e_batch(0.0, 1, 1),
        lambda: ep.log_e_batch(1.0, 1, 1),
        lambda: ep.log_e_batch(0.1, 1, 2),
        lambda: ep.log_e_batch(0.1, math.nan, 0),
        lambda: ep.log_e_losses(0.1, [1.5]),
        lambda: ep.log_e_batches(0.1, [1], [2]),
        lambda: ep.log_e_batches(0.1, [1, 1], [1]),
        lambda: ep.log_e_losses(0.1, [math.nan]),
        lambda: ep.labels_needed(0.1, 0.2, 0.0),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
