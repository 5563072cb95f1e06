"""Many hypotheses at once: e-BH, e-LOND, calibrators from p to e, and the familiar Holm and Benjamini-Hochberg.

Pure. *e-BH* (Wang & Ramdas, "False discovery rate control with e-values", 2022): reject the k largest where
``e_(k) >= n / (alpha k)``; FDR <= alpha under any dependence. *e-LOND* (Xu & Ramdas, "Online multiple testing
with e-values", 2024): FDR of an endless ledger of investigated alarms, any dependence. *Calibrators* (Vovk &
Wang 2021) turn one p-value into an e-value; never feed them p-values of overlapping windows. *Holm* and *BH*
return adjusted p-values.

e-values and p-values are vectors (n,); e may be infinite, NaN is refused with ValueError, as are negative e
and p outside [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs


def e_bh(e: ArrayLike, alpha: float = 0.1) -> tuple[NDArray[np.bool_], float]:
    """Which hypotheses e-BH rejects, (n,), and the level that they reached; infinity when it rejects none."""
    values = _evidence(e)
    inputs.fraction("alpha", alpha)
    ordered = np.sort(values)[::-1]
    levels = values.size / (alpha * np.arange(1, values.size + 1))
    passed = np.flatnonzero(ordered >= levels)
    if passed.size == 0:
        return np.zeros(values.size, dtype=np.bool_), math.inf
    level = float(levels[passed[-1]])
    return values >= level, level


@dataclass(frozen=True, slots=True)
class ELond:
    """An endless ledger: hypotheses ``tested`` so far, and how many of them were ``rejected``."""

    alpha: float = 0.1
    tested: int = 0
    rejected: int = 0

    def level(self) -> float:
        """The level of the next hypothesis: alpha gamma_t (rejected + 1), gamma_t = 6/(pi t)^2."""
        inputs.fraction("alpha", self.alpha)
        return self.alpha * 6.0 / (math.pi * (self.tested + 1)) ** 2 * (self.rejected + 1)

    def test(self, e: float) -> tuple[ELond, bool]:
        """Enter one e-value; returns the ledger after it, and whether it is rejected."""
        if math.isnan(e) or e < 0:
            raise ValueError(f"an e-value cannot be {e}")
        hit = e >= 1.0 / self.level()
        return ELond(self.alpha, self.tested + 1, self.rejected + hit), hit


def power_calibrator(p: ArrayLike, k: float = 0.5) -> NDArray[np.float64]:
    """Evidence k p^(k-1) of each p; infinity at p = 0."""
    inputs.fraction("k", k)
    values = _chances(p)
    safe = np.where(values > 0, values, 1.0)
    return np.where(values > 0, k * safe ** (k - 1.0), np.inf)


def mixture_calibrator(p: ArrayLike) -> NDArray[np.float64]:
    """Average of the power calibrators over k: (1 - p + p ln p) / (p ln^2 p); 1/2 at p = 1, infinity at 0."""
    values = _chances(p)
    inside = (values > 0) & (values < 1)
    safe = np.where(inside, values, 0.5)
    log_p = np.log(safe)
    # Near p = 1 numerator and denominator cancel: use the first terms of the series in -ln p.
    near = log_p > -1e-4
    curve = (1.0 - safe + safe * log_p) / (safe * np.where(near, -1.0, log_p) ** 2)
    series = 0.5 - log_p / 6.0
    return np.where(inside, np.where(near, series, curve), np.where(values == 0, np.inf, 0.5))


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjusted p-values, (n,): reject where <= alpha; family-wise error, any dependence."""
    values = _chances(p)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(values.size, 0, -1)
    return _back(order, np.minimum(np.maximum.accumulate(scaled), 1.0))


def benjamini_hochberg(p: ArrayLike) -> NDArray[np.float64]:
    """Benjamini-Hochberg adjusted p-values, (n,): FDR when the tests are independent or positively dependent."""
    values = _chances(p)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * (values.size / np.arange(1, values.size + 1))
    return _back(order, np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0))


def _back(order: NDArray[np.intp], ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    placed = np.empty_like(ordered)
    placed[order] = ordered
    return placed


def _chances(p: ArrayLike) -> NDArray[np.float64]:
    values = np.atleast_1d(np.asarray(p, dtype=np.float64))
    if values.ndim != 1 or values.size == 0 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError("p-values must be a non-empty vector of numbers in [0, 1]")
    return values


def _evidence(e: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(e, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not (values >= 0).all():
        raise ValueError("e-values must be a non-empty vector of numbers >= 0")
    return values
