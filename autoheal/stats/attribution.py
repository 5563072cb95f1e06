"""Whom to blame: mix and rate of segments, drifted features by importance, Shapley values of small groups.

Pure. *Segments*: the change of a mean loss split without residual into "the mix of rows moved" and "the rate
inside moved", symmetrised (Kitagawa 1955). *Features*: ``sqrt(PSI) x importance`` as shares, only of those that e-BH keeps.
*Shapley* (1953): exact value of each group of features from the value of every coalition, at most 12 groups
(Budhathoki et al., "Why did the distribution change?", 2021). A ranking, never proof.

Shares of segments add to 1; rates and losses in the unit of the loss. Raises ValueError for shapes that differ,
negative shares, NaN, coalitions without a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs

MOST_GROUPS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Parts of the change of the mean loss by segment, (segments,) each; mix and rate add up to ``total``."""

    total: float
    mix: NDArray[np.float64]
    rate: NDArray[np.float64]


def segments(
    rows_before: ArrayLike, rate_before: ArrayLike, rows_after: ArrayLike, rate_after: ArrayLike
) -> Split:
    """Split the change of the mean loss; rows may be counts or shares, the rate of an empty segment is ignored."""
    w0, w1 = inputs.tally("rows before", rows_before), inputs.tally("rows after", rows_after)
    r0, r1 = inputs.vector("rate before", rate_before), inputs.vector("rate after", rate_after)
    if not w0.shape == w1.shape == r0.shape == r1.shape:
        raise ValueError("shares and rates must cover the same segments")
    # A segment that is empty on one side has no rate there: it can only have moved the mix.
    r0, r1 = np.where(w0 > 0, r0, r1), np.where(w1 > 0, r1, r0)
    w0, w1 = w0 / w0.sum(), w1 / w1.sum()
    weight, level = (w0 + w1) / 2.0, (r0 + r1) / 2.0
    middle = float(weight @ level)
    return Split(float(w1 @ r1 - w0 @ r0), (w1 - w0) * (level - middle), weight * (r1 - r0))


def feature_scores(psi: ArrayLike, importance: ArrayLike | None = None) -> NDArray[np.float64]:
    """sqrt(PSI) x importance, scaled to add to 1, (features,); all 0 when nothing drifted or matters.

    Without importances all features count alike: say so where it is shown.
    """
    drift = inputs.vector("psi", psi)
    weight = np.ones(drift.size) if importance is None else inputs.vector("importance", importance)
    if weight.shape != drift.shape or (drift < 0).any() or (weight < 0).any():
        raise ValueError("psi and importance must be >= 0 and of the same length")
    scores = np.sqrt(drift) * weight
    total = float(scores.sum())
    return np.asarray(scores / total if total > 0 else scores)


def shapley(value: Mapping[frozenset[int], float], groups: int) -> NDArray[np.float64]:
    """Exact Shapley values, (groups,), from the value of every coalition; the empty one counts as 0."""
    if not 1 <= groups <= MOST_GROUPS:
        raise ValueError(f"exact Shapley values need 1 to {MOST_GROUPS} groups, got {groups}")
    found = np.zeros(groups)
    for one in range(groups):
        others = [g for g in range(groups) if g != one]
        for size in range(groups):
            chance = 1.0 / (groups * math.comb(groups - 1, size))
            for chosen in combinations(others, size):
                gain = _worth(value, frozenset((*chosen, one))) - _worth(value, frozenset(chosen))
                found[one] += chance * gain
    return found


def _worth(value: Mapping[frozenset[int], float], coalition: frozenset[int]) -> float:
    if not coalition:
        return value.get(coalition, 0.0)
    if coalition not in value or not math.isfinite(value[coalition]):
        raise ValueError(f"no finite value for the coalition {sorted(coalition)}")
    return value[coalition]
