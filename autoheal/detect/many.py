"""Drift that no single feature shows: means together, spreads and correlations. Pure.

Hotelling's T2 of the means and the largest z of the second moments (stats.multivariate) of each window. The first half of
the reference sets the scale; the windows of its second half say by how much both exceed their textbook laws (chi-square;
largest of d(d+1)/2 normals), since rows of real streams are alike. The p-values, never below 1/200 as if they were ranks
among 200 windows, bet by power calibrators. A law fitted to a dozen windows is approximate, so this only notifies.
``not_yet`` with fewer than eight reference windows.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, ndtr, ndtri

from autoheal.detect.clock import Clock, Raised
from autoheal.stats import multivariate, seasonal

Floats = NDArray[np.float64]

SUBJECTS = ("means", "spreads and correlations")
LEAST_WINDOWS = 8
HALVES = 2
LEAST_P = 1.0 / 200.0
WELL = 0.05


class Many:
    """Both statistics on one clock; ``reference``: its rows (n, d), NaN = missing."""

    def __init__(self, reference: Floats, window: int, shares: Floats) -> None:
        half = len(reference) // HALVES
        starts = range(half, len(reference) - window + 1, window)
        self._clock = Clock(SUBJECTS, shares, len(seasonal.POWERS), ("notify",))
        self.ready = len(starts) >= LEAST_WINDOWS
        if not self.ready:
            return
        self._law, self._half = multivariate.fit(reference[:half]), half
        d = reference.shape[1]
        self._d, self._pairs = d, d * (d + 1) / 2.0
        seen = np.array([self._values(reference[s : s + window])[0] for s in starts])
        # Twice the standard error of these means on top: few windows must not promise too much.
        slack = 1.0 + 2.0 * math.sqrt(2.0 / (d * len(starts)))
        usual = float(-ndtri((1.0 - 0.5 ** (1.0 / self._pairs)) / 2.0))
        self._excess = np.maximum(seen.mean(axis=0) / np.array([d, usual]) * slack, 1.0)

    def look(self, rows: Floats, days: float) -> tuple[list[Raised], tuple[float, float], tuple[int, int]]:
        """Alarms, both statistics, and the pair of features whose product moved most."""
        values, pair = self._values(rows)
        t2, z = np.array(values) / self._excess
        p = np.array([chdtrc(self._d, t2), -math.expm1(self._pairs * math.log1p(-2.0 * ndtr(-max(z, 1e-9))))])
        log_e = np.stack([seasonal.log_e_rank(float(u)) for u in np.clip(p, LEAST_P, 1.0)])
        return self._clock.step((log_e,), days, p > WELL), values, pair

    def _values(self, rows: Floats) -> tuple[tuple[float, float], tuple[int, int]]:
        """Both statistics, less what the first half's own error adds to them."""
        shift = multivariate.compare(self._law, multivariate.moments(self._law, rows))
        known = 1.0 + len(rows) / self._half
        return (shift.t2 / known, shift.max_z / math.sqrt(known)), shift.pair
