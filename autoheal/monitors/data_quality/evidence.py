"""Evidence that rates of odd cells have risen: every row goes to the alarm clock once. Pure.

A subject of the clock is one rule of one column (``temp/missing``); its null is the highest rate that the reference
allows, never less than half a percent, since one odd row in 200 is nobody's incident.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from autoheal.monitors.budget import Budget
from autoheal.monitors.data_quality.options import DataQualityOptions, DataQualityState
from autoheal.monitors.data_quality.rules import rates
from autoheal.monitors.gauge import Bets
from autoheal.monitors.reference import FeatureReference
from autoheal.monitors.rows import Rows
from autoheal.stats.eprocess import log_e_batch

DAY = 86_400.0


def learn(
    options: DataQualityOptions,
    state: DataQualityState,
    known: Mapping[str, FeatureReference],
    rows: Rows,
    as_of: float,
    budget: Budget,
) -> DataQualityState:
    """The state after all rows that arrived since the last beat."""
    new = np.flatnonzero(rows.arrived > (-math.inf if state.cursor is None else state.cursor))
    if not len(new) or not known:
        return state
    times = rows.time[new]
    last = float(times.min()) if state.last is None else state.last
    until = max(float(times.max()), last)
    bets: dict[str, Bets] = {}
    for name, reference in known.items():
        for rule, odd in rates(rows.features[name].take(new), reference, options):
            log_e = log_e_batch(rule.p0, len(new), int(odd.sum()))
            bets[subject(name, rule.name)] = (log_e, log_e)
    gauge = state.gauge.step(bets, (until - last) / DAY, budget)
    return replace(state, gauge=gauge, cursor=as_of, last=until)


def subject(feature: str, rule: str) -> str:
    return f"{feature}/{rule}"
