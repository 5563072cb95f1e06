"""Holt-Winters and the decomposition: what was put in is found, incidents stay out, the parts add up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoheal.stats import holt_winters as hw
from autoheal.stats.decompose import decompose


def series(n: int, noise: float, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    return 50 + 0.02 * t + 8 * np.sin(2 * np.pi * t / 24) + noise * rng.standard_normal(n)


def test_the_forecast_goes_on():
    x = series(24 * 14, 0.5)
    got = hw.forecast(hw.fit(x[: 24 * 12], 24), 48)
    assert np.abs(got.mean - x[24 * 12 :]).mean() < 1.0
    inside = (got.low <= x[24 * 12 :]) & (x[24 * 12 :] <= got.high)
    assert inside.mean() > 0.85
    assert (np.diff(got.high - got.low) >= -1e-12).all()


def test_the_season_stands_where_it_belongs():
    x = np.tile([1.0, 5.0, 2.0, 8.0, 3.0], 12)[:58]
    got = hw.forecast(hw.fit(x, 5), 5)
    assert got.mean == pytest.approx([8.0, 3.0, 1.0, 5.0, 2.0], abs=0.2)


def test_gaps_and_no_season():
    x = series(24 * 8, 0.3)
    x[60:70] = math.nan
    assert np.abs(hw.forecast(hw.fit(x, 24), 24).mean - series(24 * 9, 0.0)[-24:]).mean() < 1.5
    x[::24] = math.nan
    assert np.isfinite(hw.forecast(hw.fit(x, 24), 24).mean).all()
    line = 3.0 + 0.5 * np.arange(40)
    assert hw.forecast(hw.fit(line, 1), 3).mean == pytest.approx([23.0, 23.5, 24.0], abs=0.5)


@settings(max_examples=15)
@given(st.lists(st.floats(-1e6, 1e6), min_size=10, max_size=24), st.integers(1, 5))
def test_any_series_has_a_finite_forecast(values, period):
    got = hw.forecast(hw.fit(values, period), 4)
    assert np.isfinite([got.mean, got.low, got.high]).all()
    assert (got.low <= got.mean).all()


def test_parts_are_what_was_put_in():
    rng = np.random.default_rng(2)
    t = np.arange(24 * 7 * 5)
    day, week = 5 * np.sin(2 * np.pi * t / 24), np.where(t // 24 % 7 >= 5, -4.0, 1.6)
    x = 100 + 0.01 * t + day + week + 0.3 * rng.standard_normal(t.size)
    got = decompose(x, [24, 168])
    assert np.abs(got.seasons[0] + got.seasons[1] - day - week).mean() < 0.5
    assert np.abs(got.trend - 100 - 0.01 * t).mean() < 0.4
    assert min(got.strength) > 0.8
    assert got.rest.std() < 0.6


def test_an_incident_stays_in_the_rest():
    x = series(24 * 20, 0.2)
    x[240:246] += 60.0
    x[100:103] = math.nan
    got = decompose(x, [24])
    assert np.nanmin(got.rest[240:246]) > 50.0
    assert np.abs(got.seasons[0][216:264] - 8 * np.sin(2 * np.pi * np.arange(216, 264) / 24)).max() < 1.5
    assert np.isnan(got.rest[100:103]).all()
    assert np.isfinite(got.trend).all()


@settings(max_examples=25)
@given(st.lists(st.floats(-1e9, 1e9) | st.just(math.nan), min_size=8, max_size=40), st.integers(2, 4))
def test_the_parts_add_up(values, period):
    x = np.array(values)
    if np.isnan(x).all():
        return
    got = decompose(x, [period])
    back = got.trend + got.seasons[0] + got.rest
    known = ~np.isnan(x)
    assert back[known] == pytest.approx(x[known], rel=1e-9, abs=1e-3)
    assert np.isfinite(got.trend).all()
    assert all(0.0 <= s <= 1.0 for s in got.strength)


def test_without_a_season_there_is_a_trend():
    x = np.arange(50.0)
    got = decompose(x, [])
    assert got.seasons == ()
    assert got.trend == pytest.approx(x, abs=0.5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: hw.fit([1.0] * 9, 1),
        lambda: hw.fit([1.0] * 20, 11),
        lambda: hw.fit([math.inf] * 20, 2),
        lambda: hw.fit([1.0] * 20, 0),
        lambda: hw.forecast(hw.fit([1.0] * 20, 2), 0),
        lambda: decompose([1.0, 2.0, 3.0], [2]),
        lambda: decompose([1.0] * 9, [1]),
        lambda: decompose([math.nan] * 9, [2]),
        lambda: decompose([math.inf] * 9, [2]),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
