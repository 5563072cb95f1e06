"""Data in which nothing is wrong, in the guises that break alarms: for ``statistics.py``, point 1.

A feature's stream is its reference rows and then ``days`` of rows in 24 hours each, from one unchanging law. "Nothing
wrong" includes what every service has: rows that resemble their neighbours, days and nights, rows sent more than once.
Each feature draws from a seed of its own, so that a sample of the features is the same rows as in the whole run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True)
class Case:
    """``rows`` an hour, ``reference`` rows before them; ``draw(rng, rows, rows an hour)`` gives a stream (rows,).

    ``shuffled``: the reference's rows come in no order. ``promised``: autoheal claims to keep its budget here.
    """

    name: str
    rows: int
    reference: int
    draw: Callable[[Rng, int, int], Floats]
    shuffled: bool = False
    promised: bool = True

    def stream(self, feature: int, days: int, seed: int) -> Floats:
        """Reference and live rows of one feature, in the order of time."""
        rng = np.random.default_rng((seed, feature))
        stream = self.draw(rng, self.reference + days * 24 * self.rows, self.rows)
        if self.shuffled:
            rng.shuffle(stream[: self.reference])
        return stream

    def times(self, days: int) -> Floats:
        """Unix seconds of the same rows; the reference was collected at the same pace just before."""
        rows = self.reference + days * 24 * self.rows
        return np.arange(rows, dtype=np.float64) * (3600.0 / self.rows)


def _even(rng: Rng, rows: int, _hourly: int) -> Floats:
    return rng.standard_normal(rows)


def _heavy(rng: Rng, rows: int, _hourly: int) -> Floats:
    return np.asarray(rng.standard_t(1.5, rows), dtype=np.float64)


def _integers(rng: Rng, rows: int, _hourly: int) -> Floats:
    """A dozen values; every feature with another mean, so that some are levels and some are quantities."""
    return rng.poisson(rng.choice([2.0, 30.0, 200.0]), rows).astype(np.float64)


def _neighbours(phi: float) -> Callable[[Rng, int, int], Floats]:
    """First-order autoregression from row to row, of unit variance."""

    def draw(rng: Rng, rows: int, _hourly: int) -> Floats:
        noise = rng.standard_normal(rows + 200) * np.sqrt(1.0 - phi**2)
        return np.asarray(lfilter([1.0], [1.0, -phi], noise)[200:], dtype=np.float64)

    return draw


def _days(rng: Rng, rows: int, hourly: int) -> Floats:
    """Half a standard deviation up by day and down by night, a fifth less on two days of seven."""
    hour = np.arange(rows) / hourly
    daily = 0.5 * np.sin(2.0 * np.pi * (hour / 24.0 + rng.random()))
    weekend = -0.2 * (np.floor(hour / 24.0) % 7 >= 5)
    return np.asarray(daily + weekend + rng.standard_normal(rows), dtype=np.float64)


def _copies(rng: Rng, rows: int, _hourly: int) -> Floats:
    """Every row arrives once or more, twice on average: retries, and joins that multiply."""
    times = rng.geometric(0.5, rows)
    return np.repeat(rng.standard_normal(rows), times)[:rows]


CASES = (
    Case("independent rows", 500, 10_000, _even),
    Case("autocorrelated, 0.5 from row to row", 500, 10_000, _neighbours(0.5)),
    Case("autocorrelated, 0.9 from row to row", 500, 10_000, _neighbours(0.9)),
    Case("seasons of day and week", 500, 14 * 24 * 500, _days),
    Case("duplicates, two copies on average", 500, 10_000, _copies),
    Case("heavy tails, t with 1.5 degrees", 500, 10_000, _heavy),
    Case("tiny windows, 30 rows an hour", 30, 10_000, _even),
    Case("tiny reference, 200 rows", 500, 200, _even),
    Case("ties, integers", 500, 10_000, _integers),
    # Where a reference cannot show what is usual, no method can know it.
    Case("limit: autocorrelated 0.9, shuffled reference", 500, 10_000, _neighbours(0.9), True, False),
    Case("limit: seasons, reference of 20 hours", 500, 10_000, _days, promised=False),
)
