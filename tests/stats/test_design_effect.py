"""Design effects: independent rows lose nothing, known dependence is found, a corrected window keeps its law."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from autoheal.stats import design_effect as de
from autoheal.stats import psi
from autoheal.stats.reference_bins import cut

BLOCK = 500


def rows(rng: np.random.Generator, kind: str, n: int) -> np.ndarray:
    if kind == "copies":
        return np.repeat(rng.standard_normal(n // 4), 4)
    phi = {"even": 0.0, "neighbours": 0.9}[kind]
    return lfilter([1.0], [1.0, -phi], rng.standard_normal(n + 200) * np.sqrt(1 - phi**2))[200:]


def counts(stream: np.ndarray, bins, size: int = BLOCK) -> np.ndarray:
    return np.stack([bins.counts(part) for part in stream.reshape(-1, size)])


def design(kind: str, features: int, seed: int) -> tuple[de.Design, np.ndarray, np.ndarray]:
    """Effects of 20 blocks; the references; 40 later windows (windows, features, bins)."""
    rng = np.random.default_rng(seed)
    blocks, live, width = [], [], 13
    for _ in range(features):
        stream = rows(rng, kind, 60 * BLOCK)
        table = counts(stream, cut(stream[: 20 * BLOCK]))
        table = np.pad(table, ((0, 0), (0, width - table.shape[1])))
        blocks.append(table[:20])
        live.append(table[20:])
    before = np.stack(blocks, axis=1)
    return de.estimate(before), before.sum(axis=0), np.stack(live, axis=1)


def test_independent_rows_lose_nothing():
    got, _, _ = design("even", 100, 1)
    assert (got.scale == 1.0).mean() >= 0.97


def test_copies_count_once():
    got, _, _ = design("copies", 60, 2)
    # Four copies of each row: the true effect is 4, taken at its upper limit, its directions all alike.
    assert 4.0 <= np.median(got.mean) <= 5.5
    assert np.median(got.cv2) < 0.3


def test_the_corrected_statistic_keeps_to_its_law():
    got, reference, live = design("neighbours", 60, 3)
    beyond, bare = [], []
    for window in live:
        seen = psi.windows(reference, window)
        fixed = de.corrected(seen, got)
        # Without drift the mean of chi-square is its degrees of freedom; dependence only multiplies.
        beyond.append(fixed.statistic / fixed.df)
        bare.append(seen.statistic / seen.df)
        assert fixed.psi == pytest.approx(seen.psi)
        assert (fixed.n_eff < seen.n_eff).all()
    assert np.mean(bare) > 4.0
    assert 0.4 < np.mean(beyond) < 1.1
    e = np.exp(np.stack([psi.evidence(de.corrected(psi.windows(reference, w), got), 0.05) for w in live]))
    assert e.mean() < 1.0


def test_nothing_to_correct_is_the_same_window():
    reference, window = [[500, 300, 200.0]], [[40, 50, 20.0]]
    seen = psi.windows(reference, window)
    got = de.corrected(seen, de.independent(1))
    for name in ("psi", "statistic", "n_eff", "df", "sd"):
        assert getattr(got, name) == pytest.approx(getattr(seen, name))
    assert psi.evidence(got, 0.05) == pytest.approx(psi.evidence(seen, 0.05))


def test_blocks_are_as_long_as_windows_or_a_twentieth():
    assert de.block_rows(10_000, 500) == 500
    assert de.block_rows(200, 500) == 10
    assert de.block_rows(5, 500) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: de.estimate(np.ones((7, 2, 3))),
        lambda: de.estimate(np.ones((8, 3))),
        lambda: de.estimate(np.zeros((8, 2, 3))),
        lambda: de.corrected(psi.windows([[5.0, 5]], [[5.0, 5]]), de.independent(2)),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()


def test_constant_blocks_are_independent():
    got = de.estimate(np.tile(np.array([50.0, 50.0, 0.0]), (20, 2, 1)))
    assert (got.scale == 1.0).all()


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_neighbours_that_say_as_much_as_one_are_counted(phi: float) -> None:
    """(1 + phi) / (1 - phi) of an autoregression; ranks say about the same."""
    rng = np.random.default_rng(9)
    found = [
        de.correlation_time(lfilter([1.0], [1.0, -phi], rng.standard_normal(1_100))[100:]) for _ in range(40)
    ]
    assert np.mean(found) == pytest.approx((1 + phi) / (1 - phi), rel=0.15)
    assert min(found) >= 1.0


def test_a_series_that_is_too_short_or_never_changes_says_nothing_about_its_neighbours() -> None:
    assert de.correlation_time(np.arange(de.LEAST_VALUES - 1)) == 1.0
    assert de.correlation_time(np.ones(100)) == 1.0
    assert de.correlation_time(np.arange(100)) > 10.0
