"""Levels, their tallies, and hard rules: vectors of statistics.md b and hostile input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import categorical as cat
from autoheal.stats import psi as ps

VALUES = st.lists(
    st.sampled_from(["a", "b", "c", "z", None, math.nan, 1, 1.0, True, False, 2.5]), max_size=40
)


def test_vectors():
    statistic, p = cat.chi2_two_sample([50, 30, 20], [30, 40, 30])
    assert statistic == pytest.approx(8.428571429, rel=1e-9)
    assert p == pytest.approx(0.01478287719, rel=1e-9)
    assert cat.rate_ceiling(0, 10_000) == pytest.approx(0.000299528359777, rel=1e-11)
    assert cat.rate_ceiling(100, 1000) == pytest.approx(0.116991532096 + 0.005, rel=1e-11)
    assert cat.rate_ceiling(5, 5) < 1


def test_an_unseen_level_of_six_percent_costs_a_psi_of_a_third():
    bins = cat.levels({"a": 500, "b": 300, "c": 200})
    r = bins.counts({"a": 500, "b": 300, "c": 200})
    c = bins.counts({"a": 450, "b": 280, "c": 210, "new": 60})
    assert bins.labels == ("a", "b", "c", "<other>", "<missing>")
    assert c.tolist() == [450, 280, 210, 60, 0]
    assert ps.psi(r, c) == pytest.approx(0.2942855324, rel=1e-9)


def test_levels_cover_99_percent_and_at_most_50():
    assert cat.levels({"a": 90, "b": 9, "c": 1}).names == ("a", "b")
    assert cat.levels({"b": 1, "a": 1}).names == ("a", "b")
    assert len(cat.levels({f"l{i}": 1 for i in range(200)}).names) == 50
    assert cat.levels(["x", None, "y", "x"]).names == ("x", "y")


def test_names_of_values():
    named = [None, math.nan, np.float64("nan"), True, np.bool_(False), 3, 3.0, 2.5, "x", np.int64(4)]
    want = ["<missing>"] * 3 + ["true", "false", "3", "3", "2.5", "x", "4"]
    assert [cat.level_of(v) for v in named] == want
    assert cat.tally_of([True, 1, 1.0]) == {"true": 1, "1": 2}
    assert cat.tally_of(np.array([1.0, np.nan])) == {"1": 1, "<missing>": 1}


@given(VALUES, VALUES)
def test_tallies_merge_exactly(a, b):
    bins = cat.Levels(("a", "1"))
    assert (bins.counts(a) + bins.counts(b) == bins.counts([*a, *b])).all()
    assert (bins.counts(cat.tally_of(a) + cat.tally_of(b)) == bins.counts([*a, *b])).all()
    assert bins.counts(a).sum() == len(a)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=8).filter(
        lambda t: sum(x > 0 for x, _ in t) > 0 and sum(y > 0 for _, y in t) > 0
    )
)
def test_chi2_is_scipys(pairs):
    a, b = zip(*pairs, strict=True)
    kept = [pair for pair in pairs if sum(pair)]
    statistic, p = cat.chi2_two_sample(a, b)
    if len(kept) == 1:
        assert (statistic, p) == (pytest.approx(0), 1.0)
        return
    want = ss.chi2_contingency(np.array(kept).T, correction=False)
    assert statistic == pytest.approx(want.statistic, rel=1e-9, abs=1e-9)
    assert p == pytest.approx(want.pvalue, rel=1e-9)


@pytest.mark.parametrize(
    ("levels", "power", "most"), [(300, 1.0, 1000), (2000, 1.2, 1000), (3000, 0.0, 1000), (400, 1.0, 50)]
)
def test_the_share_of_levels_that_a_list_lacks_is_known_before_new_rows_come(levels, power, most):
    rng = np.random.default_rng(3)
    chances = 1.0 / np.arange(1, levels + 1) ** power
    chances /= chances.sum()
    off = []
    for _ in range(60):
        counts = np.bincount(rng.choice(levels, 4000, p=chances), minlength=levels)
        rows = {f"{i:04}": int(n) for i, n in enumerate(counts) if n}
        listed = [int(name) for name, _ in cat.by_frequency(rows)[:most]]
        off.append(cat.unlisted_share(rows, most) - (1.0 - chances[listed].sum()))
    assert abs(np.mean(off)) <= 0.004


def test_a_list_of_all_levels_lacks_what_was_seen_once():
    assert cat.unlisted_share({"a": 5, "b": 3, "c": 1, "d": 1}) == 0.2
    assert cat.unlisted_share({"a": 5, "b": 5}) == 0.0
    assert cat.unlisted_share({"a": 1, "b": 1}) == 1.0
    assert cat.unlisted_share({"a": 5, "b": 3, "c": 2}, 1) == 0.5
    assert cat.unlisted_share({"a": 5, "b": 5}, 1) == 1.0
    assert cat.unlisted_share({}) == 0.0


def test_a_category_that_always_brings_new_levels_is_not_broken_by_some():
    open_ended = column(unseen=60)
    assert cat.broken(open_ended, column(rows=200, unseen=20)) == ()
    assert cat.broken(open_ended, column(rows=200, unseen=60)) == (cat.Break.NEW_LEVEL,)
    assert cat.broken(column(unseen=1), column(rows=200, unseen=20)) == (cat.Break.NEW_LEVEL,)


def column(rows=1000, missing=0, distinct=50, type_name="float", unseen=0):
    return cat.Column(rows, missing, distinct, type_name, unseen)


def test_hard_rules():
    healthy = column()
    assert cat.broken(healthy, column()) == ()
    assert cat.broken(healthy, column(type_name="")) == (cat.Break.COLUMN_GONE,)
    assert cat.broken(healthy, column(rows=0)) == (cat.Break.NO_ROWS,)
    assert cat.broken(healthy, column(missing=1000)) == (cat.Break.ALL_MISSING,)
    assert cat.broken(column(missing=1000), column(missing=1000)) == ()
    assert cat.broken(healthy, column(distinct=1)) == (cat.Break.CONSTANT,)
    assert cat.broken(healthy, column(rows=1, distinct=1)) == ()
    assert cat.broken(column(distinct=1), column(distinct=1)) == ()
    assert cat.broken(healthy, column(type_name="str")) == (cat.Break.TYPE_CHANGED,)
    assert cat.broken(healthy, column(unseen=11)) == (cat.Break.NEW_LEVEL,)
    assert cat.broken(healthy, column(unseen=10)) == ()


@pytest.mark.parametrize(
    "call",
    [
        lambda: cat.levels([]),
        lambda: cat.levels([None, math.nan]),
        lambda: cat.levels({"a": -1}),
        lambda: cat.levels({"a": 1}, coverage=0),
        lambda: cat.levels({"a": 1}, most=0),
        lambda: cat.chi2_two_sample([1, 2], [1, 2, 3]),
        lambda: cat.chi2_two_sample([0, 0], [1, 2]),
        lambda: cat.rate_ceiling(2, 1),
        lambda: cat.rate_ceiling(0, 0),
        lambda: cat.broken(column(), column(missing=1001)),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
