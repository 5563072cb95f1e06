"""Performance without labels: confidence-based estimate, its band, calibration error, average thresholding.

Pure. *CBPE*: with calibrated P(y=1) = p_i, the expected confusion counts are sums of p_i and 1 - p_i, and the
accuracy is Poisson-binomial. *Expected AUROC*: ratio of expected concordant to expected usable ordered pairs.
*ECE*: calibration error over equal-width bins (Naeini, Cooper & Hauskrecht 2015). *ATC* (Garg et al., "Leveraging
unlabeled data to predict out-of-distribution performance", 2022). All assume P(y | x) unchanged: blind to concept
drift by construction, so they may support an alarm and never act alone.

Scores are probabilities in [0, 1], (n,). Raises ValueError for empty or NaN scores, scores outside [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from autoheal.stats import inputs

WORST_ECE = 0.05
LEAST_EFFECTIVE_ROWS = 100.0
EXACT_ROWS = 2000

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Expected:
    """Expected confusion counts and measures; precision, recall and F1 are NaN where their denominator is 0."""

    tp: float
    fp: float
    fn: float
    tn: float
    accuracy: float
    accuracy_sd: float
    precision: float
    recall: float
    f1: float


def cbpe(scores: ArrayLike, cut: float = 0.5) -> Expected:
    """Expected performance of the decisions ``score >= cut``."""
    p = _scores(scores)
    return cbpe_decided(p, p >= cut)


def cbpe_decided(chances: ArrayLike, decided: ArrayLike) -> Expected:
    """Expected performance of given decisions (n,), True for "positive", whose P(y = 1) are ``chances`` (n,)."""
    p, yes = _scores(chances), np.asarray(decided, dtype=np.bool_)
    if p.shape != yes.shape:
        raise ValueError(f"need one decision a score, got {p.size} and {yes.size}")
    tp, fp = float(p[yes].sum()), float((1.0 - p[yes]).sum())
    fn, tn = float(p[~yes].sum()), float((1.0 - p[~yes]).sum())
    return Expected(
        tp, fp, fn, tn,
        accuracy=(tp + tn) / p.size,
        accuracy_sd=math.sqrt(float((p * (1.0 - p)).sum())) / p.size,
        precision=_ratio(tp, tp + fp),
        recall=_ratio(tp, tp + fn),
        f1=_ratio(2.0 * tp, 2.0 * tp + fp + fn),
    )  # fmt: skip


def chance_at_most(right: int, scores: ArrayLike, cut: float = 0.5) -> float:
    """P(at most ``right`` decisions are correct): exact up to 2,000 rows, then normal with continuity."""
    p = _scores(scores)
    chances = np.where(p >= cut, p, 1.0 - p)
    if p.size > EXACT_ROWS:
        sd = math.sqrt(float((chances * (1.0 - chances)).sum()))
        away = right + 0.5 - float(chances.sum())
        return float(ndtr(away / sd)) if sd > 0 else float(away >= 0)
    law = np.array([1.0])
    for chance in chances:
        law = np.convolve(law, [1.0 - chance, chance])
    return min(1.0, float(law[: max(right + 1, 0)].sum()))


def expected_auroc(scores: ArrayLike) -> float:
    """Expected area under the ROC curve over ordered pairs i != j; NaN when no pair can hold both classes."""
    p = np.sort(_scores(scores))
    # P(i positive, j negative) summed over j with a lower score, half over equal ones.
    values, first, size = np.unique(p, return_index=True, return_counts=True)
    negative = np.concatenate([[0.0], np.cumsum(1.0 - p)])
    below, upto = negative[first], negative[first + size]
    own = values * (1.0 - values)
    concordant = float((size * values * (below + (upto - below) / 2.0) - size * own / 2.0).sum())
    usable = float(p.sum() * (1.0 - p).sum() - (p * (1.0 - p)).sum())
    return _ratio(concordant, usable)


def ece(scores: ArrayLike, labels: ArrayLike, bins: int = 10, weights: ArrayLike | None = None) -> float:
    """Expected calibration error over equal-width bins (a, b] of the score, the first one closed; rows may be weighted."""
    p, y = _scores(scores), inputs.losses("labels", labels)
    if p.shape != y.shape or bins < 1:
        raise ValueError(f"need one label a score and at least one bin, got {p.size}, {y.size}, {bins}")
    where = np.maximum(np.ceil(p * bins).astype(np.int64) - 1, 0)
    w = np.ones_like(p) if weights is None else inputs.vector("weights", weights)
    if w.shape != p.shape or (w < 0).any() or w.sum() <= 0:
        raise ValueError("need one weight >= 0 a score, some of them above 0")
    gaps = np.bincount(where, weights=w * (p - y), minlength=bins)
    return float(np.abs(gaps).sum() / w.sum())


def atc_threshold(confidences: ArrayLike, errors: ArrayLike) -> float:
    """The confidence below which the source holds as large a share of rows as its error rate."""
    c, wrong = np.sort(_scores(confidences)), inputs.losses("errors", errors)
    if c.shape != wrong.shape:
        raise ValueError("need one error a confidence")
    below = round(float(wrong.sum()))
    return float(c[below]) if below < c.size else math.inf


def atc_error(confidences: ArrayLike, threshold: float) -> float:
    """Estimated error rate now: share of rows with confidence below the threshold."""
    if math.isnan(threshold):
        raise ValueError("the threshold is NaN")
    return float((_scores(confidences) < threshold).mean())


def effective_rows(weights: ArrayLike) -> float:
    """(sum w)^2 / sum w^2 of importance weights; below 100 there is no estimate."""
    w = inputs.vector("weights", weights)
    if (w < 0).any():
        raise ValueError("weights must be >= 0")
    top = float(w.max())
    return float((w / top).sum() ** 2 / ((w / top) ** 2).sum()) if top > 0 else 0.0


def _scores(scores: ArrayLike) -> Array:
    p = inputs.losses("scores", scores)
    if p.size == 0:
        raise ValueError("scores are empty")
    return p


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else math.nan
