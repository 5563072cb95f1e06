"""Start of a change: vectors of statistics.md k, agreement with the e-detector, coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import changepoint as cp
from autoheal.stats import eprocess as ep

X = [int(c) for c in "00100000110111"]
POSTERIOR = [0.01418982, 0.02047886, 0.03261659, 0.00889008, 0.01410003, 0.02660102, 0.06169257]
POSTERIOR += [0.16995499, 0.51998947, 0.07687483, 0.01254915, 0.03497052, 0.00580525, 0.00128683]
GLR = [5.097681217, 5.580620379, 6.129907485, 4.565986936, 5.108256238, 5.751713338, 6.536501107]
GLR += [7.535759376, 8.914918727, 6.81368877, 4.763775216, 6.907755279, 4.605170186, 2.302585093]


def test_vectors():
    log_e = ep.log_e_losses(0.1, X)
    logs, log_m = cp.log_posterior(log_e)
    assert np.exp(logs) == pytest.approx(POSTERIOR, abs=5e-9)
    assert math.exp(log_m) == pytest.approx(2144.661523630928, rel=1e-12)
    start = cp.start_of(log_e)
    assert (start.median, start.low, start.high) == (8, 5, 9)
    profile = cp.glr_profile(0.1, np.ones(14), X)
    assert profile == pytest.approx(GLR, rel=1e-9)
    assert int(np.argmax(profile)) == 8


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.integers(1, 39))
def test_the_mass_adds_to_m_of_the_detector(x, cut):
    log_e = ep.log_e_losses(0.1, x)
    state, means = ep.trace(ep.fresh(), log_e, 0.3)
    assert cp.log_posterior(log_e, 0.3)[1] == pytest.approx(means[-1], rel=1e-9, abs=1e-9)
    cut = min(cut, len(x) - 1)
    before, _ = ep.trace(ep.fresh(), log_e[:cut], 0.3)
    logs, log_m = cp.log_posterior(log_e[cut:], 0.3, before)
    assert log_m == pytest.approx(ep.log_m(state), rel=1e-9, abs=1e-9)
    assert np.exp(logs).sum() == pytest.approx(1)


def test_coverage_of_the_80_percent_interval():
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(100):
        x = rng.random(1500) < np.where(np.arange(1500) < 1000, 0.1, 0.2)
        start = cp.start_of(ep.log_e_losses(0.1, x))
        held += start.low <= 1000 <= start.high
    assert held >= 70


def test_one_step_and_ties():
    assert cp.start_of([[0.0]]).median == 0
    flat = cp.start_of(np.zeros((10, 2)))
    assert (flat.low, flat.median, flat.high) == (0, 4, 8)
    assert cp.start_of(np.full((3, 1), 1e6)).median == 0
    assert (cp.glr_profile(0.5, [0, 10, 0], [0, 1, 0]) == 0).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: cp.start_of(np.zeros((0, 3))),
        lambda: cp.start_of([[math.nan]]),
        lambda: cp.start_of([[0.0]], 0.0),
        lambda: cp.start_of([[0.0]], math.nan),
        lambda: cp.start_of([[0.0]], interval=1.0),
        lambda: cp.start_of([[0.0]], [1.0, 2.0]),
        lambda: cp.glr_profile(0.0, [1], [1]),
        lambda: cp.glr_profile(0.1, [1], [2]),
        lambda: cp.glr_profile(0.1, [1, 1], [1]),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
