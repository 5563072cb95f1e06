"""Point 2 of ``statistics.py``: how many labels after an error rate rises do detectors notice, at one mean run length.

Streams of 0/1 losses: rate 0.10 for ever, to set each threshold so that the mean run to a false alarm is 50,000 rows;
then rate 0.10 up to row 5,000 and worse from there. Ours is the daemon's (``eprocess.trace`` over six rates that it does
not know); the yardstick is the CUSUM that knows the rate to come, which no detector can beat (Moustakides 1986). Run
lengths are taken as exponential: mean = rows watched / alarms, so that runs may be cut off. All detectors see the same
streams; runs that alarm before the change are left out, as usual.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoheal.stats import eprocess

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]

P0, RATES, CHANGE, RUN = 0.10, (0.12, 0.15, 0.30), 5_000, 50_000.0
#: Rows after the change within which everything but hopeless detectors has noticed.
WITHIN = {0.12: 25_000, 0.15: 6_000, 0.30: 1_000}
SEED = 20_261


@dataclass(frozen=True)
class Delay:
    """Mean rows from change to alarm, its standard error, and the share of runs that never noticed."""

    mean: float
    error: float
    missed: float


def healthy(runs: int, rows: int) -> Floats:
    """Streams without a change, (runs, rows)."""
    return _bernoulli(np.random.default_rng((SEED, 1)), np.full(rows, P0), runs)


def changing(rate: float, runs: int) -> Floats:
    """Streams that change at row CHANGE, (runs, rows)."""
    rates = np.concatenate([np.full(CHANGE, P0), np.full(WITHIN[rate], rate)])
    return _bernoulli(np.random.default_rng((SEED, 2, int(100 * rate))), rates, runs)


def ours(stream: Floats) -> Floats:
    """Log M after each row: mixture Shiryaev-Roberts, one row a step of weight 1."""
    table = np.stack([eprocess.log_e_batch(P0, 1, 0), eprocess.log_e_batch(P0, 1, 1)])
    _, log_m = eprocess.trace(eprocess.fresh(), table[stream.astype(np.int64)], 1.0)
    return log_m


def cusum(rate: float) -> Statistic:
    """Page's CUSUM for P0 -> rate."""
    gain = np.array([math.log((1 - rate) / (1 - P0)), math.log(rate / P0)])

    def statistic(stream: Floats) -> Floats:
        sums = np.cumsum(gain[stream.astype(np.int64)])
        return np.asarray(sums - np.minimum(np.minimum.accumulate(sums), 0.0), dtype=np.float64)

    return statistic


def threshold(statistic: Statistic, streams: Floats) -> float:
    """The level that is reached for the first time after 50,000 rows on average."""
    records = [_records(statistic(stream)) for stream in streams]
    levels = np.unique(np.concatenate([height for height, _ in records]))
    rows = streams.shape[1]
    low, high = 0, len(levels) - 1
    while low < high:
        middle = (low + high) // 2
        firsts = [_first(record, float(levels[middle])) for record in records]
        alarms = sum(first is not None for first in firsts)
        watched = sum(rows if first is None else first + 1 for first in firsts)
        if alarms == 0 or watched / alarms >= RUN:
            high = middle
        else:
            low = middle + 1
    return float(levels[high])


def delays(statistic: Statistic, level: float, streams: Floats) -> Delay:
    """Rows from the change to the first row at or above the level."""
    return summary([_crossing(statistic(stream), level) for stream in streams], streams.shape[1])


def summary(alarms: list[int | None], rows: int) -> Delay:
    """Of the first alarm of each run (row, None = never)."""
    late = [rows if a is None else a for a in alarms if a is None or a >= CHANGE]
    waits = np.array(late, dtype=np.float64) - CHANGE + 1.0
    missed = sum(a is None for a in alarms) / max(len(waits), 1)
    return Delay(float(waits.mean()), float(waits.std() / math.sqrt(len(waits))), missed)


def _bernoulli(rng: np.random.Generator, rates: Floats, runs: int) -> Floats:
    return np.stack([(rng.random(len(rates)) < rates) for _ in range(runs)]).astype(np.int8)


def _records(values: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Heights and rows of the values that exceed all before them: all that first crossings depend on."""
    top = np.maximum.accumulate(values)
    at = np.flatnonzero(np.concatenate([[True], top[1:] > top[:-1]]))
    return top[at], at


def _first(record: tuple[Floats, NDArray[np.int64]], level: float) -> int | None:
    place = int(np.searchsorted(record[0], level))
    return int(record[1][place]) if place < len(record[0]) else None


def _crossing(values: Floats, level: float) -> int | None:
    over = values >= level
    place = int(np.argmax(over))
    return place if over[place] else None
