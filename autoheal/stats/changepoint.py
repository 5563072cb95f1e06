"""When did it start: the posterior over start times that the Shiryaev-Roberts statistic itself carries.

Pure. M is a sum over possible starts tau of ``weight_tau mean_k prod_{i >= tau} e_{k,i}``; normalised, that is
P(start = tau). Point estimate: its median; interval: its 10%-90% quantiles (measured coverage 0.79-0.87), or
2.5%-97.5% (0.96-0.97). ``glr_profile`` is the generalised likelihood ratio of every start (Lorden 1971), for
drawing; its sets are too short and its argmax comes late for small shifts. After Shin, Ramdas & Rinaldo (2024).

``log_e`` is (n, K), one row a step (a row of data, or a batch) in the order of prediction time; starts are
0-based steps. Raises ValueError for empty or non-finite input and shapes that differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, xlog1py, xlogy

from autoheal.stats import inputs
from autoheal.stats.eprocess import CLIP, EState


@dataclass(frozen=True, slots=True)
class Start:
    """Steps at which the change may have begun: posterior median and the ends of its interval.

    ``low`` ends the good reference; ``high`` begins the window to retrain on. ``log_m`` is the log of M.
    """

    median: int
    low: int
    high: int
    log_m: float


def log_posterior(
    log_e: ArrayLike, weight_days: ArrayLike = 1.0, before: EState | None = None
) -> tuple[NDArray[np.float64], float]:
    """Log P(start = step), (n,), and log M after the last step.

    ``weight_days``: one weight, or one a step. ``before``: the evidence held ahead of the first kept step; its
    mass means "at the first step or earlier" and is given to step 0.
    """
    steps = np.clip(inputs.matrix("log_e", log_e), -CLIP, CLIP)
    weights = np.broadcast_to(np.asarray(weight_days, dtype=np.float64), steps.shape[:1])
    if not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError("weight_days must be finite and above 0")
    ahead = np.cumsum(steps[::-1], axis=0)[::-1]
    mass = ahead + np.log(weights)[:, None]
    if before is not None:
        mass[0] = np.logaddexp(mass[0], np.array(before.log_r) + ahead[0])
    logs = logsumexp(mass, axis=1) - math.log(steps.shape[1])
    total = float(logsumexp(logs))
    return np.asarray(logs - total, dtype=np.float64), total


def start_of(
    log_e: ArrayLike,
    weight_days: ArrayLike = 1.0,
    before: EState | None = None,
    *,
    interval: float = 0.8,
) -> Start:
    """Posterior median and central interval of the start."""
    inputs.fraction("interval", interval)
    logs, log_m = log_posterior(log_e, weight_days, before)
    tail = (1.0 - interval) / 2.0
    low, median, high = quantiles(logs, [tail, 0.5, 1.0 - tail])
    return Start(median, low, high, log_m)


def quantiles(log_mass: ArrayLike, at: ArrayLike) -> tuple[int, ...]:
    """First steps at which the posterior reaches the given shares."""
    reached = np.cumsum(np.exp(np.asarray(log_mass, dtype=np.float64)))
    wanted = inputs.losses("at", at) * reached[-1]
    found = np.searchsorted(reached, wanted * (1.0 - 1e-12), side="left")
    return tuple(np.minimum(found, reached.size - 1).tolist())


def glr_profile(p0: float, n: ArrayLike, k: ArrayLike) -> NDArray[np.float64]:
    """Log likelihood ratio of "the rate rose above p0 at this step", (steps,), from rows and errors a step."""
    inputs.fraction("p0", p0)
    rows, errors = inputs.vector("n", n), inputs.vector("k", k)
    if rows.shape != errors.shape or (rows < 0).any() or (errors < 0).any() or (errors > rows).any():
        raise ValueError("each step needs 0 <= errors <= rows")
    total, bad = np.cumsum(rows[::-1])[::-1], np.cumsum(errors[::-1])[::-1]
    rate = np.where(total > 0, bad / np.where(total > 0, total, 1.0), 0.0)
    free = xlogy(bad, rate) + xlog1py(total - bad, -rate)
    null = bad * math.log(p0) + (total - bad) * math.log1p(-p0)
    return np.where(rate > p0, free - null, 0.0)
