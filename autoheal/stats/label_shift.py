"""Label shift: how the shares of the classes moved, from predictions alone.

Pure. Assumes that P(features | label) held still while P(label) moved. With the joint validation confusion
``C_ij = P(predicted i, true j)`` and the current shares of predictions mu, the class weights are
``w = C^-1 mu`` (BBSE: Lipton, Wang & Smola, "Detecting and correcting for label shift with black box
predictors", 2018). An explanation, never an alarm: afterwards check that the reference reweighted by w gives
the current histogram of scores (``reweighted``, then PSI below eps0), else it is not label shift.

Confusions are (classes, classes), counts or shares; mu (classes,). Raises ValueError for shapes that do not
fit, negative entries, and for a confusion whose condition number exceeds 50 (the estimate would be noise).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs

WORST_CONDITION = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class LabelShift:
    """Weights w_j of the classes (classes,), the new shares of the classes, and the condition number of C."""

    weights: NDArray[np.float64]
    prior: NDArray[np.float64]
    condition: float


def estimate(confusion: ArrayLike, predicted: ArrayLike) -> LabelShift:
    """BBSE weights, cut at 0, and the class shares that follow, scaled to add to 1."""
    table, shares = inputs.matrix("confusion", confusion), inputs.tally("predicted shares", predicted)
    if table.shape != (shares.size, shares.size) or (table < 0).any() or table.sum() <= 0:
        raise ValueError(f"need a square table of counts for {shares.size} classes, got {table.shape}")
    joint = table / table.sum()
    condition = float(np.linalg.cond(joint)) if np.linalg.matrix_rank(joint) == shares.size else np.inf
    if condition > WORST_CONDITION:
        raise ValueError(f"the confusion matrix is too close to singular: condition number {condition:.3g}")
    weights = np.maximum(np.linalg.solve(joint, shares / shares.sum()), 0.0)
    prior = weights * joint.sum(axis=0)
    return LabelShift(weights, prior / prior.sum(), condition)


def reweighted(weights: ArrayLike, scores_by_class: ArrayLike) -> NDArray[np.float64]:
    """Score histogram that the reference would show under the weights: (classes, bins) counts -> (bins,)."""
    w, counts = inputs.vector("weights", weights), inputs.matrix("scores_by_class", scores_by_class)
    if counts.shape[0] != w.size or (w < 0).any() or (counts < 0).any():
        raise ValueError(f"need counts >= 0 of {w.size} classes and weights >= 0, got shape {counts.shape}")
    return np.asarray(w @ counts)
