"""Sketches: KLL's rank error at k = 800, merged or not; DDSketch's one per cent, and exact merging."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import ddsketch, kll, psi
from autoheal.stats.ddsketch import MOST_BUCKETS, DDSketch
from autoheal.stats.kll import Kll

FLOATS = st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=60)


def merged(parts) -> Kll:
    whole = Kll()
    for part in parts:
        whole = whole.merge(Kll().update(part))
    return whole


def test_sixteen_partitions_keep_the_rank_error():
    rng = np.random.default_rng(1)
    x = rng.lognormal(size=200_000)
    whole = merged(np.split(x, 16))
    at = np.quantile(x, np.linspace(0.01, 0.99, 99))
    assert np.abs(whole.rank(at) - np.linspace(0.01, 0.99, 99)).max() < 0.006
    assert whole.n == 200_000
    assert sum(level.size for level in whole.levels) < 3000
    assert (whole.low, whole.high) == (x.min(), x.max())
    assert len(json.dumps(whole.to_plain())) < 80_000


def test_edges_from_a_sketch_hardly_change_a_psi():
    rng = np.random.default_rng(2)
    then, now = rng.standard_normal(100_000), rng.standard_normal(20_000) * 1.2

    def shift(edges: np.ndarray) -> float:
        r, c = (np.bincount(np.searchsorted(edges, v), minlength=10) for v in (then, now))
        return psi.psi(r, c)

    exact = shift(np.quantile(then, np.arange(1, 10) / 10))
    assert shift(Kll().update(then).edges(10)) == pytest.approx(exact, abs=0.003)


@given(FLOATS, st.integers(1, 59))
def test_a_small_sketch_is_exact(values, cut):
    x = np.array(values)
    got = Kll(8 * 100).update(x[:cut]).merge(Kll(8 * 100).update(x[cut:]))
    assert got.rank(x) == pytest.approx([(x <= v).mean() for v in x])
    assert got.quantiles([0.0, 0.5, 1.0]).tolist() == [
        x.min(), float(np.quantile(x, 0.5, method="inverted_cdf")), x.max(),
    ]  # fmt: skip
    assert kll.from_plain(json.loads(json.dumps(got.to_plain()))).rank(x) == pytest.approx(got.rank(x))


@given(st.lists(st.integers(0, 400), min_size=1, max_size=12))
def test_no_row_is_lost_and_batches_are_repeatable(sizes):
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal(size) for size in sizes]
    first, second = Kll(8), Kll(8)
    for part in parts:
        first, second = first.update(part), second.update(part)
    assert sum(level.size << h for h, level in enumerate(first.levels)) == first.n == sum(sizes)
    assert first.to_plain() == second.to_plain()


def test_what_is_no_number_is_left_out():
    got = Kll().update([1.0, math.nan, math.inf, 3.0])
    assert (got.n, got.skipped) == (2, 2)
    lat = DDSketch().update([0.0, math.nan, -math.inf, 5.0])
    assert (lat.n, lat.zeros, lat.skipped) == (2, 1, 2)


@given(FLOATS, st.floats(0, 1))
def test_ddsketch_is_within_one_per_cent(values, share):
    x = np.sort(values)
    want = float(x[math.floor(share * (x.size - 1))])
    got = float(DDSketch().update(values).quantiles([share])[0])
    assert got == pytest.approx(want, rel=0.010001, abs=1e-299)


@given(FLOATS, st.integers(0, 60))
def test_ddsketch_merges_exactly(values, cut):
    whole = DDSketch().update(values)
    parts = DDSketch().update(values[cut:]).merge(DDSketch().update(values[:cut]))
    assert parts.to_plain() == whole.to_plain()
    assert parts.n == len(values)
    assert ddsketch.from_plain(json.loads(json.dumps(whole.to_plain()))) == whole


def test_ddsketch_keeps_its_size():
    wide = np.exp(np.linspace(-600, 600, 100_000))
    got = DDSketch().update(wide)
    assert len(got.positive) == MOST_BUCKETS
    assert got.n == 100_000
    high = float(np.quantile(wide, 0.99, method="lower"))
    assert float(got.quantiles([0.99])[0]) == pytest.approx(high, rel=0.0101)
    json.dumps(got.to_plain())


@pytest.mark.parametrize(
    "call",
    [
        lambda: Kll(7),
        lambda: Kll().rank([1.0]),
        lambda: Kll().merge(Kll(8)),
        lambda: Kll().update([[1.0]]),
        lambda: Kll().update([1.0, 2.0]).edges(1),
        lambda: Kll().update([1.0]).quantiles([1.1]),
        lambda: kll.from_plain(Kll().update([1.0]).to_plain() | {"n": 2}),
        lambda: DDSketch(1.0),
        lambda: ddsketch.from_plain(DDSketch().to_plain() | {"zeros": -1}),
        lambda: DDSketch().quantiles([0.5]),
        lambda: DDSketch().update([1.0]).quantiles([-0.1]),
        lambda: DDSketch().merge(DDSketch(0.02)),
        lambda: DDSketch().update([[1.0]]),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
