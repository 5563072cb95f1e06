"""Familiar detectors and losses: they see a plain change, stay quiet before it, and refuse nonsense."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import familiar as fa
from autoheal.stats import losses as lo
from autoheal.stats.adwin import Adwin, Bucket

RNG = np.random.default_rng(6)
STREAM = (RNG.random(3000) < np.where(np.arange(3000) < 2000, 0.1, 0.4)).astype(float)


def first_alarm(detector, stream):
    for i, x in enumerate(stream):
        detector = detector.update(float(x))
        if detector.alarm:
            return i
    return None


@pytest.mark.parametrize("detector", [fa.PageHinkley(threshold=20), fa.Ewma(0.1, 0.3, width=4), Adwin()])
def test_a_plain_change_is_seen_after_it_happened(detector):
    assert 2000 <= first_alarm(detector, STREAM) < 2200


def test_adwin_drops_the_past_and_its_memory_stays_small():
    window = Adwin()
    for x in STREAM:
        window = window.update(float(x))
    assert window.mean == pytest.approx(0.4, abs=0.05)
    assert 900 < window.whole.rows < 1100
    assert len(window.buckets) < 60
    assert json.dumps(asdict(window))


@given(st.lists(st.floats(0, 1), max_size=200))
def test_adwin_never_loses_a_row_while_quiet(values):
    window = Adwin()
    for x in values:
        window = window.update(x)
        if window.alarm:
            return
    assert window.whole.rows == len(values)
    assert window.whole.total == pytest.approx(math.fsum(values))
    sizes = [b.rows for b in window.buckets]
    assert sizes == sorted(sizes, reverse=True)
    assert all(sizes.count(size) <= 5 for size in sizes)


def test_adwin_says_which_way():
    window = Adwin()
    for x in [0.9] * 320 + [0.1] * 320:
        window = window.update(x)
        if window.alarm:
            break
    assert window.alarm
    assert not window.rose
    assert Bucket(1, 1.0, 1.0) + Bucket(2, 1.0, 0.5) == Bucket(3, 2.0, 1.5)


def test_ddm():
    ddm = fa.Ddm()
    assert not ddm.alarm
    seen = first_alarm(ddm, [1, *([0] * 9)] * 50 + [1] * 200)
    assert 500 <= seen < 560
    quiet = fa.Ddm()
    for _ in range(200):
        quiet = quiet.update(0.0)
    assert not quiet.warning


def test_three_sigma():
    band = fa.sigma([1.0, 2.0, 3.0])
    assert not band.alarm(4.9)
    assert band.alarm(5.1)
    assert fa.sigma([2.0, 2.0]).alarm(2.1)
    assert not fa.sigma([2.0, 2.0]).alarm(2.0)


def test_losses():
    assert lo.errors(["a", "b"], ["a", "c"]).tolist() == [0, 1]
    assert lo.misses([1, 0, 1], [1, 1, 0]).tolist() == [0, 1]
    assert lo.false_alarms([1, 0, 1], [1, 1, 0]).tolist() == [0, 1]
    assert lo.clipped_error([0, 0, 0], [1, 5, -20], 10) == pytest.approx([0.1, 0.5, 1])
    assert lo.large_error([0, 0], [1, 5], 2).tolist() == [0, 1]
    assert lo.errors([], []).size == 0


def test_misordered_pairs_average_to_one_minus_auc():
    scores = [0.1, 0.4, 0.35, 0.8]
    labels = [0, 0, 1, 1]
    mean = np.mean([lo.misordered(scores, labels, np.random.default_rng(i)).mean() for i in range(400)])
    assert mean == pytest.approx(0.25, abs=0.03)
    assert lo.misordered([1, 1], [0, 1], np.random.default_rng(0)).tolist() == [0.5]
    assert lo.misordered([1], [1], np.random.default_rng(0)).size == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: fa.PageHinkley().update(math.nan),
        lambda: fa.Ewma(0, 0).update(1.0),
        lambda: fa.Ewma(0, 1, weight=0).update(1.0),
        lambda: fa.Ddm().update(2.0),
        lambda: fa.sigma([1.0]),
        lambda: fa.sigma([1.0, 2.0]).alarm(math.inf),
        lambda: Adwin().update(1.5),
        lambda: Adwin(delta=0).update(0.5),
        lambda: lo.errors([1], [1, 2]),
        lambda: lo.errors([None], [1]),
        lambda: lo.errors([math.nan], [1]),
        lambda: lo.clipped_error([1], [2], 0),
        lambda: lo.clipped_error([math.nan], [2], 1),
        lambda: lo.misordered([1, 2], [1, 2], np.random.default_rng(0)),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
