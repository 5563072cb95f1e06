"""How much less rows say than independent ones would: design effects of drift windows, and windows corrected for them.

Pure. Rows that resemble their neighbours (sessions, retries, hours of the day) scatter the shares of a window more than
independent rows do, so that PSI's law promises too much: at an autocorrelation of 0.9 from row to row two hundred healthy
features raised two thousand false alarms a month. The remedy of survey statistics: blocks of the reference, as long as
a window, show the true covariance of the shares; with its eigenvalues l (relative to independent rows) the statistic is
about ``mean(l) (1 + cv2) chi2_nu`` with ``nu = df / (1 + cv2)``, cv2 = squared coefficient of variation of l. After
Rao & Scott, "On chi-squared tests for multiway contingency tables with cell proportions estimated from survey data"
(1984), second order (Satterthwaite).

What surprises: an effect within three standard errors of 1 counts as 1, so that independent rows lose no power, and
another is taken at its upper limit, since a reference has few blocks. A reference whose rows were shuffled shows no
dependence; nothing here can see it then. Counts are (blocks, F, bins); effects (F,). Raises ValueError for shapes that
do not fit, fewer than 8 blocks, empty blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs, psi

LEAST_BLOCKS = 8
ENOUGH_BLOCKS = 20
LEAST_VALUES = 20  # of a series
SURE = 3.0  # standard errors above 1 before rows count as dependent
UPPER = 2.0  # standard errors added to an effect that counts

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Mean design effect ``mean`` >= 1 and the squared variation ``cv2`` >= 0 of its eigenvalues, (F,) each."""

    mean: Floats
    cv2: Floats

    @property
    def scale(self) -> Floats:
        """So many rows say as much as one that is independent."""
        return np.asarray(self.mean * (1.0 + self.cv2))


def block_rows(reference: int, window: int) -> int:
    """Rows a block: a window's, or a twentieth of a reference that holds fewer than twenty windows."""
    return max(min(window, reference // ENOUGH_BLOCKS), 1)


def independent(features: int) -> Design:
    """No correction."""
    return Design(np.ones(features), np.zeros(features))


def estimate(blocks: ArrayLike, min_expected: float = psi.MIN_EXPECTED) -> Design:
    """Design effects of F features from the counts of consecutive blocks of a healthy reference."""
    counts = inputs.tally("block counts", blocks)
    if counts.ndim != 3 or len(counts) < LEAST_BLOCKS:
        raise ValueError(f"need (blocks, features, bins) of {LEAST_BLOCKS} blocks, got shape {counts.shape}")
    away, df = _residuals(counts, min_expected)
    n = len(counts)
    total = np.einsum("bfk,bfk->f", away, away) / n
    squares = (np.einsum("bfk,bfl->fkl", away, away) ** 2).sum(axis=(1, 2)) / n**2
    # A sample covariance spreads its eigenvalues; what that alone adds is taken off again.
    true_squares = np.maximum(squares - total**2 / n, 0.0) / (1.0 + 1.0 / n)
    mean = total / df
    cv2 = np.clip(df * true_squares / np.maximum(total, 1e-12) ** 2 - 1.0, 0.0, np.maximum(df - 1.0, 0.0))
    dependent = mean > 1.0 + SURE * np.sqrt(2.0 / (n * df))
    upper = mean * (1.0 + UPPER * np.sqrt(2.0 * (1.0 + cv2) / (n * df)))
    return Design(np.where(dependent, upper, 1.0), np.where(dependent, cv2, 0.0))


def corrected(window: psi.Window, design: Design) -> psi.Window:
    """The same window with the statistic, degrees of freedom and rows that its law fits; ``psi`` stays as shown."""
    if window.psi.shape != design.mean.shape:
        raise ValueError(f"{design.mean.shape[0]} design effects for {window.psi.shape[0]} features")
    df = np.where(window.df > 0, np.maximum(window.df / (1.0 + design.cv2), 1.0), 0.0)
    scale = design.mean * np.where(window.df > 0, window.df / np.maximum(df, 1e-12), 1.0)
    pooled = window.statistic / window.n_eff
    return replace(
        window,
        statistic=window.statistic / scale,
        n_eff=window.n_eff / scale,
        df=df,
        lead=pooled - np.maximum(pooled - window.lead, 0.0) * design.mean,
        sd=window.sd * np.sqrt(scale),
    )


def _residuals(counts: Floats, min_expected: float) -> tuple[Floats, Floats]:
    """Pearson residuals of each block against all of them, and the degrees of freedom, with sparse bins pooled."""
    whole = counts.sum(axis=0)
    away = []
    df = np.ones(whole.shape[0])
    for block in counts:
        r, c, free = psi.pool_sparse(whole, block, min_expected)
        p = r / r.sum(axis=1, keepdims=True)
        rows = c.sum(axis=1, keepdims=True)
        # A block is part of the whole that it is compared with.
        n_eff = 1.0 / np.maximum(1.0 / rows - 1.0 / r.sum(axis=1, keepdims=True), 1e-12)
        away.append((c / rows - p) * np.sqrt(n_eff / np.where(p > 0, p, 1.0)))
        df = np.maximum(free, 1.0)
    return np.stack(away), df


def correlation_time(values: ArrayLike) -> float:
    """How many neighbours of a series in the order of time say as much as one of their own: at least 1.

    The integrated autocorrelation time of the ranks, up to the first correlation that chance explains (Sokal 1997,
    Monte Carlo methods in statistical mechanics, section 3).
    """
    series = inputs.vector("values", values)
    n = series.size
    if n < LEAST_VALUES:
        return 1.0
    _, place, ties = np.unique(series, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties + n) / 2.0)[place]
    if not ranks.any():
        return 1.0
    power = np.abs(np.fft.rfft(ranks, 2 * n)) ** 2
    lags = np.fft.irfft(power)[1 : n // 2] / float(ranks @ ranks)
    chance = lags < 2.0 / math.sqrt(n)
    end = int(np.argmax(chance)) if chance.any() else len(lags)
    return 1.0 + 2.0 * float(lags[:end].sum())
