"""Wald's sequential probability ratio test, and its mixture for means without bounds.

Pure. *SPRT* (Wald 1945): log likelihood ratio of "worse by delta" against "equal", D = loss(canary) -
loss(control); crossing A = ln((1-beta)/alpha) upwards means roll back, B = ln(beta/(1-alpha)) downwards means
promote. Its errors hold only for these two hypotheses and the true variance: a wrong sigma breaks it badly, so
the bets of canary.py are the default. *mSPRT* (Johari, Koomen, Pekelis & Walsh, "Always valid inference", 2022):
normal mixture over the shift, for means that cannot be scaled to [0, 1]; asymptotic, from 100 rows on.

Evidence is a natural log; ``sigma`` in the unit of D. Raises ValueError for NaN, and for parameters outside
their range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy.special import ndtri

from autoheal.stats import inputs
from autoheal.stats.canary import Outcome

MSPRT_LEAST_ROWS = 100


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Roll back at ``upper`` or above, promote at ``lower`` or below."""

    upper: float
    lower: float

    def decide(self, log_ratio: float) -> Outcome:
        """Positive evidence speaks against the canary."""
        if math.isnan(log_ratio):
            raise ValueError("the log likelihood ratio is NaN")
        if log_ratio >= self.upper:
            return Outcome.ROLLBACK
        return Outcome.PROMOTE if log_ratio <= self.lower else Outcome.CONTINUE


@dataclass(frozen=True, slots=True)
class Lengths:
    """Expected rows in units of sigma^2/delta^2: when equal, when worse by delta, and of the fixed-size test."""

    equal: float
    worse: float
    fixed: float


def boundaries(alpha: float = 0.05, beta: float = 0.10) -> Boundaries:
    """Wald's approximate boundaries for P(roll back | equal) = alpha, P(promote | worse) = beta."""
    _errors(alpha, beta)
    return Boundaries(math.log((1.0 - beta) / alpha), math.log(beta / (1.0 - alpha)))


def gaussian_log_ratio(differences: ArrayLike, delta: float, sigma: float) -> float:
    """Sum of (delta D - delta^2/2)/sigma^2."""
    d = inputs.vector("differences", differences, least=0)
    inputs.positive("delta", delta)
    return delta * (float(d.sum()) - d.size * delta / 2.0) / inputs.positive("sigma", sigma) ** 2


def discordant_log_ratio(b: int, c: int, share: float) -> float:
    """Log ratio of "a share of discordant pairs has the new model wrong" against one half."""
    if not 0.5 < share < 1.0:
        raise ValueError(f"share must lie between 1/2 and 1, got {share}")
    if b < 0 or c < 0:
        raise ValueError("counts must be >= 0")
    return b * math.log(2.0 * share) + c * math.log(2.0 * (1.0 - share))


def lengths(alpha: float = 0.05, beta: float = 0.10) -> Lengths:
    """Wald's expected lengths of the Gaussian test."""
    bar = boundaries(alpha, beta)
    equal = -2.0 * ((1.0 - alpha) * bar.lower + alpha * bar.upper)
    worse = 2.0 * ((1.0 - beta) * bar.upper + beta * bar.lower)
    return Lengths(equal, worse, float(ndtri(1.0 - alpha) + ndtri(1.0 - beta)) ** 2)


def mixture_log_ratio(n: float, mean: float, variance: float, tau2: float) -> float:
    """mSPRT: log of the mixture N(0, tau2) of shifts against no shift; two-sided, 0 below 100 rows."""
    inputs.positive("variance", variance)
    inputs.positive("tau2", tau2)
    if not math.isfinite(mean):
        raise ValueError("mean must be finite")
    if n < MSPRT_LEAST_ROWS:
        return 0.0
    spread = variance / n
    gain = mean**2 * tau2 / (2.0 * spread * (spread + tau2))
    return 0.5 * math.log(spread / (spread + tau2)) + gain


def _errors(alpha: float, beta: float) -> None:
    if inputs.fraction("alpha", alpha) + inputs.fraction("beta", beta) >= 1.0:
        raise ValueError("alpha + beta must be below 1")
