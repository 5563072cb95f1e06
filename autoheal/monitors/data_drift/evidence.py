"""Evidence that inputs drift: every row goes to the alarm clock once, in windows that wait until they are large enough.

Pure. A window is closed once it holds ``min_rows`` and the last one is an hour ago, or it holds 5,000 rows; what is left waits for the
next beat. PSI's e-value is against "PSI at most harmless" (``notify``) and "at most twice that" (``act``); the error of
the reference is common to all windows, so no PSI below it is ever evidence. Rows that resemble their neighbours, as they
did in the reference, count for less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autoheal.monitors.budget import Budget
from autoheal.monitors.data_drift.options import DataDriftState
from autoheal.monitors.drift import bets
from autoheal.monitors.gauge import Gauge
from autoheal.monitors.reference import FeatureReference
from autoheal.monitors.rows import Ints, Rows, in_place
from autoheal.monitors.yardstick import Tally, yardstick

DAY, HOUR = 86_400.0, 3_600.0
#: A window of this many rows need not last an hour.
MOST_ROWS = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """A window of rows by their positions, and what was counted in it."""

    window: Ints
    tally: Tally


def learn(
    state: DataDriftState,
    references: Mapping[str, FeatureReference],
    rows: Rows,
    as_of: float,
    min_rows: int,
    harmless: float,
    budget: Budget,
) -> tuple[DataDriftState, Counted | None]:
    """The state after the windows that are complete by now, and what was counted in the last of them."""
    new = np.flatnonzero(rows.arrived > (-math.inf if state.cursor is None else state.cursor))
    if len(new) < min_rows or not references:
        return state, None
    times = rows.time[new]
    last = float(times.min()) if state.last is None else state.last
    if float(times.max()) - last < HOUR and len(new) < MOST_ROWS:
        return state, None
    gauge, counted = state.gauge, None
    for window in _windows(new):
        until = max(float(rows.time[window].max()), last)
        counted = Counted(window, count(references, rows, window))
        gauge = _step(gauge, references, counted.tally, (until - last) / DAY, harmless, budget)
        last = until
    return replace(state, gauge=gauge, cursor=as_of, last=last), counted


def count(references: Mapping[str, FeatureReference], rows: Rows, window: Ints) -> Tally:
    """These rows in the bins of the references."""
    chosen = in_place(window)
    return yardstick(tuple(references.values())).tally([rows.features[n].take(chosen) for n in references])


def _windows(new: Ints) -> Sequence[Ints]:
    """Equal parts of at most MOST_ROWS rows."""
    return np.array_split(new, -(-len(new) // MOST_ROWS))


def _step(
    gauge: Gauge,
    references: Mapping[str, FeatureReference],
    counted: Tally,
    days: float,
    harmless: float,
    budget: Budget,
) -> Gauge:
    weak, strict = bets(tuple(references.values()), counted, harmless)
    return gauge.step({name: (weak[i], strict[i]) for i, name in enumerate(references)}, days, budget)
