"""Performance without labels when inputs moved: CBPE with probabilities recalibrated for the rows of now.

Pure. Scores that are calibrated on average need not be so in the region where the rows have gone; weighting the labelled
rows of then by how much more often now has such rows (the density ratio, for example from domain_classifier.py) calibrates
them there. The mechanism of NannyML's M-CBPE and of Bialek, Kuberski, Perrakis & Bifet, "Estimating model performance
under covariate shift without labels" (2024), on Shimodaira's importance weighting (2000).

Refused where the labelled rows cannot speak for the new ones: with fewer than 100 effective rows (sum w)^2 / sum w^2, or a
calibration error above 0.05 under the weights. As blind to concept drift as every estimate without labels: it may support
an alarm, never act. Scores (n,) in [0, 1], labels 0/1, weights (n,) finite >= 0. Raises ValueError for others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from autoheal.stats import calibration, estimate, inputs

__all__ = ["Shifted", "weighted_cbpe"]


@dataclass(frozen=True, slots=True)
class Shifted:
    """``expected`` is None where ``refused`` says why; the labelled rows' effective number and calibration error.

    ``accuracy_sd`` adds the error of the calibration to that of the rows of now.
    """

    expected: estimate.Expected | None
    refused: str
    effective_rows: float
    ece: float
    accuracy_sd: float


def weighted_cbpe(
    scores_then: ArrayLike,
    labels_then: ArrayLike,
    weights: ArrayLike,
    scores_now: ArrayLike,
    *,
    cut: float = 0.5,
    decided: ArrayLike | None = None,
) -> Shifted:
    """Expected performance now of the decisions ``score >= cut``, or of ``decided`` (n now,)."""
    now = inputs.losses("scores_now", scores_now)
    if now.size == 0:
        raise ValueError("scores_now are empty")
    yes = now >= cut if decided is None else np.asarray(decided, dtype=np.bool_)
    then, labels = inputs.losses("scores_then", scores_then), inputs.losses("labels_then", labels_then)
    w = inputs.vector("weights", weights)
    if not then.size == labels.size == w.size:
        raise ValueError(
            f"need one label and one weight a score, got {then.size}, {labels.size} and {w.size}"
        )
    worth = estimate.effective_rows(w)
    if worth < estimate.LEAST_EFFECTIVE_ROWS:
        least = estimate.LEAST_EFFECTIVE_ROWS
        why = f"the labelled rows are worth {worth:.0f} of the rows of now, {least:.0f} are needed"
        return Shifted(None, why, worth, np.nan, np.nan)
    if not (w[labels == 1].any() and w[labels == 0].any()):
        return Shifted(
            None, "the labelled rows that resemble now are all of one class", worth, np.nan, np.nan
        )
    curve = calibration.fit(then, labels, w)
    if curve.ece > estimate.WORST_ECE:
        why = f"calibration error {curve.ece:.3f} on the rows that resemble now, at most {estimate.WORST_ECE}"
        return Shifted(None, why, worth, curve.ece, np.nan)
    expected = estimate.cbpe_decided(curve(now), yes)
    spread = np.sqrt(expected.accuracy * (1.0 - expected.accuracy) / worth)
    return Shifted(expected, "", worth, curve.ece, float(np.hypot(expected.accuracy_sd, spread)))
