"""Which loss in [0, 1] gives the evidence about which metric, and its bets. Pure; ``performance`` asks.

Accuracy, F1, MAE and RMSE stand on the error (wrong or not; the bounded distance); log loss, the Brier score and the AUC
have losses of their own, since scores can go astray while the answers stay right. Each null is the baseline's upper limit
and a tolerance. For the AUC the k-th positive is paired with the k-th negative of the new rows: disjoint pairs, whose
share of misordered ones is 1 - AUC.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Final

import numpy as np

from autoheal.domain.names import Task
from autoheal.monitors.champion import bets
from autoheal.monitors.reference import LossBaseline, Reference
from autoheal.monitors.rows import Bools, Floats
from autoheal.monitors.scores import Answers, Metric, losses
from autoheal.monitors.view import View
from autoheal.stats.eprocess import log_e_losses

ERROR: Final = "error"
#: Log losses above so many times the baseline are cut there, since evidence needs a bounded loss.
CUT = 8.0
#: Standard errors from a baseline to its upper limit (95 %, one-sided).
UPPER = 1.645

Bets = Callable[[Answers], Mapping[str, Floats]]


def watched(metric: Metric) -> str:
    """The loss that gives the evidence about a metric."""
    return metric if metric in _OWN else ERROR


def error_baseline(reference: Reference, task: Task) -> LossBaseline | None:
    """The baseline of the bounded loss; of an old reference, made from its accuracy."""
    known = reference.performance.get("accuracy")
    if reference.loss is not None or known is None or task is not Task.CLASSIFICATION:
        return reference.loss
    return LossBaseline(1.0 - known.value, known.n, 1.0)


def bets_of(view: View, loss: LossBaseline, metrics: Collection[Metric], tolerance: float) -> Bets:
    """What turns answers into log e-values, (rows, 6) a loss."""
    reference = view.reference
    assert reference is not None
    own = [m for m in metrics if m in _OWN and m in reference.performance]

    def all_of_them(answers: Answers) -> dict[str, Floats]:
        found = {ERROR: bets(view, answers, loss, tolerance)}
        return found | {m: _OWN[m](answers, reference, tolerance) / alike(m) for m in own}

    def alike(metric: Metric) -> float:
        """Who gets wrong what neighbours get wrong is as unsure of it, at least."""
        return max(loss.alike, reference.performance[metric].alike)

    return all_of_them


def _log_loss(answers: Answers, reference: Reference, tolerance: float) -> Floats:
    """Cut and scaled to [0, 1]; rows without a score say nothing."""
    healthy = _upper(reference, "log_loss", falls=False) * (1.0 + tolerance)
    top = max(CUT * healthy, 1.0)
    known = _scored(answers)
    cut = np.where(known, np.clip(losses("log_loss", answers) / top, 0.0, 1.0), 0.0)
    return np.where(known[:, None], log_e_losses(_null(healthy / top), cut), 0.0)


def _brier(answers: Answers, reference: Reference, tolerance: float) -> Floats:
    known = _scored(answers)
    squares = np.where(known, losses("brier", answers), 0.0)
    p0 = _null(_upper(reference, "brier", falls=False) * (1.0 + tolerance))
    return np.where(known[:, None], log_e_losses(p0, squares), 0.0)


def _auc(answers: Answers, reference: Reference, tolerance: float) -> Floats:
    known = _scored(answers)
    positive = np.flatnonzero(known & (answers.label == answers.positive))
    negative = np.flatnonzero(known & (answers.label != answers.positive))
    pairs = min(len(positive), len(negative))
    high, low = answers.score[positive[:pairs]], answers.score[negative[:pairs]]
    p0 = _null(_upper(reference, "auc", falls=True) * (1.0 + tolerance))
    found = np.zeros((len(answers), log_e_losses(p0, np.zeros(1)).shape[1]))
    # A pair is known once its later half is.
    found[np.maximum(positive[:pairs], negative[:pairs])] = log_e_losses(
        p0, (high < low) + 0.5 * (high == low)
    )
    return found


_OWN: Final[Mapping[str, Callable[[Answers, Reference, float], Floats]]] = {
    "log_loss": _log_loss,
    "brier": _brier,
    "auc": _auc,
}


def _scored(answers: Answers) -> Bools:
    known: Bools = np.isfinite(answers.score) & (answers.positive >= 0)
    return known


def _upper(reference: Reference, metric: Metric, *, falls: bool) -> float:
    """The upper limit of the baseline's mean loss."""
    base = reference.performance[metric]
    mean = 1.0 - base.value if falls else base.value
    return mean + UPPER * base.sd / math.sqrt(max(base.n, 1))


def _null(p0: float) -> float:
    return min(max(p0, 1e-4), 0.99)
