"""PSI, its law and its e-values: vectors of statistics.md a and b, scipy, simulation, hostile input."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autoheal.stats import eprocess as ep
from autoheal.stats import psi as ps

R = [100] * 10
C = [50, 60, 70, 80, 90, 110, 120, 130, 140, 150]
COUNTS = st.integers(2, 12).flatmap(
    lambda b: st.tuples(*[arrays(np.int64, (3, b), elements=st.integers(0, 500)) for _ in range(2)])
)


def test_values():
    assert ps.psi(R, C, 0) == pytest.approx(0.117509714218, rel=1e-11)
    assert ps.psi(R, C) == pytest.approx(0.116258085498, rel=1e-11)
    assert ps.effective_rows(1000, 1000) == pytest.approx(500, rel=1e-12)
    assert ps.psi([30, 70], [0, 50]) == pytest.approx(1.10361830876, rel=1e-11)
    assert ps.psi([500, 300, 200, 0], [450, 280, 210, 60]) == pytest.approx(0.2942855324, rel=1e-9)


def test_p_values():
    assert ps.p_value(R, C) == pytest.approx(3.070099245e-09, rel=1e-9)
    assert ps.p_value(R, C, 0.02) == pytest.approx(1.197670811e-04, rel=1e-9)
    assert ps.p_value(R, C, 0.05) == pytest.approx(0.02386157468, rel=1e-9)
    delta = [float(np.exp(ps._log_delta_p(ps.windows(R, C), eps))[0]) for eps in (0.02, 0.05)]
    assert delta == pytest.approx([3.220776034e-05, 0.004506123859], rel=1e-9)
    assert ps.p_value(R, R, 0.05) == 1.0
    assert ps.p_value([10, 10], [10**6, 1], 0.0) == 1e-12


def test_alarm_levels():
    rows = (100, 1000, 10_000)
    healthy = [ps.alarm_level(100_000, m, 10) for m in rows]
    tolerated = [ps.alarm_level(100_000, m, 10, eps=0.1) for m in rows]
    assert healthy == pytest.approx([0.33754, 0.034057, 0.0037092], rel=2e-5)
    assert tolerated == pytest.approx([0.58829, 0.19815, 0.12712], rel=3e-5)


def test_log_e():
    got = ps.log_e(50, 500, 9, 0.05)
    assert got[:3] == pytest.approx([0.8092215582, -4.830664684, -26.90249025], rel=1e-9)
    assert got.shape == (4,)
    assert ps.log_e([50, 50], [500, 500], [9, 9], 0.05) == pytest.approx(np.tile(got, (2, 1)))
    assert (ps.log_e([0.0, 50], [500, 500], [9, 0], 0.05)[1] == 0).all()


@settings(max_examples=60)
@given(st.floats(1e-6, 1e5), st.floats(10, 1e5), st.integers(1, 60))
def test_log_e_is_the_likelihood_ratio(s, n_eff, df):
    want = [
        ss.ncx2.logpdf(s, df, n_eff * 0.05 * a) - ss.ncx2.logpdf(s, df, n_eff * 0.05) for a in ps.MULTIPLES
    ]
    assert ps.log_e(s, n_eff, df, 0.05) == pytest.approx(want, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("eps", [0.0, 0.01, 0.05])
@pytest.mark.parametrize(("n_eff", "df"), [(200, 9), (5000, 9), (200, 51), (1e5, 1)])
def test_expectation_at_most_one_by_integration(n_eff, df, eps):
    """Integral of e against the law of the statistic, for every PSI up to eps0."""
    spread = np.sqrt(2 * df + 16 * n_eff * 0.05 * 16)
    s = np.linspace(1e-9, df + n_eff * 0.05 * 16 + 10 * spread, 40_001)
    law = ss.ncx2.logpdf(s, df, max(n_eff * eps, 1e-12)) if eps else ss.chi2.logpdf(s, df)
    shape = np.full(s.size, df)
    density = np.exp(ps.log_e(s, np.full(s.size, n_eff), shape, 0.05) + law[:, None])
    total = (density[1:] + density[:-1]).sum(axis=0) * (s[1] - s[0]) / 2
    limit = 1 + (5e-2 if df == 1 else 1e-6)  # a chi-square with one degree has a pole at 0
    assert (total <= limit).all()


def test_no_drift_e_values_average_below_one_with_sparse_bins():
    """Multinomial windows whose missing and out-of-range bins are nearly empty: the e-values keep their promise."""
    rng = np.random.default_rng(7)
    p = np.array([0.1] * 9 + [0.0985, 0.001, 0.0005])
    reference = rng.multinomial(10_000, p, size=5000)
    for m in (200, 1000):
        seen = ps.windows(reference, rng.multinomial(m, p, size=5000))
        e = np.exp(ps.evidence(seen, 0.05))
        assert e.mean() <= 1
        assert ss.chi2.sf(seen.statistic, seen.df).mean() == pytest.approx(0.5, abs=0.02)


def tolerated(shape, eps=0.05):
    """Ten equal bins moved to a true PSI of exactly eps."""
    p, low, high = np.full(10, 0.1), 0.0, 6.0
    direction = {"shift": np.linspace(-1, 1, 10), "spike": np.eye(10)[4], "drop": -np.eye(10)[4]}[shape]
    for _ in range(60):
        q = p * np.exp((low + high) / 2 * direction)
        q /= q.sum()
        if ((q - p) * np.log(q / p)).sum() < eps:
            low = (low + high) / 2
        else:
            high = (low + high) / 2
    return q


@pytest.mark.parametrize("shape", ["shift", "spike", "drop"])
@pytest.mark.parametrize("m", [200, 1000])
def test_at_the_tolerated_drift_the_mixture_stays_below_one(shape, m):
    """The bare likelihood ratio does not: a bin that nearly empties by chance makes it explode."""
    rng = np.random.default_rng(1)
    reference = rng.multinomial(10_000, [0.1] * 10, size=20_000)
    seen = ps.windows(reference, rng.multinomial(m, tolerated(shape), size=20_000))
    capped = np.exp(ps.evidence(seen, 0.05))
    assert capped.mean() < 0.6
    assert capped.mean(axis=0).max() < 1.5


def test_drift_that_matters_is_found_in_a_few_windows():
    rng, found = np.random.default_rng(8), []
    for _ in range(40):
        reference, state = rng.multinomial(10_000, [0.1] * 10), ep.fresh(4)
        for _window in range(1, 100):
            seen = ps.windows(reference, rng.multinomial(200, tolerated("shift", 0.2)))
            state = ep.update(state, ps.evidence(seen, 0.05)[0], 1.0)
            if ep.log_m(state) >= np.log(2000):
                break
        found.append(_window)
    assert np.mean(found) < 5


def test_mass_of_missing_values_is_seen_although_the_bin_is_sparse():
    reference = np.array([*[1000] * 10, 0, 0])
    current = np.array([*[70] * 10, 0, 300])
    seen = ps.windows(reference, current)
    assert seen.df[0] == 9
    assert ps.evidence(seen, 0.05).max() > 40


def test_bins_that_nobody_occupies_do_not_exist():
    assert ps.psi([*R, 0, 0], [*C, 0, 0]) == pytest.approx(ps.psi(R, C), rel=1e-12)
    padded = ps.psi_many([[*R, 0], [1, 2, *[0] * 9]], [[*C, 0], [2, 1, *[0] * 9]])
    assert padded == pytest.approx([ps.psi(R, C), ps.psi([1, 2], [2, 1])], rel=1e-12)


@given(COUNTS)
def test_many_features_equal_one_by_one(sides):
    r, c = sides[0] + np.array([1, 0]).repeat([1, sides[0].shape[1] - 1]), sides[1] + 1
    many = ps.windows(r, c)
    for i in range(3):
        one = ps.windows(r[i], c[i])
        assert one.statistic[0] == pytest.approx(many.statistic[i], rel=1e-9, abs=1e-12)
        assert one.df[0] == many.df[i]
    assert (many.psi >= 0).all()
    assert np.isfinite(ps.evidence(many, 0.05)).all()
    assert (ps.evidence(many, 0.05) <= ps.log_e(many.statistic, many.n_eff, many.df, 0.05)).all()
    assert 0 <= ps.p_value(r[0], c[0], 0.05) <= 1
    r2, c2, _ = ps.pool_sparse(r, c)
    assert (r2.sum(axis=1) == r.sum(axis=1)).all()
    assert (c2.sum(axis=1) == c.sum(axis=1)).all()


def test_least_sizes():
    assert ps.least_eps0(560, 10) == pytest.approx(0.05, rel=5e-3)
    assert ps.least_rows(10) == 100
    assert ps.least_rows(10, single_window=True) == 500


def test_extremes_stay_finite():
    for s, n, df in ((0, 1e9, 9), (1e12, 1e9, 600), (1e-300, 1.0, 600), (700, 1.0, 600)):
        assert np.isfinite(ps.log_e(s, n, df, 0.05)).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: ps.psi([], []),
        lambda: ps.psi([0, 0], [1, 1]),
        lambda: ps.psi([1, 1], [0, 0]),
        lambda: ps.psi([1, np.nan], [1, 1]),
        lambda: ps.psi([1, -1], [1, 1]),
        lambda: ps.psi([1, 2, 3], [1, 1]),
        lambda: ps.psi([1, 0], [1, 1], 0),
        lambda: ps.psi([1, 1], [1, 1], -1),
        lambda: ps.log_e(-1, 10, 9, 0.05),
        lambda: ps.log_e(np.inf, 10, 9, 0.05),
        lambda: ps.log_e(1, 10, 9, 0.0),
        lambda: ps.log_e(1, 10, 601, 0.05),
        lambda: ps.p_value(R, C, -0.1),
        lambda: ps.alarm_level(100, 100, 1),
        lambda: ps.effective_rows(0, 1),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
