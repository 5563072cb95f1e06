"""Two models on the same rows: discordant pairs, agreement, and a proof of harmlessness without labels.

Pure. With labels, b = rows where only the new model is wrong, c = only the old one. The e-value against
"given a discordant pair, the new one is the wrong one with probability <= 1/2" mixes all larger probabilities
with half a Beta(1/2, 1/2); it holds at every look. Exact McNemar (1947) and its mid-p (Fagerland, Lydersen &
Laake 2013) are for one look, in reports. Without labels, two models differ in accuracy by no more than the rate
at which they disagree. Cohen's kappa (1960) is for display.

Counts are whole numbers >= 0; evidence is a natural log. Raises ValueError for negative or non-finite counts.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, betainc, betaln, chdtrc, gammaln

from autoheal.stats import inputs
from autoheal.stats.intervals import beta_mixture, log_beta_mixture

_TINY = 1e-290


def log_e_worse(b: float, c: float) -> float:
    """Log e for "the new model is the worse one" from ``b`` and ``c``, one-sided, at any look."""
    worse, better = _discordant(b, c)
    tail = float(betainc(better + 0.5, worse + 0.5, 0.5))
    if tail > _TINY:
        whole = float(betaln(worse + 0.5, better + 0.5)) - math.log(math.pi)
        return whole + math.log(tail) + (worse + better + 1.0) * math.log(2.0)
    return _log_e_far(worse, better)


def log_e_different(b: float, c: float) -> float:
    """Log e for "one of the two models is worse", two-sided Beta(1/2, 1/2) mixture, at any look."""
    worse, better = _discordant(b, c)
    return log_beta_mixture(worse, worse + better, 0.5)


def mcnemar(b: int, c: int) -> tuple[float, float, float]:
    """Two-sided p of one look: exact, mid-p, and chi-square with continuity correction. No pairs: all 1."""
    worse, better = _discordant(b, c)
    n, few = worse + better, min(worse, better)
    if n == 0:
        return 1.0, 1.0, 1.0
    point = math.exp(float(gammaln(n + 1) - gammaln(few + 1) - gammaln(n - few + 1)) - n * math.log(2.0))
    exact = 2.0 * float(bdtr(few, int(n), 0.5))
    # With equal counts both tails hold the middle point, once too often.
    mid = exact - point
    gap = max(abs(worse - better) - 1.0, 0.0)
    return min(exact, 1.0), min(mid, 1.0), float(chdtrc(1, gap * gap / n))


def kappa(table: ArrayLike) -> float:
    """Cohen's kappa of a square table of counts; 1 when only one class occurs (they always agree)."""
    counts = inputs.matrix("table", table)
    if counts.shape[0] != counts.shape[1] or (counts < 0).any() or counts.sum() <= 0:
        raise ValueError("the table must be square, of counts >= 0 with some rows")
    shares = counts / counts.sum()
    chance = float(shares.sum(axis=0) @ shares.sum(axis=1))
    agreed = float(np.trace(shares))
    return 1.0 if chance >= 1.0 else (agreed - chance) / (1.0 - chance)


def disagreement(differing: int, rows: int, alpha: float = 0.05) -> tuple[float, float]:
    """Limits of the rate at which two models disagree, valid at every look."""
    return beta_mixture(differing, rows, alpha)


def harmless_without_labels(differing: int, rows: int, margin: float, alpha: float = 0.05) -> bool:
    """Proof, without a label, that accuracy cannot have changed by ``margin``: disagreement is surely below it."""
    inputs.positive("margin", margin)
    return disagreement(differing, rows, alpha)[1] < margin


def _discordant(b: float, c: float) -> tuple[float, float]:
    if not (math.isfinite(b) and math.isfinite(c) and b >= 0 and c >= 0):
        raise ValueError(f"counts of discordant pairs must be finite and >= 0, got {b} and {c}")
    return float(b), float(c)


def _log_e_far(b: float, c: float) -> float:
    """``log_e_worse`` where the Beta tail underflows (c far above b): Gauss's series, all terms positive."""
    term = total = 1.0
    step = 0.0
    while term > 1e-17 * total:
        term *= (b + c + 1.0 + step) / (2.0 * (c + 1.5 + step))
        total += term
        step += 1.0
    return math.log(total) - math.log(c + 0.5) - math.log(math.pi)
