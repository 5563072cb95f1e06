"""Canary against control: promote, roll back or continue, by two betting e-processes that may be read at any time.

Pure. D = loss(canary) - loss(control) in [-1, 1], positive = the canary is worse. For eight bets l_k,
``W_roll = mean_k prod(1 + l_k (D - m_r))`` tests E D <= m_r, ``W_prom = mean_k prod(1 + l_k (m - D))`` tests
E D >= m. By Ville's inequality P(ever roll back a canary that is no worse) <= alpha and P(ever promote one that
is worse by the margin) <= beta, at any looking schedule, for any bounded loss (Waudby-Smith & Ramdas,
"Estimating means of bounded random variables by betting", 2024; Shekhar & Ramdas 2023).

Differences are vectors (n,), in the order of formation: pairs are formed before outcomes are seen. ``variance``
is that of D while both are equal, p(1-p)(1 + 1/r) for r control rows a canary row; only power depends on it.
Raises ValueError for differences outside [-1, 1], NaN, margins or rates outside (0, 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from autoheal.stats import inputs

EFFECTS = np.geomspace(0.005, 0.4, 8)
BOLDEST = 0.9  # of the fortune: a bet of 1 could lose everything on one pair


class Outcome(StrEnum):
    """What the evidence says to do."""

    ROLLBACK = "rollback"
    PROMOTE = "promote"
    CONTINUE = "continue"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is fixed before the first pair. ``weight``: this metric's share of alpha among several."""

    variance: float
    margin: float = 0.02
    rollback_margin: float = 0.0
    alpha: float = 0.05
    beta: float = 0.10
    weight: float = 1.0

    def __post_init__(self) -> None:
        inputs.positive("variance", self.variance)
        inputs.fraction("alpha", self.alpha)
        inputs.fraction("beta", self.beta)
        if not 0.0 < self.weight <= 1.0:
            raise ValueError(f"weight must lie in (0, 1], got {self.weight}")
        if not 0.0 <= self.rollback_margin <= self.margin < 1.0 or self.margin == 0.0:
            raise ValueError("need 0 <= rollback_margin <= margin < 1, margin above 0")

    def bets(self) -> NDArray[np.float64]:
        """The eight bets: min(d / (variance + d^2), 0.9), so that no pair can lose all."""
        return np.minimum(EFFECTS / (self.variance + EFFECTS**2), BOLDEST / (1.0 + self.rollback_margin))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the pairs have said so far: their number, sum of D, and logs of the eight fortunes on each side."""

    pairs: int = 0
    total: float = 0.0
    log_roll: tuple[float, ...] = (0.0,) * 8
    log_prom: tuple[float, ...] = (0.0,) * 8

    def log_w_roll(self) -> float:
        """Log W of "the canary is worse"."""
        return float(logsumexp(self.log_roll)) - math.log(len(self.log_roll))

    def log_w_prom(self) -> float:
        """Log W of "the canary is not worse by the margin"."""
        return float(logsumexp(self.log_prom)) - math.log(len(self.log_prom))


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome and the sentence that explains it."""

    outcome: Outcome
    reason: str


def observe(plan: Plan, evidence: Evidence, differences: ArrayLike) -> Evidence:
    """Enter a batch of differences."""
    d = inputs.vector("differences", differences, least=0)
    if d.size and np.abs(d).max() > 1.0:
        raise ValueError("differences must lie in [-1, 1]: scale the losses to [0, 1]")
    roll, prom = log_fortunes(plan.bets(), d, plan.rollback_margin, plan.margin)
    return Evidence(
        evidence.pairs + d.size,
        evidence.total + float(d.sum()),
        tuple((np.array(evidence.log_roll) + roll).tolist()),
        tuple((np.array(evidence.log_prom) + prom).tolist()),
    )


