"""The textbook rules on the same windows as ours: KS, KS with Bonferroni, PSI > 0.2 and > 0.1, slope over seven days.

Vectorised over the windows of one feature; ``statistics.py`` calls ``flags``. An alarm that goes on from one look to the
next is one alarm, as for our clock (``onsets``), although the tools that have these rules send one each time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogorov, stdtr

from autoheal.stats.psi import psi_many

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RULES = (
    "KS p < 0.05",
    "KS p < 0.05, Bonferroni over features",
    "PSI > 0.1",
    "PSI > 0.2",
    "slope over 7 days, p < 0.05",
)
WEEK = 7


def flags(reference: Floats, windows: Floats, counts: tuple[Floats, Floats], features: int) -> list[Bools]:
    """One row of verdicts a rule, over the hourly windows (W, rows) of one feature; the slope's are by day."""
    p = ks_p(np.sort(reference), np.sort(windows, axis=1))
    known, seen = counts
    psi = psi_many(np.broadcast_to(known, seen.shape), seen)
    return [p < 0.05, p < 0.05 / features, psi > 0.1, psi > 0.2, slopes(windows) < 0.05]


def onsets(verdicts: Bools) -> int:
    """Alarms that begin."""
    return int(verdicts[:1].sum() + (verdicts[1:] & ~verdicts[:-1]).sum())


def ks_p(reference: Floats, windows: Floats) -> Floats:
    """Asymptotic p of the two-sample test of each window; both sides sorted; ties as they should be."""
    n, m = len(reference), windows.shape[1]
    last = np.ones(windows.shape, dtype=np.bool_)
    last[:, :-1] = windows[:, :-1] != windows[:, 1:]
    first = np.ones(windows.shape, dtype=np.bool_)
    first[:, 1:] = last[:, :-1]
    rank = np.arange(1, m + 1) / m
    upto = np.searchsorted(reference, windows, side="right") / n
    below = np.searchsorted(reference, windows, side="left") / n
    above = np.where(last, np.abs(rank - upto), 0.0).max(axis=1)
    under = np.where(first, np.abs(below - (rank - 1.0 / m)), 0.0).max(axis=1)
    distance = np.maximum(above, under)
    return np.asarray(kolmogorov(distance * np.sqrt(n * m / (n + m))), dtype=np.float64)


def slopes(windows: Floats) -> Floats:
    """Two-sided p of the slope of the daily means over the last seven days, for each day from the seventh on."""
    daily = windows.reshape(-1, 24 * windows.shape[1]).mean(axis=1)
    if len(daily) < WEEK:
        return np.ones(0)
    y = np.lib.stride_tricks.sliding_window_view(daily, WEEK)
    x = np.arange(WEEK) - (WEEK - 1) / 2.0
    slope = y @ x / (x @ x)
    rest = ((y - y.mean(axis=1, keepdims=True) - slope[:, None] * x) ** 2).sum(axis=1)
    t = slope / np.sqrt(rest / (WEEK - 2) / (x @ x))
    return np.asarray(2.0 * stdtr(WEEK - 2, -np.abs(t)), dtype=np.float64)
