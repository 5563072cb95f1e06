"""Losses of labelled rows on the e-detector: is the model worse than its reference, beyond a tenth? Pure.

Classes: was the answer wrong; probabilities of a 0/1 label: the distance to it; numbers: the error, cut at the
reference's 99.9% quantile. p0 = the larger of the reference's exact upper limit and its mean plus a tenth. Neighbours that
are alike count for less: log e is divided by how many rows say as much as one, which can only remove evidence. Rows
without a label or an answer are left out and counted. After ``act`` nothing is said until the mean of as many rows as hold 50 losses (at least 200) is well again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoheal.detect.events import Level
from autoheal.detect.table import missing, number
from autoheal.monitors.scores import alike
from autoheal.stats import changepoint, eprocess
from autoheal.stats.alarm_clock import T_ACT, T_NOTIFY
from autoheal.stats.intervals import null_rate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_REFERENCE = 100
RECENT, RECENT_LOSSES = 200, 50
CLASSES = 20
LONG = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """``values`` in [0, 1] of the rows (ascending) that have both answer and label; ``scale`` restores the unit."""

    rows: Ints
    values: Floats
    scale: float
    kind: str


@dataclass(frozen=True, slots=True)
class Worse:
    """An alarm: mean loss since ``start`` less the reference's is ``effect``."""

    row: int
    level: Level
    effect: float
    log_m: float
    start: int


def losses(prediction: Sequence[str], label: Sequence[str], reference: tuple[int, int]) -> Losses:
    """Loss of each usable row; the reference rows decide which kind of loss."""
    usable = [
        i for i, (p, y) in enumerate(zip(prediction, label, strict=True)) if not (missing(p) or missing(y))
    ]
    rows = np.array(usable, dtype=np.int64)
    known = [i for i in usable if reference[0] <= i < reference[1]]
    kind = _kind([prediction[i] for i in known], [label[i] for i in known])
    if kind == "wrong":
        wrong = [_name(prediction[i]) != _name(label[i]) for i in usable]
        return Losses(rows, np.array(wrong, dtype=np.float64), 1.0, "wrong answers")
    answer = np.array([_or_nan(prediction[i]) for i in usable])
    truth = np.array([_or_nan(label[i]) for i in usable])
    fine = np.isfinite(answer) & np.isfinite(truth)
    # Halves, so that numbers near the largest float do not overflow.
    error = 2.0 * np.minimum(np.abs(answer[fine] / 2 - truth[fine] / 2), 1e300)
    inside = (rows[fine] >= reference[0]) & (rows[fine] < reference[1])
    limit = 1.0 if kind == "probability" else _limit(error[inside])
    name = "distance to the label" if kind == "probability" else "error"
    return Losses(rows[fine], np.minimum(error / limit, 1.0), limit, name)


def watch(
    found: Losses, reference: tuple[int, int], row_days: float, share: float
) -> tuple[str, list[Worse]]:
    """("" or why there is no verdict yet, alarms)."""
    inside = (found.rows >= reference[0]) & (found.rows < reference[1])
    base = found.values[inside]
    if len(base) < LEAST_REFERENCE:
        return f"{len(base)} of {LEAST_REFERENCE} labelled rows in the reference", []
    neighbours = alike(base)
    n = len(base) / neighbours
    p0 = max(null_rate(float(base.mean()) * n, n), 1e-6)
    live = np.flatnonzero(found.rows >= reference[1])
    log_e = eprocess.log_e_losses(p0, found.values[live]) / neighbours
    alarms, at = [], 0
    while at < len(live):
        episode = _episode(log_e[at:], share * row_days)
        for level, step, start, log_m in episode:
            mean = float(found.values[live[at + start : at + step + 1]].mean())
            effect = (mean - float(base.mean())) * found.scale
            alarms.append(
                Worse(
                    int(found.rows[live[at + step]]), level, effect, log_m, int(found.rows[live[at + start]])
                )
            )
        if not episode or episode[-1][0] != "act":
            break
        at = _recovered(found.values[live], at + episode[-1][1] + 1, p0)
    return "", alarms


def _episode(log_e: Floats, weight: float) -> list[tuple[Level, int, int, float]]:
    """Each crossing of a level up to the first ``act``: step, where it began, log M. Below a day notify is armed again."""
    _, log_m = eprocess.trace(eprocess.fresh(), log_e, weight)
    act = np.flatnonzero(log_m >= math.log(T_ACT))
    end = int(act[0]) if len(act) else len(log_m)
    found: list[tuple[Level, int, int, float]] = []
    over, under = np.flatnonzero(log_m[:end] >= math.log(T_NOTIFY)), np.flatnonzero(log_m[:end] < 0.0)
    at = 0
    while (next_ := int(np.searchsorted(over, at))) < len(over):
        step = int(over[next_])
        found.append(("notify", step, _start(log_e, step, weight), float(log_m[step])))
        calm = int(np.searchsorted(under, step))
        at = int(under[calm]) if calm < len(under) else end
    if end < len(log_m):
        found.append(("act", end, _start(log_e, end, weight), float(log_m[end])))
    return found


def _start(log_e: Floats, step: int, weight: float) -> int:
    first = max(step + 1 - LONG, 0)
    return first + changepoint.start_of(log_e[first : step + 1], weight).median


def _recovered(values: Floats, after: int, p0: float) -> int:
    """The first step by which 200 rows after the alarm were well again; the end when none."""
    tail, rows = values[after:], max(RECENT, round(RECENT_LOSSES / p0))
    if len(tail) < rows:
        return len(values)
    sums = np.concatenate([[0.0], np.cumsum(tail)])
    well = np.flatnonzero(sums[rows:] - sums[:-rows] <= p0 * rows)
    return after + int(well[0]) + rows if len(well) else len(values)


def _kind(prediction: Sequence[str], label: Sequence[str]) -> str:
    guesses, truths = [number(p) for p in prediction], [number(y) for y in label]
    if any(v is None for v in (*guesses, *truths)):
        return "wrong"
    if {t for t in truths if t is not None} <= {0.0, 1.0} and len(set(guesses)) > 2:
        return "probability" if all(g is not None and 0.0 <= g <= 1.0 for g in guesses) else "wrong"
    return "wrong" if len(set(truths)) < CLASSES else "number"


def _limit(errors: Floats) -> float:
    limit = float(np.quantile(errors, 0.999)) if len(errors) else 1.0
    return limit if limit > 0 else 1.0


def _name(cell: str) -> str:
    value = number(cell)
    if value is not None and math.isfinite(value) and value.is_integer():
        return str(int(value))
    return cell.strip().lower()


def _or_nan(cell: str) -> float:
    value = number(cell)
    return math.nan if value is None else value
