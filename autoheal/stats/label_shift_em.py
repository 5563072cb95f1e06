"""Label shift by expectation maximisation: the class shares of now from calibrated scores, row by row.

Pure. Assumes that P(features | label) held still. Starting from the shares of training, each row's class chances are
reweighted by new / old shares and the new shares are their mean, until nothing moves: the maximum of the likelihood, which
is concave, so there is one. Uses more of the scores than the confusion matrix of label_shift.py and scatters a little less, but
needs calibrated ones. After Saerens, Latinne & Decaestecker, "Adjusting the outputs of a classifier to new a priori
probabilities" (2002). An explanation, never an alarm; ``gain`` says by how many nats the rows prefer the new shares.

Chances are (n, classes), rows that add to 1; ``prior`` (classes,) the shares that the model was trained (and calibrated)
on, all above 0. Raises ValueError for shapes that do not fit, values outside [0, 1], rows that do not add to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs

Floats = NDArray[np.float64]
MOST_ROUNDS = 2_000
STILL = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """New ``prior`` and ``weights`` = new / old (classes,), log likelihood gained over the old one, rounds taken."""

    prior: Floats
    weights: Floats
    gain: float
    rounds: int


def estimate(chances: ArrayLike, prior: ArrayLike) -> Shares:
    """The most likely class shares of the rows at hand."""
    p, old = _checked(chances, prior)
    ratios = p / old
    share, rounds, moved = old, 0, 1.0
    while moved >= STILL and rounds < MOST_ROUNDS:
        before, rounds = share, rounds + 1
        joint = ratios * share
        share = (joint / joint.sum(axis=1, keepdims=True)).mean(axis=0)
        moved = float(np.abs(share - before).max())
    gain = float(np.log(np.maximum(ratios @ share, 1e-300)).sum() - np.log(ratios @ old).sum())
    return Shares(share, share / old, max(gain, 0.0), rounds)


def adjusted(chances: ArrayLike, prior: ArrayLike, now: ArrayLike) -> Floats:
    """Class chances of each row under the shares ``now``, (n, classes)."""
    p, old = _checked(chances, prior)
    new = inputs.tally("now", now)
    if new.shape != old.shape:
        raise ValueError(f"need {old.size} shares, got {new.size}")
    joint = p / old * (new / new.sum())
    total = joint.sum(axis=1, keepdims=True)
    # A row that is certain of a class that no longer occurs says nothing: the shares themselves.
    return np.asarray(np.where(total > 0, joint / np.where(total > 0, total, 1.0), new / new.sum()))


def of_two(scores: ArrayLike) -> Floats:
    """Scores P(y = 1) (n,) as chances of two classes, (n, 2)."""
    p = inputs.losses("scores", scores)
    return np.stack([1.0 - p, p], axis=1)


def _checked(chances: ArrayLike, prior: ArrayLike) -> tuple[Floats, Floats]:
    p, old = inputs.matrix("chances", chances), inputs.vector("prior", prior, least=2)
    if p.shape[1] != old.size or (old <= 0).any():
        raise ValueError(f"need {old.size} chances a row and shares above 0, got shape {p.shape}")
    if (p < 0).any() or np.abs(p.sum(axis=1) - 1.0).max() > 1e-6:
        raise ValueError("the chances of each row must be >= 0 and add to 1")
    return p, old / old.sum()
