"""Multivariate drift: vectors of statistics.md c, exact merging, what each statistic sees, hostile input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autoheal.stats import mann_whitney, mmd, pca
from autoheal.stats import multivariate as mv

ROWS = arrays(
    np.float64,
    st.tuples(st.integers(3, 12), st.just(3)),
    elements=st.floats(-1e6, 1e6).map(lambda v: round(v, 3)) | st.just(math.nan),
)


def test_mmd_and_energy_vectors():
    x, y = [0, 1, 2], [1, 2, 4]
    assert mmd.mmd2(x, y, 1.0) == pytest.approx(-0.21103326479, rel=1e-10)
    assert mmd.mmd2(x, y, 1.0, unbiased=False) == pytest.approx(0.222147674972, rel=1e-11)
    assert mmd.energy_distance2(x, y) == pytest.approx(0.888888888889, rel=1e-11)


def test_pca_vectors():
    model = pca.fit([[2, 0], [0, 1], [-2, 0], [0, -1]], components=1)
    assert pca.errors(model, [[1, 1], [3, 0]]) == pytest.approx([1, 0], abs=1e-12)
    assert len(pca.fit([[2, 0], [0, 1], [-2, 0], [0, -1]]).directions) == 1
    assert pca.errors(pca.fit([[1.0, 1.0]] * 3), [[1.0, 2.0]]).shape == (1,)


def test_auc_of_a_domain_classifier():
    assert mann_whitney.auc([0.7, 0.3, 0.2], [0.9, 0.8, 0.4]) == pytest.approx(8 / 9)
    assert mann_whitney.auc([1, 1], [1]) == 0.5


def fleet(rng, n, corr=0.8):
    x = rng.normal(size=(n, 6))
    x[:, 1] = corr * x[:, 0] + math.sqrt(1 - corr**2) * x[:, 1]
    return x


def windows(reference, rng, change):
    return [mv.compare(reference, mv.moments(reference, change(fleet(rng, 500)))) for _ in range(20)]


def test_each_statistic_sees_its_kind_of_drift():
    rng = np.random.default_rng(4)
    reference = mv.fit(fleet(rng, 5000))
    healthy = windows(reference, rng, lambda x: x)
    bar_t2, bar_z = max(w.t2 for w in healthy), max(w.max_z for w in healthy)
    assert np.mean([w.t2 for w in healthy]) == pytest.approx(6, abs=3)
    moved = windows(reference, rng, lambda x: x + 0.15)
    assert np.mean([w.t2 > bar_t2 for w in moved]) > 0.8

    def unlink(x):
        x[:, 1] = rng.normal(size=len(x))
        return x

    loose = windows(reference, rng, unlink)
    assert all(w.max_z > bar_z and w.pair == (0, 1) for w in loose)
    wide = windows(reference, rng, lambda x: x * [1, 1, 1, 1, 1.6, 1])
    assert all(w.max_z > bar_z and w.pair == (4, 4) for w in wide)


@given(ROWS, ROWS, st.integers(0, 12))
def test_any_reference_works_and_sums_merge(a, b, cut):
    reference = mv.fit(a)
    whole = mv.moments(reference, b)
    parts = mv.moments(reference, b[:cut]) + mv.moments(reference, b[cut:])
    assert parts.n == whole.n
    assert parts.second == pytest.approx(whole.second, abs=1e-9)
    shift = mv.compare(reference, parts)
    assert math.isfinite(shift.t2)
    assert math.isfinite(shift.max_z)


def test_a_feature_that_was_constant_and_moves_is_seen():
    reference = mv.fit(np.column_stack([np.arange(50.0), np.full(50, 3.0)]))
    window = mv.moments(reference, np.column_stack([np.arange(50.0), np.full(50, 4.0)]))
    assert mv.compare(reference, window).t2 > 1000


@pytest.mark.parametrize(
    "call",
    [
        lambda: mv.fit(np.zeros((2, 2))),
        lambda: mv.fit(np.zeros((5, 201))),
        lambda: mv.fit([[math.inf]] * 3),
        lambda: mv.fit([[1e200]] * 3),
        lambda: mv.moments(mv.fit(np.eye(3)), np.zeros((1, 2))),
        lambda: mv.compare(mv.fit(np.eye(3)), mv.moments(mv.fit(np.eye(3)), np.zeros((0, 3)))),
        lambda: mmd.mmd2([], [1], 1),
        lambda: mmd.mmd2([1], [1, 2], 1),
        lambda: mmd.mmd2([1, 2], [1, 2], 0),
        lambda: mmd.mmd2([[1, 2]], [1], 1, unbiased=False),
        lambda: mmd.energy_distance2(np.zeros(3000), [1]),
        lambda: pca.fit([[1, 2]], components=2),
        lambda: pca.errors(pca.fit(np.eye(2)), [[1.0]]),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
