"""Intervals for a rate or a mean: exact at one look, or valid at every look for ever.

Pure. *Clopper-Pearson* (1934): exact binomial limits at one fixed n. *Beta mixture*: the confidence sequence
that inverts the Beta(1/2, 1/2)-mixture martingale; holds at all n together, for 0/1 outcomes and, because the
likelihood ratio is convex in the outcome, for any outcomes in [0, 1]. *Normal mixture*: the closed form of
Howard, Ramdas, McAuliffe & Sekhon (2021) for sub-Gaussian sums with variance process V (V = n/4 for outcomes
in [0, 1]). For display and reports; watching is the e-detector's work.

Rates are shares in [0, 1]; limits come as (low, high). Raises ValueError for k outside [0, n] and alpha
outside (0, 1). Zero rows give (0, 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.special import betaincinv, betaln, xlog1py, xlogy

from autoheal.stats import inputs

_HALVINGS = 80  # leaves a bracket of 1e-24: the limit is exact in floating point
_LOG_B_HALF = float(betaln(0.5, 0.5))


def clopper_pearson_upper(k: float, n: float, alpha: float = 0.05) -> float:
    """One-sided exact upper limit of ``k`` events in ``n`` rows."""
    rows, events = inputs.hits_of(n, k)
    inputs.fraction("alpha", alpha)
    return 1.0 if events == rows else float(betaincinv(events + 1.0, rows - events, 1.0 - alpha))


def clopper_pearson_lower(k: float, n: float, alpha: float = 0.05) -> float:
    """One-sided exact lower limit of ``k`` events in ``n`` rows."""
    rows, events = inputs.hits_of(n, k)
    inputs.fraction("alpha", alpha)
    return 0.0 if events == 0 else float(betaincinv(events, rows - events + 1.0, alpha))


def clopper_pearson(k: float, n: float, alpha: float = 0.05) -> tuple[float, float]:
    """Two-sided exact limits, ``alpha / 2`` on each side."""
    half = inputs.fraction("alpha", alpha) / 2.0
    return clopper_pearson_lower(k, n, half), clopper_pearson_upper(k, n, half)


def rule_of_three(n: float, alpha: float = 0.05) -> float:
    """Upper limit of a rate never seen in ``n`` rows: 1 - alpha^(1/n), about 3/n."""
    inputs.positive("n", n)
    return -math.expm1(math.log(inputs.fraction("alpha", alpha)) / n)


def null_rate(k: float, n: float, *, tolerance: float = 0.1, alpha: float = 0.05) -> float:
    """The healthy ceiling p0 of a mean loss: max(exact upper limit, baseline x (1 + tolerance)).

    Strictly between 0 and 1, so that it can be bet against; ``k`` may be a sum of losses in [0, 1].
    """
    rows, events = inputs.hits_of(n, k)
    inputs.positive("n", rows)
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance must be >= 0, got {tolerance}")
    ceiling = max(clopper_pearson_upper(events, rows, alpha), events / rows * (1.0 + tolerance))
    return min(ceiling, 1.0 - 1e-6)


def beta_mixture(k: float, n: float, alpha: float = 0.05) -> tuple[float, float]:
    """Confidence sequence of a mean in [0, 1] from ``n`` outcomes that add up to ``k``, valid at every n."""
    rows, events = inputs.hits_of(n, k)
    limit = -math.log(inputs.fraction("alpha", alpha))
    if rows == 0:
        return 0.0, 1.0

    def too_far(mean: float) -> bool:
        return log_beta_mixture(events, rows, mean) >= limit

    centre = events / rows
    low = 0.0 if events == 0 else _boundary(too_far, 0.0, centre)
    high = 1.0 if events == rows else _boundary(too_far, 1.0, centre)
    return low, high


def log_beta_mixture(k: float, n: float, p0: float) -> float:
    """Log e of the Beta(1/2, 1/2) mixture of rates against the single rate ``p0`` (two-sided)."""
    rows, events = inputs.hits_of(n, k)
    null = float(xlogy(events, p0) + xlog1py(rows - events, -p0))
    return float(betaln(events + 0.5, rows - events + 0.5)) - _LOG_B_HALF - null


def normal_mixture(
    mean: float, n: float, *, rho: float = 500.0, alpha: float = 0.05, variance: float | None = None
) -> tuple[float, float]:
    """Confidence sequence mean +- sqrt((V + rho) ln((V + rho)/(rho alpha^2)))/n, V = variance or n/4.

    ``rho`` sets the V at which the interval is tightest. Not cut to [0, 1].
    """
    inputs.positive("n", n)
    inputs.positive("rho", rho)
    inputs.fraction("alpha", alpha)
    spread = (n / 4.0 if variance is None else inputs.positive("variance", variance)) + rho
    if not math.isfinite(mean):
        raise ValueError("mean must be finite")
    half = math.sqrt(spread * math.log(spread / (rho * alpha**2))) / n
    return mean - half, mean + half


def _boundary(too_far: Callable[[float], bool], outside: float, inside: float) -> float:
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2.0
        if too_far(middle):
            outside = middle
        else:
            inside = middle
    return (outside + inside) / 2.0
