"""Is the estimate any good? Whenever labels mature, it is compared with the truth; a liar is hidden. Pure."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from autoheal.domain.names import Task
from autoheal.monitors.champion import matured
from autoheal.monitors.estimated_performance.expected import expected_losses
from autoheal.monitors.estimated_performance.options import (
    Cohort,
    EstimatedPerformanceOptions,
    EstimatedPerformanceState,
)
from autoheal.monitors.reference import Reference
from autoheal.monitors.rows import Floats
from autoheal.monitors.view import View

#: An estimate that is off by more than two points (numbers: a tenth of the baseline's error), and more than chance
#: explains, in three of the last five cohorts, is not shown.
POINTS, SHARE = 0.02, 0.1
KEPT, MOST_WRONG = 5, 3


def compared(
    options: EstimatedPerformanceOptions, state: EstimatedPerformanceState, view: View, reference: Reference
) -> EstimatedPerformanceState:
    """The state after all whole cohorts that matured since the last beat."""
    assert reference.output is not None
    rows = matured(view, count_broken=True)
    new = rows.take(
        (rows.counts_from > (-math.inf if state.checked is None else state.checked))
        & (rows.counts_from <= view.as_of)
    )
    answers = new.answers
    expected, known, _ = expected_losses(
        view.task, reference.output, answers.prediction, answers.score, answers.positive
    )
    if int(known.sum()) < options.cohort_rows:
        return state
    true = (answers.prediction != answers.label).astype(np.float64)
    if view.task is Task.REGRESSION:
        true = np.abs(answers.prediction - answers.label)
    parts = np.array_split(np.flatnonzero(known), int(known.sum()) // options.cohort_rows)
    made = tuple(_cohort(view.task, reference, expected[part], true[part]) for part in parts)
    return replace(state, cohorts=(*state.cohorts, *made)[-KEPT:], checked=view.as_of)


def liar(state: EstimatedPerformanceState) -> str:
    """Why the estimate is hidden, or ""."""
    wrong = [c for c in state.cohorts if c.wrong]
    if len(wrong) < MOST_WRONG:
        return ""
    last = wrong[-1]
    return (
        f"hidden: the labels disagreed in {len(wrong)} of the last {len(state.cohorts)} cohorts "
        f"(loss estimated {last.estimate:.3g}, true {last.truth:.3g})"
    )


def _cohort(task: Task, reference: Reference, expected: Floats, true: Floats) -> Cohort:
    estimate, truth, n = float(expected.mean()), float(true.mean()), len(true)
    if task is Task.CLASSIFICATION:
        allowed, error = POINTS, math.sqrt(float((expected * (1.0 - expected)).sum())) / n
    else:
        known = reference.performance.get("mae")
        allowed, error = SHARE * (known.value if known else estimate), float(true.std()) / math.sqrt(n)
    return Cohort(estimate, truth, abs(estimate - truth) > max(allowed, 2.0 * error))
