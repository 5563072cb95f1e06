"""Bins of a reference: where each value falls, exact merging, and references that are odd."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import reference_bins as rb

ANY = st.floats(allow_nan=True, allow_infinity=True)


def test_deciles_hold_a_tenth_each():
    bins = rb.cut(np.random.default_rng(1).normal(size=5000))
    assert bins.size == 12
    counts = bins.counts(np.random.default_rng(1).normal(size=5000))
    assert counts.tolist() == [500] * 10 + [0, 0]
    assert len(bins.labels()) == 12


def test_a_value_on_an_edge_belongs_below_it():
    bins = rb.ReferenceBins((1.0, 2.0), 0.0, 3.0)
    assert bins.counts([1.0, 2.0, 2.0000001]).tolist() == [1, 1, 1, 0, 0]


def test_missing_and_out_of_range_have_their_own_bins():
    bins = rb.ReferenceBins((1.0,), 0.0, 2.0)
    counts = bins.counts([None, np.nan, np.inf, -np.inf, -0.3, 2.3, -0.1, 2.1])
    assert counts[bins.missing] == 2
    assert counts[bins.out_of_range] == 4
    assert counts[:2].tolist() == [1, 1]
    assert bins.counts([]).tolist() == [0, 0, 0, 0]
    assert bins.counts([np.nan] * 3).tolist() == [0, 0, 0, 3]


def test_a_heavy_value_gets_a_bin_of_its_own():
    values = [0.0] * 600 + list(np.linspace(0.1, 10, 400))
    bins = rb.cut(values)
    alone = bins.counts([0.0])
    assert bins.counts([1e-9, -1e-9])[np.argmax(alone)] == 0
    assert (bins.counts(values) > 0).sum() >= 4


@pytest.mark.parametrize("heavy", [0.0, 5.0, 10.0])
def test_heavy_anywhere(heavy):
    values = [heavy] * 300 + list(np.linspace(0, 10, 700))
    bins = rb.cut(values)
    home = int(np.argmax(bins.counts([heavy])))
    near = bins.counts([heavy + 1e-6, heavy - 1e-6])
    assert near[home] == 0


@given(st.lists(ANY, max_size=60), st.lists(ANY, max_size=40), st.lists(ANY, max_size=40))
def test_any_reference_is_cut_or_refused_and_counts_merge(reference, a, b):
    finite = [x for x in reference if np.isfinite(x)]
    if len(set(finite)) < 2:
        with pytest.raises(ValueError, match="two different finite values"):
            rb.cut(reference)
        return
    bins = rb.cut(reference)
    assert (bins.counts(a) + bins.counts(b) == bins.counts(a + b)).all()
    assert bins.counts(a).sum() == len(a)
    assert bins.counts(reference)[bins.missing] == sum(np.isnan(reference))
    assert bins.counts(finite)[bins.out_of_range :].sum() == 0


def test_kinds():
    assert rb.kind_of([np.nan, None]) == "empty"
    assert rb.kind_of([]) == "empty"
    assert rb.kind_of([1, 1, None]) == "constant"
    assert rb.kind_of(range(19)) == "categorical"
    assert rb.kind_of(range(20)) == "numeric"


@pytest.mark.parametrize(
    "call",
    [
        lambda: rb.cut([1, 1, 1]),
        lambda: rb.cut([1, 2], bins=1),
        lambda: rb.cut([[1, 2]]),
        lambda: rb.cut(["a", "b"]),
        lambda: rb.ReferenceBins((), 0, 1),
        lambda: rb.ReferenceBins((1.0, 1.0), 0, 1),
        lambda: rb.ReferenceBins((1.0,), 1, 1),
        lambda: rb.ReferenceBins((np.nan,), 0, 1),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