def log_fortunes(
    bets: NDArray[np.float64], d: NDArray[np.float64], rollback_margin: float, margin: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log growth of each bet over the differences: rollback side and promotion side, (K,) each."""
    roll = np.log1p(bets * (d[:, None] - rollback_margin)).sum(axis=0)
    prom = np.log1p(bets * (margin - d[:, None])).sum(axis=0)
    return roll, prom


def decide(plan: Plan, evidence: Evidence, *, long_enough: bool, out_of_time: bool = False) -> Verdict:
    """Read the evidence. ``long_enough``: half an hour and one cycle of the traffic have passed."""
    mean = evidence.total / evidence.pairs if evidence.pairs else 0.0
    roll, prom = evidence.log_w_roll(), evidence.log_w_prom()
    seen = f"mean difference {mean:+.4g} over {evidence.pairs} pairs"
    bar_roll, bar_prom = -math.log(plan.alpha * plan.weight), -math.log(plan.beta)
    if roll >= bar_roll and mean >= plan.margin / 2.0:
        return Verdict(Outcome.ROLLBACK, f"{seen}: evidence of harm e^{roll:.2f} reached e^{bar_roll:.2f}")
    if prom >= bar_prom and long_enough:
        return Verdict(Outcome.PROMOTE, f"{seen}: evidence of no harm e^{prom:.2f} reached e^{bar_prom:.2f}")
    if out_of_time:
        return Verdict(Outcome.INCONCLUSIVE, f"{seen}: neither side proved itself in time")
    if prom >= bar_prom:
        return Verdict(
            Outcome.CONTINUE, f"{seen}: no harm, but the canary must live through a cycle of traffic"
        )
    return Verdict(
        Outcome.CONTINUE,
        f"{seen}: harm e^{roll:.2f} of {bar_roll:.2f}, no harm e^{prom:.2f} of {bar_prom:.2f}",
    )


def combine(verdicts: Sequence[Verdict]) -> Verdict:
    """Several metrics: any may roll back (each at its weight of alpha); all must promote."""
    if not verdicts:
        raise ValueError("no metric, no verdict")
    for outcome in (Outcome.ROLLBACK, Outcome.INCONCLUSIVE, Outcome.CONTINUE, Outcome.PROMOTE):
        found = [verdict for verdict in verdicts if verdict.outcome is outcome]
        if found:
            return found[0]
    raise AssertionError


def pairs_needed(variance: float, margin: float, beta: float = 0.10) -> int:
    """Pairs until an equal canary is promoted, about 2 variance ln(1/beta) / margin^2: show it before the start."""
    inputs.positive("variance", variance)
    inputs.positive("margin", margin)
    return math.ceil(2.0 * variance * -math.log(inputs.fraction("beta", beta)) / margin**2)


def null_variance(rate: float, controls_per_canary: float = 1.0) -> float:
    """Variance of D for 0/1 losses at the control's rate; a rate of 0 or 1 is taken as 1 in 1,000."""
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"rate must lie in [0, 1], got {rate}")
    held = min(max(rate, 1e-3), 1.0 - 1e-3)
    return held * (1.0 - held) * (1.0 + 1.0 / inputs.positive("controls_per_canary", controls_per_canary))


def differences(canary: ArrayLike, control: ArrayLike, growth: float = 0.0) -> NDArray[np.float64]:
    """D of one time slice of split traffic, (pairs,): rows of the smaller arm against means of disjoint blocks.

    Rows that do not fill a block are left out. With ``growth`` g, D = (canary - (1 + g) control) / (1 + g):
    a *relative* loss increase of g is then the point D = 0.
    """
    a, b = inputs.losses("canary losses", canary), inputs.losses("control losses", control)
    pairs = min(a.size, b.size)
    if pairs == 0:
        return np.empty(0)
    if not (math.isfinite(growth) and growth >= 0):
        raise ValueError(f"growth must be >= 0, got {growth}")
    means = [arm[: pairs * (arm.size // pairs)].reshape(pairs, -1).mean(axis=1) for arm in (a, b)]
    return np.asarray((means[0] - (1.0 + growth) * means[1]) / (1.0 + growth))


def outcomes(rows: int, bad: int, order: np.random.Generator) -> NDArray[np.float64]:
    """0/1 losses in random order from counts alone, where a source reports no rows: the pairing stays blind."""
    inputs.hits_of(rows, bad)
    return order.permutation(np.arange(rows) < bad).astype(np.float64)
