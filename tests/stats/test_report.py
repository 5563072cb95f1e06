"""The drift report says what the functions for one column say, on any columns: ties, NaN, infinities, constants."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autoheal.stats import categorical, distance, ks_exact, psi
from autoheal.stats.probe import limits
from autoheal.stats.reference_bins import cut
from autoheal.stats.report import (
    Category,
    CategorySummary,
    NumericSummary,
    drift_report,
    prepare,
    summarised,
)

LARGEST = sys.float_info.max
#: Few distinct values, so that ties, heavy values and values on edges are common; and the ends of the floats.
VALUES = st.one_of(
    st.integers(-4, 4).map(float),
    st.floats(-10, 10),
    st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, LARGEST, -LARGEST, 5e-324, 1e300]),
)
COLUMN = st.lists(VALUES, min_size=1, max_size=80).map(np.array)
SEEDS = st.integers(0, 2**32 - 1)


def finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def has_range(values: np.ndarray) -> bool:
    return np.unique(finite(values)).size > 1


def same(found: float, wanted: float) -> bool:
    return math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-12)


@given(COLUMN.filter(has_range), COLUMN)
@settings(max_examples=300, deadline=None)
def test_psi_js_missing_and_range_are_those_of_one_column(reference: np.ndarray, window: np.ndarray) -> None:
    bins = cut(reference)
    r, c = bins.counts(reference), bins.counts(window)
    report = drift_report(prepare({"x": reference}), {"x": window})
    assert same(report.psi[0], psi.psi(r, c))
    assert same(report.js[0], distance.js_divergence(r, c))
    assert report.missing[0] == c[bins.missing] / len(window)
    assert report.out_of_range[0] == c[bins.out_of_range] / len(window)


@given(COLUMN, COLUMN)
@settings(max_examples=300, deadline=None)
def test_d_is_between_its_bounds_and_exact_when_asked(reference: np.ndarray, window: np.ndarray) -> None:
    bounds = drift_report(prepare({"x": reference}), {"x": window})
    exact = drift_report(prepare({"x": reference}, exact=True), {"x": window})
    if not (finite(reference).size and finite(window).size):
        assert np.isnan([bounds.ks_low, bounds.ks_high, exact.ks_low, exact.ks_high]).all()
        return
    d = distance.ks_statistic(finite(reference), finite(window))
    assert bounds.ks_low[0] - 1e-12 <= d <= bounds.ks_high[0] + 1e-12
    assert same(exact.ks_low[0], d)
    assert exact.ks_low[0] == exact.ks_high[0]


def drawn(rng: np.random.Generator, rows: int) -> np.ndarray:
    """A column of some shape: smooth, heavy-tailed, rounded, mostly one value."""
    shape = rng.integers(4)
    if shape == 0:
        return rng.normal(rng.choice([0.0, 0.02, 0.5]), 1.0, rows)
    if shape == 1:
        return rng.lognormal(0.0, rng.choice([0.5, 2.0]), rows)
    if shape == 2:
        return rng.poisson(rng.choice([0.5, 3.0, 100.0]), rows).astype(float)
    return np.where(rng.random(rows) < 0.6, 0.0, rng.normal(size=rows).round(rng.integers(3)))


@given(SEEDS, st.integers(1, 20_000), st.integers(1, 20_000))
@settings(max_examples=60, deadline=None)
def test_long_columns_agree_too_and_bounds_are_narrow(seed: int, m: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    reference, window = drawn(rng, m), drawn(rng, n)
    d = distance.ks_statistic(reference, window)
    assert same(drift_report(prepare({"x": reference}, exact=True), {"x": window}).ks_low[0], d)
    report = drift_report(prepare({"x": reference}), {"x": window})
    assert report.ks_low[0] - 1e-12 <= d <= report.ks_high[0] + 1e-12
    if m > 1_000:
        # As wide as the fullest cell of many values: a hundredth, or two where a value just failed to be heavy.
        assert report.ks_high[0] - report.ks_low[0] < 0.02


@given(st.lists(COLUMN, min_size=1, max_size=6), SEEDS)
@settings(max_examples=60, deadline=None)
def test_a_column_is_reported_the_same_in_any_company(columns: list[np.ndarray], seed: int) -> None:
    rng = np.random.default_rng(seed)
    windows = {f"x{i}": rng.permutation(columns[-i]) for i in range(len(columns))}
    references = {f"x{i}": column for i, column in enumerate(columns)}
    for exact in (False, True):
        together = drift_report(prepare(references, exact=exact), windows)
        for i, name in enumerate(references):
            alone = drift_report(prepare({name: references[name]}, exact=exact), {name: windows[name]})
            for field in ("psi", "js", "ks_low", "ks_high", "missing", "out_of_range"):
                np.testing.assert_allclose(getattr(together, field)[i], getattr(alone, field)[0], atol=1e-12)


NAMES = tuple(f"level-{i}" for i in range(60))
CODES = hnp.arrays(
    st.sampled_from([np.int8, np.int64, np.uint8]), st.integers(1, 200), elements=st.integers(0, 70)
)


@given(CODES, CODES)
@settings(max_examples=150, deadline=None)
def test_categories_are_compared_on_the_levels_of_the_reference(r: np.ndarray, c: np.ndarray) -> None:
    known = np.where(r < len(NAMES), r, 0)
    report = drift_report(prepare({}, {"x": Category(known, NAMES)}), {"x": c})
    text = np.array([*NAMES, *["never seen"] * 11])
    levels = categorical.levels(text[known])
    ours, theirs = levels.counts(text[known]), levels.counts(text[c])
    assert same(report.psi[0], psi.psi(ours, theirs))
    assert same(report.js[0], distance.js_divergence(ours, theirs))
    assert report.out_of_range[0] == (c >= len(NAMES)).mean()
    assert report.missing[0] == 0
    assert math.isnan(report.ks_low[0])


@given(st.lists(COLUMN.filter(has_range), min_size=1, max_size=4), CODES)
@settings(max_examples=60, deadline=None)
def test_summaries_are_as_good_as_rows(columns: list[np.ndarray], codes: np.ndarray) -> None:
    known = np.where(codes < len(NAMES), codes, 0).astype(int)
    rows = prepare({f"x{i}": c for i, c in enumerate(columns)}, {"c": Category(known, NAMES)})
    numbers = {}
    for i, column in enumerate(columns):
        points = np.unique(finite(column))
        shares = np.searchsorted(np.sort(finite(column)), points, "right") / finite(column).size
        numbers[f"x{i}"] = NumericSummary(cut(column), cut(column).counts(column), points, shares)
    text = np.array(NAMES)[known]
    levels = categorical.levels(text)
    # Codes of another batch stand for other names.
    order = np.random.default_rng(1).permutation(len(NAMES))
    names = tuple(NAMES[i] for i in order)
    summary = CategorySummary(levels, levels.counts(text), names)
    made = summarised(numbers, {"c": summary})
    batch = {f"x{i}": columns[-1 - i] for i in range(len(columns))}
    mine = drift_report(rows, {**batch, "c": codes % len(NAMES)})
    theirs = drift_report(made, {**batch, "c": np.argsort(order)[codes % len(NAMES)]})
    for field in ("psi", "js", "missing", "out_of_range"):
        np.testing.assert_allclose(getattr(mine, field), getattr(theirs, field), atol=1e-12)
    # With a point at every value the bounds meet but for what lies between the values.
    exact = drift_report(prepare({f"x{i}": c for i, c in enumerate(columns)}, exact=True), batch).ks_low
    low, high = theirs.ks_low[:-1], theirs.ks_high[:-1]
    assert ((low <= exact + 1e-12) & (exact <= high + 1e-12) | np.isnan(exact)).all()


def test_a_category_is_missing_by_code_or_by_name() -> None:
    names = ("a", categorical.MISSING, "b")
    prepared = prepare({}, {"x": Category(np.array([0, 0, 1, 2, -1]), names)})
    report = drift_report(prepared, {"x": np.array([0, 1, -1, -9, 3, 99, np.iinfo(np.int64).max, 2])})
    assert report.missing[0] == 3 / 8
    assert report.out_of_range[0] == 3 / 8
    huge = drift_report(prepared, {"x": np.array([2**64 - 1, 0], dtype=np.uint64)})
    assert (huge.missing[0], huge.out_of_range[0]) == (0, 0.5)
    nothing = drift_report(prepare({}, {"x": Category(np.array([-1, -1]), names)}), {"x": np.array([0, -1])})
    assert nothing.missing[0] == 0.5
    assert nothing.psi[0] > 0


def test_a_report_keeps_the_order_of_the_reference_and_ignores_other_columns() -> None:
    rng = np.random.default_rng(1)
    numeric = {"b": rng.normal(size=500), "a": rng.normal(size=500)}
    prepared = prepare(numeric, {"c": Category(rng.integers(0, 3, 500), ("x", "y", "z"))})
    batch = {"c": np.zeros(30, dtype=int), "more": ["not", "read"], "a": numeric["a"] + 5, "b": numeric["b"]}
    report = drift_report(prepared, batch)
    assert report.names == prepared.names == ("b", "a", "c")
    assert report.psi[0] == 0
    assert report.psi[1] > 1
    assert report.ks_low[1] > 0.9
    assert report.psi[2] > 1
    assert prepared.size < 20_000


def test_a_constant_or_empty_reference_has_no_psi_but_says_what_it_can() -> None:
    reference = {"flat": [3.0, 3.0, math.nan], "void": [math.nan, math.inf], "fine": [1.0, 2.0]}
    report = drift_report(
        prepare(reference, exact=True), {"flat": [3.0, 4.0], "void": [1.0, math.nan], "fine": [1.0, 2.0, 3.0]}
    )
    assert np.isnan(report.psi).tolist() == [True, True, False]
    assert np.isnan(report.js).tolist() == [True, True, False]
    assert np.isnan(report.out_of_range).tolist() == [True, True, False]
    assert np.isnan(report.ks_low).tolist() == [False, True, False]
    assert report.ks_low[0] == 0.5
    assert report.missing.tolist() == [0.0, 0.5, 0.0]


def test_nothing_to_report_is_an_empty_report() -> None:
    report = drift_report(prepare({}), {"x": [1.0]})
    assert report.names == ()
    assert len(report.psi) == len(report.ks_low) == 0


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ({}, "column x is not in the batch"),
        ({"x": []}, "column x has no rows"),
        ({"x": [[1.0]]}, "column x: .*one-dimensional"),
        ({"x": ["a"]}, "column x: could not convert"),
        ({"x": [1.0]}, "column c is not in the batch"),
        ({"x": [1.0], "c": [0.5]}, "column c: .*integer codes"),
        ({"x": [1.0], "c": np.zeros((2, 2), dtype=int)}, "column c: .*one dimension"),
        ({"x": [1.0], "c": np.zeros(0, dtype=int)}, "column c has no rows"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_with_the_name_of_the_column(batch: dict, words: str) -> None:
    prepared = prepare({"x": [1.0, 2.0]}, {"c": Category(np.array([0]), ("a",))})
    with pytest.raises(ValueError, match=words):
        drift_report(prepared, batch)


@given(COLUMN.filter(has_range))
def test_limits_are_the_last_values_in_range(reference: np.ndarray) -> None:
    bins = cut(reference)
    floor, ceiling = limits(bins)
    outside = bins.out_of_range
    if math.isfinite(floor):
        assert bins.counts([floor])[outside] == 1
    assert bins.counts([math.nextafter(floor, math.inf)])[outside] == 0
    assert bins.counts([ceiling])[outside] == 0
    if ceiling < LARGEST:
        assert bins.counts([math.nextafter(ceiling, math.inf)])[outside] == 1


def test_an_exact_distance_needs_values() -> None:
    with pytest.raises(ValueError, match="reference holds no finite value"):
        ks_exact.order(np.zeros(0))
    with pytest.raises(ValueError, match="window holds no finite value"):
        ks_exact.distance(ks_exact.order(np.zeros(1)), np.zeros(0))
