"""The tail beyond what was seen: exact on a case by hand, and honest about an index that was only estimated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoheal.stats.surprise import PRIOR_INDEX, PRIOR_ROWS, Past, surprises


def test_the_tail_by_hand() -> None:
    """100 sizes 1..2 evenly in the log: edge = the sixth largest, then the predictive Pareto tail."""
    sizes = np.exp(np.linspace(0.0, math.log(2.0), 100))
    past = Past.of(sizes.tolist(), 0.0)
    above = math.log(2.0) / 99 * np.arange(1, 6)
    rows, total = PRIOR_ROWS + 5, PRIOR_INDEX * PRIOR_ROWS + float(above.sum())
    edge = float(sizes[-6])
    expected = -math.log(6 / 101) + rows * math.log1p(math.log(8.0 / edge) / total)
    assert past.enter(8.0) == pytest.approx(expected, rel=1e-12)


def test_a_rank_inside_and_nothing_before_there_is_a_past() -> None:
    past = Past.of(range(1, 101), 0.0)
    assert past.enter(50.5) == pytest.approx(-math.log(51 / 101))
    assert Past.of(range(29), 0.0).enter(1e9) == 0.0


@pytest.mark.parametrize(("index", "times"), [(0.05, 1.5), (0.13, 2.0), (0.33, 5.0), (1.0, 6.0)])
def test_p_values_of_a_pareto_tail_are_nearly_what_they_say(index: float, times: float) -> None:
    """Of 60,000 sizes 15 should lie beyond p = 1/4000; the imagined light tail makes heavy ones a few times as many."""
    rng = np.random.default_rng(8)
    sizes = np.exp(index * rng.exponential(size=60_000))
    beyond = int((surprises(sizes, np.zeros(len(sizes))) > math.log(4000)).sum())
    assert beyond <= 15 * times


def test_an_outage_does_not_teach_that_outages_are_usual() -> None:
    rng = np.random.default_rng(2)
    calm = np.abs(rng.normal(size=900))
    again = np.append(calm, [50.0] * 3)
    assert surprises(again, np.zeros(len(again)))[-1] > 8.0
