"""Canary: vectors of statistics.md h, exact expectation of bets, error rates by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import canary as ca

D = np.array([1, 0, 0, 1, -1, 1, 0, 1, 1, 0.0])
BETS = np.array([0.05, 0.1, 0.2, 0.4, 0.8])
LOSSES = st.lists(st.floats(0, 1), max_size=30)


def test_vectors():
    roll, _ = ca.log_fortunes(BETS, D, 0.0, 0.02)
    _, prom = ca.log_fortunes(BETS, D, 0.0, 0.02)
    assert np.exp(roll).mean() == pytest.approx(2.33173249688, rel=1e-11)
    assert np.exp(prom).mean() == pytest.approx(0.403350148477, rel=1e-11)
    assert ca.pairs_needed(0.18, 0.02) == pytest.approx(2072, abs=1)


@given(st.floats(0.001, 0.5), st.floats(0, 0.3), st.floats(0.001, 1.0))
def test_fortunes_are_fair_at_the_null_and_never_negative(margin, low, high):
    """D on two points with mean exactly at the null: expectation of each factor is 1."""
    plan = ca.Plan(0.1, margin=margin, rollback_margin=min(0.01, margin))
    for null, side in ((plan.rollback_margin, 0), (margin, 1)):
        a, b = null - low * (1 + null), null + high * (1 - null)
        q = (null - a) / (b - a)
        grown = [
            np.exp(ca.log_fortunes(plan.bets(), np.array([x]), plan.rollback_margin, margin)[side])
            for x in (a, b)
        ]
        assert (1 - q) * grown[0] + q * grown[1] == pytest.approx(np.ones(8), rel=1e-9)
    ends = ca.log_fortunes(plan.bets(), np.array([-1.0, 1.0]), plan.rollback_margin, margin)
    assert np.isfinite(ends).all()


@given(st.lists(st.floats(-1, 1), max_size=30), st.integers(0, 30))
def test_batches_merge_exactly(d, cut):
    plan = ca.Plan(0.18)
    whole = ca.observe(plan, ca.Evidence(), d)
    parts = ca.observe(plan, ca.observe(plan, ca.Evidence(), d[:cut]), d[cut:])
    assert parts.pairs == whole.pairs
    assert parts.log_roll == pytest.approx(whole.log_roll, rel=1e-9, abs=1e-9)
    assert parts.log_prom == pytest.approx(whole.log_prom, rel=1e-9, abs=1e-9)


def runs(rate, shift, n, rng, count):
    """Per run: the first verdict that is not CONTINUE, looking every 100 pairs."""
    plan = ca.Plan(ca.null_variance(rate), margin=0.02)
    seen = []
    for _ in range(count):
        d = (rng.random(n) < rate + shift).astype(float) - (rng.random(n) < rate)
        evidence, verdict = ca.Evidence(), None
        for at in range(0, n, 100):
            evidence = ca.observe(plan, evidence, d[at : at + 100])
            verdict = ca.decide(plan, evidence, long_enough=True, out_of_time=at + 100 >= n)
            if verdict.outcome is not ca.Outcome.CONTINUE:
                break
        seen.append((verdict.outcome, evidence.pairs))
    return seen


def test_error_rates_and_speed():
    rng = np.random.default_rng(3)
    equal = runs(0.1, 0.0, 8000, rng, 80)
    assert sum(o is ca.Outcome.ROLLBACK for o, _ in equal) <= 8
    assert sum(o is ca.Outcome.PROMOTE for o, _ in equal) >= 55
    bad = runs(0.1, 0.2, 2000, rng, 40)
    assert all(o is ca.Outcome.ROLLBACK for o, _ in bad)
    assert np.mean([n for _, n in bad]) < 150
    # The margin itself: promoted in at most one run of ten.
    assert sum(o is ca.Outcome.PROMOTE for o, _ in runs(0.1, 0.02, 6000, rng, 60)) <= 10


def test_decisions_and_their_reasons():
    plan = ca.Plan(0.18)
    good = ca.observe(plan, ca.Evidence(), np.zeros(5000))
    assert ca.decide(plan, good, long_enough=True).outcome is ca.Outcome.PROMOTE
    early = ca.decide(plan, good, long_enough=False)
    assert early.outcome is ca.Outcome.CONTINUE
    assert "cycle" in early.reason
    assert ca.decide(plan, ca.Evidence(), long_enough=True).outcome is ca.Outcome.CONTINUE
    late = ca.decide(plan, ca.Evidence(), long_enough=True, out_of_time=True)
    assert late.outcome is ca.Outcome.INCONCLUSIVE
    bad = ca.decide(plan, ca.observe(plan, ca.Evidence(), np.ones(30)), long_enough=False)
    assert bad.outcome is ca.Outcome.ROLLBACK
    promoted = ca.decide(plan, good, long_enough=True)
    assert ca.combine([promoted, bad]) == bad
    assert ca.combine([promoted, early]) == early
    assert ca.combine([promoted, promoted]) == promoted


@given(LOSSES, LOSSES, st.floats(0, 0.5))
def test_pairs_from_split_traffic_stay_in_range(a, b, growth):
    d = ca.differences(a, b, growth)
    assert d.size == min(len(a), len(b))
    assert (np.abs(d) <= 1 + 1e-12).all()


def test_blocks_are_disjoint():
    assert ca.differences([1, 0], [1, 0, 1, 1, 0]).tolist() == [0.5, -1.0]
    assert ca.differences([0.105], [0.1], 0.05) == pytest.approx([0])
    assert ca.outcomes(10, 3, np.random.default_rng(0)).sum() == 3
    assert ca.null_variance(0.1, 4) == pytest.approx(0.1125)
    assert ca.null_variance(0.0) > 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: ca.Plan(0.0),
        lambda: ca.Plan(0.1, margin=0.0),
        lambda: ca.Plan(0.1, margin=0.02, rollback_margin=0.03),
        lambda: ca.Plan(0.1, alpha=1.0),
        lambda: ca.Plan(0.1, weight=0),
        lambda: ca.observe(ca.Plan(0.1), ca.Evidence(), [1.5]),
        lambda: ca.observe(ca.Plan(0.1), ca.Evidence(), [math.nan]),
        lambda: ca.combine([]),
        lambda: ca.differences([2.0], [0.0]),
        lambda: ca.differences([1.0], [0.0], -1),
        lambda: ca.outcomes(1, 2, np.random.default_rng(0)),
        lambda: ca.null_variance(1.1),
        lambda: ca.pairs_needed(0.1, 0),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
