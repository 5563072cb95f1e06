"""Why the answers moved: did the shares of the true classes move while each class looks as it did? In words. Pure.

An explanation and never an alarm. It is checked by what it implies: the held-out scores, reweighted by the classes' new
shares, must give the scores of today.
"""

from __future__ import annotations

import numpy as np

from autoheal.monitors.reference_parts import Output
from autoheal.monitors.rows import Ints
from autoheal.stats import label_shift, psi


def explained(output: Output, classes: Ints, scores: Ints | None) -> str:
    """What label shift says about these counts of predicted classes (and of scores), "" when it cannot be told."""
    table = output.confusion
    if table is None or not classes[:-1].sum():
        return ""
    occur = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1) > 0)
    try:
        found = label_shift.estimate(table[np.ix_(occur, occur)], classes[:-1][occur])
    except ValueError:
        return "the held-out errors are too many to tell label shift"
    before = table.sum(axis=0)[occur] / table.sum()
    most = int(np.argmax(np.abs(found.prior - before)))
    moved = f"P({output.classes[occur[most]]}) {before[most]:.0%} -> {found.prior[most]:.0%}"
    if output.by_class is None or scores is None or not scores.sum():
        return f"if the classes themselves look as before, {moved}"
    implied = label_shift.reweighted(found.weights, output.by_class[occur])
    if not implied.sum():
        return ""
    # The missing and the out-of-range bin are about the pipe, not about the classes.
    left = psi.psi(implied, scores)
    limit = max(psi.EPS_NOTIFY, psi.least_eps0(min(output.n, int(scores.sum())), len(scores)))
    if left <= limit:
        return f"label shift explains it: {moved}"
    return f"label shift does not explain it (reweighted to {moved}, a PSI of {left:.2f} is left)"
