"""The scoring rules of benchmarks/real_data.py, on cases whose scores are known."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.shape.source import ROOT


@pytest.fixture(scope="module")
def scores() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("_real_scores", ROOT / "benchmarks" / "_real_scores.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_nab_is_0_for_silence_and_100_for_perfection(scores: ModuleType) -> None:
    windows = [(300, 399), (600, 699)]
    for profile in scores.PROFILES:
        silent = scores.nab_raw([], windows, 1000, profile)
        perfect = scores.nab_raw([300, 600], windows, 1000, profile)
        assert scores.nab_score(silent, 2, profile) == pytest.approx(0.0)
        assert scores.nab_score(perfect, 2, profile) == pytest.approx(100.0)


def test_nab_counts_the_earliest_in_a_window_and_weighs_by_distance(scores: ModuleType) -> None:
    windows = [(300, 399)]

    def raw(*alarms: int) -> float:
        return float(scores.nab_raw(alarms, windows, 1000, "standard"))

    assert raw(310, 390) == raw(310) > raw(390) > -1.0
    assert raw(300, 200) == pytest.approx(1.0 - 0.11)  # before any window: a full false alarm
    assert raw(300, 400) == pytest.approx(1.0 + 0.11 * (2 / (1 + math.exp(5 / 99)) - 1))
    assert raw(300, 999) == pytest.approx(1.0 - 0.11)  # beyond three widths
    assert raw(300, 10) == pytest.approx(1.0)  # probation: 150 rows


def test_incidents_are_found_once_and_alarms_outside_counted(scores: ModuleType) -> None:
    assert scores.spans([0, 1, 1, 0, 1]) == [(1, 2), (4, 4)]
    seen = scores.incidents([1, 2, 3], [(1, 2), (4, 4)], 1000)
    assert (seen.found, seen.inside, seen.outside) == (1, 2, 1)
    assert seen.f1 == pytest.approx(2 / (2 + 1 + 1))
    assert seen.false_per_1000 == 1.0


def test_change_points_as_in_the_paper(scores: ModuleType) -> None:
    people = [[50], [50], []]
    assert scores.cover(people, [50], 100) == pytest.approx((1 + 1 + 0.5) / 3)
    assert scores.cover(people, [], 100) == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert scores.change_f1(people, [52]) == pytest.approx(1.0)
    assert scores.change_f1(people, [60]) == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))
