"""One metric: what is found, where it began, and that nothing is found where nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from autoheal.detect import series
from autoheal.detect.step import steps
from autoheal.stats.surprise import surprises

HOUR = 3600.0


def hours(n: int) -> np.ndarray:
    return 1.6e9 + HOUR * np.arange(n)


def daily(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    clock = (np.arange(n) % 24) / 24
    return 100 + 40 * np.sin(2 * np.pi * clock) + rng.normal(0, 3, n)


def test_a_spike_of_one_row_is_found_at_once() -> None:
    x = daily(700)
    x[500] += 90
    found = [a for a in series.watch(x, hours(700)) if a.row >= 480]
    assert (found[0].row, found[0].start, found[0].look) == (500, 500, "spike")
    assert found[0].effect > 3


def test_a_lasting_step_is_found_with_its_beginning() -> None:
    x = np.random.default_rng(1).normal(0, 1, 400)
    x[250:] += 1.5
    first = next(a for a in series.watch(x, None) if a.row >= 250)
    assert first.row < 285
    assert abs(first.start - 250) <= 8


def test_a_season_is_no_alarm_once_it_is_known() -> None:
    alarms = [a for seed in range(6) for a in series.watch(daily(24 * 28, seed), hours(24 * 28))]
    assert len(alarms) <= 6 * 2  # two fortnights each


@pytest.mark.parametrize("kind", ["normal", "walk", "alike", "counts"])
def test_healthy_series_keep_the_promise(kind: str) -> None:
    """At most one alarm a fortnight, over 20 series of four weeks, with room for chance."""
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        e = rng.standard_normal(24 * 28)
        x = {"normal": e, "walk": np.cumsum(e), "counts": rng.poisson(4, len(e)).astype(float)}.get(kind, e)
        if kind == "alike":
            for i in range(1, len(x)):
                x[i] += 0.9 * x[i - 1]
        alarms += len(series.watch(x, hours(len(x))))
    assert alarms <= 20 * 2 + 3 * np.sqrt(40)


def test_trouble_that_goes_on_is_one_alarm() -> None:
    x = np.random.default_rng(2).normal(0, 1, 300)
    x[200:206] += 40
    assert len([a for a in series.watch(x, hours(300)) if 200 <= a.row < 212]) == 1


def test_the_unit_does_not_matter() -> None:
    x = daily(500, 3)
    x[400] += 80
    rows = [a.row for a in series.watch(x, hours(500))]
    for unit in (2.0**-900, 2.0**900):
        assert [a.row for a in series.watch(x * unit, hours(500))] == rows


def test_constants_and_too_few_values_say_nothing() -> None:
    assert series.watch(np.full(500, 7.0), None) == []
    assert series.watch(np.full(500, np.nan), None) == []
    assert series.watch(np.arange(10.0), None) == []


def test_one_count_more_of_a_rare_event_is_no_surprise() -> None:
    x = np.zeros(2000)
    x[::50] = 1.0
    assert len([a for a in series.watch(x, None) if a.row > 400]) <= 2


def test_surprise_grows_with_size_and_waits_for_a_past() -> None:
    past = np.abs(np.random.default_rng(4).normal(0, 1, 500))
    zero = np.zeros(501)
    small, big = (surprises(np.append(past, size), zero)[-1] for size in (4.0, 8.0))
    assert 0 < small < big
    assert surprises(past[:30], zero[:30]).max() == 0.0


def test_steps_start_again_after_a_step() -> None:
    x = np.random.default_rng(5).normal(0, 1, 300)
    x[100:] += 6
    x[200:] -= 6
    found = steps(x, 1 / 24, 42.0)
    assert [abs(s.start - at) <= 1 for s, at in zip(found, (100, 200), strict=True)] == [True, True]
    assert all(s.row - s.start < 10 for s in found)
    assert found[0].size > 2


def test_alarms_of_the_last_week_make_the_next_one_dearer() -> None:
    """Ten spikes that only just reach the threshold are not ten alarms; a huge one among them still is."""
    just = [series.Alarm(24 * day, 24 * day, "spike", 3.0, 2.7) for day in range(10)]
    kept = series.one_an_episode(just, 12, 168)
    assert [a.row for a in kept] == [0, 24 * 8]
    huge = series.Alarm(48, 48, "spike", 30.0, 9.0)
    assert huge in series.one_an_episode([just[0], just[1], huge], 12, 168)
