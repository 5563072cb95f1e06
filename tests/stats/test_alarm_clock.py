"""The fleet's clock: shares, levels, culprits, and the promise itself by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import alarm_clock as ac
from autoheal.stats import eprocess as ep

KINDS = st.sampled_from(sorted(ac.SHARES))


@given(st.lists(st.tuples(st.sampled_from("abc"), KINDS), min_size=1, max_size=40))
def test_shares_add_to_one(monitors):
    shares = ac.fleet_shares(monitors)
    assert shares.sum() == pytest.approx(1.0)
    assert (shares > 0).all()


def test_shares_follow_the_table():
    monitors = [
        ("m", "performance"),
        ("m", "score"),
        ("m", "features"),
        ("m", "features"),
        ("m", "multivariate"),
    ]
    assert ac.fleet_shares(monitors) == pytest.approx([0.5, 0.2, 0.1, 0.1, 0.1])
    assert ac.fleet_shares([("m", "performance"), ("n", "features")]) == pytest.approx([0.5, 0.5])
    assert ac.fleet_shares([]).size == 0


def test_levels():
    assert ac.read([math.log(7), math.log(6.9)]).level is ac.Level.QUIET
    notify = ac.read([math.log(7), math.log(7.01)])
    assert notify.level is ac.Level.NOTIFY
    assert notify.nats_to_next == pytest.approx(math.log(365 / 14.01))
    assert ac.read([math.log(366)]).level is ac.Level.ACT
    assert ac.read([ep.LOG_ZERO, ep.LOG_ZERO]).level is ac.Level.QUIET
    assert math.log(ac.T_ACT / ac.T_NOTIFY) == pytest.approx(3.3, abs=0.05)


def test_culprits_are_ordered_and_named():
    found = ac.culprits(["a", "b", "c"], [math.log(1), math.log(100), ep.LOG_ZERO], [0.1, 0.1, 0.1], 10)
    assert [c.name for c in found] == ["b", "a", "c"]
    assert [c.named for c in found] == [True, False, False]
    assert [c.part for c in found] == pytest.approx([100 / 101, 1 / 101, 0])


def test_a_healthy_fleet_keeps_its_promise_and_a_sick_one_is_noticed():
    """60 Bernoulli monitors, T = 40 days, one batch a day: mean time to the first alarm of any is at least T."""
    rng = np.random.default_rng(11)
    fleets, monitors, days, t = 60, 60, 160, 40.0
    weights = np.full(fleets * monitors, 1 / monitors)
    held = np.full((fleets * monitors, 6), ep.LOG_ZERO)
    first = np.full(fleets, float(days))
    for day in range(days):
        errors = rng.binomial(100, 0.1, size=fleets * monitors)
        held = ep.update_many(held, ep.log_e_batches(0.1, np.full(errors.size, 100), errors), weights)
        total = np.exp(ep.log_m_many(held)).reshape(fleets, monitors).sum(axis=1)
        first = np.where((total >= t) & (first == days), day + 1, first)
    # Runs are cut at 160 days, which only lowers the mean.
    assert first.mean() >= t
    one = ep.fresh()
    for _ in range(30):
        one = ep.update(one, ep.log_e_batch(0.1, 100, 15), 1 / monitors)
    assert ac.read([ep.log_m(one)]).level is ac.Level.ACT


@pytest.mark.parametrize(
    "call",
    [
        lambda: ac.fleet_shares([("m", "weather")]),
        lambda: ac.read([]),
        lambda: ac.read([math.nan]),
        lambda: ac.read([0.0], t_notify=0),
        lambda: ac.read([0.0], t_notify=14, t_act=7),
        lambda: ac.culprits(["a"], [0.0, 1.0], [0.5, 0.5], 1),
        lambda: ac.culprits(["a"], [0.0], [0.0], 1),
        lambda: ac.culprits(["a"], [0.0], [1.0], 0),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
