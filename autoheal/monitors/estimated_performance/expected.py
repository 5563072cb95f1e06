"""What each answer's loss is expected to be, from what was learned on held-out rows. Pure.

Classes (CBPE): the calibrated chance that the decision is wrong, times the ratio that makes it right on the held-out
rows. Numbers (direct loss estimation): the mean error of held-out answers of the same size, so it sees only what moves
with the prediction itself. Both assume that the truth given the answer is as it was: blind to concept drift, by construction.
"""

from __future__ import annotations

import numpy as np

from autoheal.domain.names import Task
from autoheal.monitors.reference import Reference
from autoheal.monitors.reference_parts import Output
from autoheal.monitors.rows import Bools, Floats
from autoheal.stats.estimate import WORST_ECE

#: Held-out rows below which nothing can be learned from them.
LEAST_REFERENCE = 300


def why_not(task: Task, reference: Reference) -> str:
    """Why this version cannot be estimated, or ""."""
    output = reference.output
    if output is None:
        return "no answers to held-out rows in its reference"
    if output.n < LEAST_REFERENCE:
        return f"{output.n} of {LEAST_REFERENCE} held-out rows in its reference"
    if reference.loss is None:
        return "no loss of held-out rows in its reference"
    if task is Task.REGRESSION:
        return "" if output.losses is not None else "its held-out predictions are all the same"
    if output.calibration is None:
        return "no scores of two classes, between 0 and 1, for its held-out rows"
    if output.calibration.ece > WORST_ECE:
        return f"its scores cannot be calibrated: error {output.calibration.ece:.3f} on held-out rows, {WORST_ECE} at most"
    return ""


def expected_losses(
    task: Task, output: Output, prediction: Floats, score: Floats, positive: int
) -> tuple[Floats, Bools, Floats]:
    """Loss of each row in its own unit, whether it can be estimated, and P(positive) (NaN for numbers); (n,) each.

    Cannot be estimated: a score that is none, and a number beyond what the held-out rows held.
    """
    if task is Task.REGRESSION:
        return _by_size(output, prediction)
    assert output.calibration is not None
    known = (score >= 0.0) & (score <= 1.0) & ~np.isnan(prediction)
    chance = output.calibration(np.where(known, score, 0.0))
    said = prediction == positive
    loss = np.minimum(np.where(said, 1.0 - chance, chance) * output.ratio, 1.0)
    return np.where(known, loss, np.nan), known, np.where(known, np.where(said, 1.0 - loss, loss), np.nan)


def _by_size(output: Output, prediction: Floats) -> tuple[Floats, Bools, Floats]:
    assert output.bins is not None
    assert output.losses is not None
    held = np.flatnonzero(~np.isnan(output.losses))
    # A bin that held nothing takes its neighbours' loss.
    table = np.interp(np.arange(len(output.losses)), held, output.losses[held])
    known = (prediction >= output.bins.low) & (prediction <= output.bins.high)
    place = np.searchsorted(
        np.array(output.bins.edges), np.where(known, prediction, output.bins.low), side="left"
    )
    loss = np.where(known, table[place], np.nan)
    return loss, known, np.full(len(prediction), np.nan)
