"""Calibration: probabilities that mean what they say, and an honest error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.stats import calibration


def sample(n: int, bend: float = 1.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose true chance is their logit times ``bend``."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1.5, n)
    y = rng.random(n) < 1 / (1 + np.exp(-bend * x))
    return 1 / (1 + np.exp(-x)), y.astype(float)


@pytest.mark.parametrize("n", [300, 5000])
@pytest.mark.parametrize("bend", [1.0, 0.4])
def test_over_confident_scores_are_mended(n: int, bend: float) -> None:
    scores, labels = sample(n, bend)
    curve = calibration.fit(scores, labels)
    fresh, truth = sample(20_000, bend, seed=2)
    for low in (0.1, 0.3, 0.5, 0.7):
        chosen = (fresh > low) & (fresh <= low + 0.2)
        assert curve(fresh[chosen]).mean() == pytest.approx(
            truth[chosen].mean(), abs=0.08 if n < 1000 else 0.05
        )
    assert curve.ece < (0.1 if n < 1000 else 0.05)


def test_pools_of_a_known_sample() -> None:
    # 0.1 -> 0, then 0.2..0.4 violate (1, 0, 1) -> two pools (0.2, 0.3 -> 1/2), 0.4 -> 1.
    x, p = calibration._isotonic(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.0, 1.0, 0.0, 1.0]))
    assert x.tolist() == pytest.approx([0.1, 0.25, 0.4])
    assert p.tolist() == pytest.approx([0.0, 0.5, 1.0])


def test_scores_that_mean_the_opposite_become_one_rate() -> None:
    scores, labels = sample(400)
    curve = calibration.fit(1.0 - scores, labels)
    assert np.ptp(curve.chances) < 0.01


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=20, max_size=60),
)
def test_always_a_rising_polygon_of_probabilities(rows: list[tuple[float, bool]]) -> None:
    scores, labels = [s for s, _ in rows], [float(y) for _, y in rows]
    if len(set(labels)) < 2:
        with pytest.raises(ValueError, match="both must occur"):
            calibration.fit(scores, labels)
        return
    curve = calibration.fit(scores, labels)
    assert (np.diff(curve.scores) > 0).all()
    assert (np.diff(curve.chances) >= 0).all()
    assert 0.0 <= min(curve.chances) <= max(curve.chances) <= 1.0
    assert 0.0 <= curve.ece <= 1.0


@pytest.mark.parametrize("bad", [[0.5] * 19, [np.nan] * 20, [1.5] * 20])
def test_unusable_scores_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match=r"scores|rows"):
        calibration.fit(bad, [0.0, 1.0] * 10)
