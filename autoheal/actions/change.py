"""When did it begin? Re-estimated from the champion's labelled rows, before rows are chosen to judge or learn from. Pure.

``data.validate`` and ``evaluate.candidate`` ask. More rows are in than at the alarm, so the start is known better now:
it is the posterior that the Shiryaev-Roberts evidence carries (``stats.changepoint``), against the same ceiling as the
alarm's. The new world begins at the *upper* end of its 80 % interval, the old one ends at the lower. What surprises:
without evidence in the labels (the symptom was another one, or too few are in) the incident's own start is taken; and
when the rows are bad from the champion's very first on, nothing changed under it: it was bad all along, and the world
is as old as the rows that it was made from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from autoheal.domain.names import Task
from autoheal.monitors.worsening import HEALTHY
from autoheal.stats.changepoint import log_posterior, quantiles
from autoheal.stats.eprocess import log_e_losses
from autoheal.stats.intervals import null_rate
from autoheal.telemetry.values import class_of

Floats = NDArray[np.float64]
Row = Mapping[str, Any]
#: Rows that are looked back at, at the most.
LOOK_BACK: Final = 20_000
#: Fewer labelled rows of the champion say nothing about when.
LEAST: Final = 30
#: Log of how much likelier a change must be than none, for labels to say when.
EVIDENCE: Final = math.log(20.0)


@dataclass(frozen=True, slots=True)
class Change:
    """``began`` is the median; rows until ``before`` are of the old world, rows after ``after`` of the new one.

    ``earliest`` and ``latest`` are the ends of the 95 % interval. ``known_by``: the labels, or only the incident.
    ``from_the_first``: the champion was bad from its first row on. ``rise``: mean loss (in [0, 1]) since the change
    less the baseline's.
    """

    began: datetime
    before: datetime
    after: datetime
    earliest: datetime
    latest: datetime
    known_by: Literal["labels", "incident"] = "incident"
    from_the_first: bool = False
    rise: float | None = None

    def __str__(self) -> str:
        said = f"{self.began:%Y-%m-%d %H:%M}"
        if self.known_by == "incident":
            return said
        return f"{said}, over by {self.after:%Y-%m-%d %H:%M}"


def locate(
    task: Task, rows: Sequence[Row], loss: Mapping[str, Any] | None, since: datetime, *, whole: bool = True
) -> Change:
    """``rows``: labelled ones that the champion answered since it became champion (all when ``whole``, else the
    newest), the oldest first; ``loss``: the entry of its reference.json; ``since``: when the symptom is thought to
    have begun."""
    known = _by_labels(task, rows, loss) if loss and len(rows) >= LEAST else None
    if known is None:
        return Change(since, since, since, since, since, rise=_rise(task, rows, loss, since))
    at, first = [rows[place]["time"] for place in known], whole and known[1] == 0
    # An incident's start that is later than ours was known with fewer rows, but a person's may be no estimate at all.
    after = at[3] if first else max(at[3], since)
    return Change(
        at[2], at[1], after, at[0], at[4], "labels", from_the_first=first, rise=_rise(task, rows, loss, after)
    )


def losses(task: Task, rows: Sequence[Row], scale: float) -> Floats:
    """One loss in [0, 1] a row: wrong or not, or the absolute error as a share of ``scale``."""
    if task is Task.CLASSIFICATION:
        return np.array([class_of(r["prediction"]) != class_of(r["label"]) for r in rows], np.float64)
    errors = [abs(float(r["prediction"]) - float(r["label"])) for r in rows]
    bounded: Floats = np.minimum(np.array(errors, np.float64) / scale, 1.0)
    return bounded


def answered(task: Task, rows: Sequence[Row], version: str, served_since: datetime) -> list[Row]:
    """Of rows with the newest first, those with a usable answer of ``version`` itself, the oldest first."""
    return [
        r
        for r in reversed(rows)
        if r["version"] == version
        and r["by"] == "champion"
        and not r["error"]
        and r["time"] >= served_since
        and _usable(task, r["prediction"])
        and _usable(task, r["label"])
    ]


def _usable(task: Task, value: Any) -> bool:
    if task is Task.CLASSIFICATION:
        return value is not None
    return isinstance(value, int | float) and math.isfinite(value)


def _by_labels(task: Task, rows: Sequence[Row], loss: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Places at 2.5, 10, 50, 90 and 97.5 % of the posterior; None when the labels hold no evidence of a change."""
    alike = max(float(loss.get("alike", 1.0)), 1.0)
    n = max(float(loss["n"]) / alike, 1.0)
    p0 = min(max(null_rate(float(loss["mean"]) * n, n, tolerance=HEALTHY[task]), 1e-4), 0.99)
    steps = log_e_losses(p0, losses(task, rows, float(loss["scale"]))) / alike
    posterior, log_m = log_posterior(steps)
    if log_m - math.log(len(rows)) < EVIDENCE:
        return None
    return quantiles(posterior, [0.025, 0.1, 0.5, 0.9, 0.975])


def _rise(task: Task, rows: Sequence[Row], loss: Mapping[str, Any] | None, after: datetime) -> float | None:
    late = [r for r in rows if r["time"] > after]
    if not loss or not late:
        return None
    return float(losses(task, late, float(loss["scale"])).mean()) - float(loss["mean"])
