"""Which remedy first, and whether it would help: replay gate and order by success per cost.

Pure. *Gate*: on the same recent labelled rows, a candidate must win the discordant pairs with one-sided
``ln E >= ln(20 J)`` (J candidates; P(useless rollback) <= 5% per incident) and gain enough. *Order*: an action
has success p ~ Beta from its record; sorting by p/cost minimises the expected total cost (exchange argument).
Automatic steps use the 10% quantile of p, not its mean; below 0.3 a person is asked.

Costs in any one unit (minutes of harm + risk). Raises ValueError for negative counts, costs <= 0, NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv

from autoheal.stats import inputs
from autoheal.stats.shadow import log_e_worse

BAR = 20.0
CAUTIOUS = 0.1
ASK_BELOW = 0.3
DISCOUNT = 0.98
PRIOR_STRENGTH = 2.0
_NODES = 64


@dataclass(frozen=True, slots=True)
class Gate:
    """Would the candidate do better now? ``gain`` in loss per row, evidence in nats, and the sentence for it."""

    allowed: bool
    gain: float
    log_e: float
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """How often an action healed a cause: Beta parameters, discounted by 0.98 per incident."""

    alpha: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        inputs.positive("alpha", self.alpha)
        inputs.positive("beta", self.beta)

    @property
    def mean(self) -> float:
        """Expected chance of success."""
        return self.alpha / (self.alpha + self.beta)

    def quantile(self, q: float = CAUTIOUS) -> float:
        """Chance of success that is exceeded with probability 1 - q."""
        return float(betaincinv(self.alpha, self.beta, inputs.fraction("q", q)))


@dataclass(frozen=True, slots=True)
class Option:
    """An action with its chance of success and its cost."""

    name: str
    chance: float
    cost: float

    def __post_init__(self) -> None:
        inputs.positive("cost", self.cost)
        if not 0.0 <= self.chance <= 1.0:
            raise ValueError(f"a chance must lie in [0, 1], got {self.chance}")


def gate(b: int, c: int, rows: int, *, least_gain: float, candidates: int = 1) -> Gate:
    """May the candidate replace the current version? b = only current wrong, c = only candidate wrong."""
    if rows < 1 or b + c > rows or candidates < 1:
        raise ValueError(f"{b} + {c} discordant rows do not fit into {rows} rows, {candidates} candidates")
    evidence, gain = log_e_worse(b, c), (b - c) / rows
    bar = math.log(BAR * candidates)
    seen = f"gain {gain:+.4g} over {rows} rows, ln E {evidence:.2f} of {bar:.2f}"
    if evidence < bar:
        return Gate(False, gain, evidence, f"{seen}: not proved better")
    if gain < least_gain:
        return Gate(False, gain, evidence, f"{seen}: better, but by less than {least_gain:.4g}")
    return Gate(True, gain, evidence, f"{seen}: better")


def prior(expected: float) -> Record:
    """The runbook author's estimate, worth two incidents."""
    chance = inputs.fraction("expected", expected)
    return Record(PRIOR_STRENGTH * chance, PRIOR_STRENGTH * (1.0 - chance))


def learn(record: Record, base: Record, *, healed: bool) -> Record:
    """One more incident: what was learned beyond the prior ``base`` fades, then the outcome is added."""
    alpha = base.alpha + DISCOUNT * max(record.alpha - base.alpha, 0.0) + (1.0 if healed else 0.0)
    beta = base.beta + DISCOUNT * max(record.beta - base.beta, 0.0) + (0.0 if healed else 1.0)
    return Record(alpha, beta)


def chance_better(first: Record, second: Record) -> float:
    """P(first > second) for two independent records: exact for whole numbers, within 0.001 otherwise.

    Quadrature over each side in turn; where a parameter is below 1 their errors are alike and cancel.
    """
    direct, mirrored = _one_sided(first, second), 1.0 - _one_sided(second, first)
    return float(np.clip((direct + mirrored) / 2.0, 0.0, 1.0))


def order(options: Sequence[Option]) -> tuple[Option, ...]:
    """Cheapest order to try them in: by chance / cost, ties as given."""
    return tuple(sorted(options, key=lambda option: -option.chance / option.cost))


def expected_cost(options: Sequence[Option]) -> float:
    """Expected total cost of trying them in this order until one heals."""
    total, reached = 0.0, 1.0
    for option in options:
        total += reached * option.cost
        reached *= 1.0 - option.chance
    return total


def must_ask(record: Record) -> bool:
    """Too uncertain to act alone: the cautious chance of success is below 0.3."""
    return record.quantile() < ASK_BELOW


def _one_sided(first: Record, second: Record) -> float:
    chances, weights = _beta_nodes(first.alpha, first.beta)
    return float(weights @ betainc(second.alpha, second.beta, chances))


def _beta_nodes(alpha: float, beta: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes in [0, 1] and weights of the Beta law (Golub & Welsch 1969); they cannot overflow at any size."""
    a, b, n = beta - 1.0, alpha - 1.0, np.arange(1.0, _NODES)
    both = 2.0 * n + a + b
    centre = np.concatenate([[(b - a) / (a + b + 2.0)], (b * b - a * a) / (both * (both + 2.0))])
    # The general term is 0/0 at its first place when a + b = -1; cancelled by hand there.
    first = 4.0 * (1.0 + a) * (1.0 + b) / ((2.0 + a + b) ** 2 * (3.0 + a + b))
    m, t = n[1:], both[1:]
    rest = 4.0 * m * (m + a) * (m + b) * (m + a + b) / (t**2 * (t + 1.0) * (t - 1.0))
    beside = np.sqrt(np.concatenate([[first], rest]))
    nodes, vectors = np.linalg.eigh(np.diag(centre) + np.diag(beside, 1) + np.diag(beside, -1))
    return np.clip((1.0 + nodes) / 2.0, 0.0, 1.0), np.asarray(vectors[0] ** 2)
