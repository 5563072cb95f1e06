"""One service metric as it was observed, from rows or from scraped samples, by five minutes and by hours. Pure.

``traffic`` is requests a second (scraped, since rows may be a sample of them; else counted rows), ``latency`` the p95 in
milliseconds (from rows that carry it, else scraped), anything else a pushed or scraped metric of that name. A stretch
of time is closed once something newer has been seen; what arrives later for it is not waited for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from autoheal.monitors.rows import Floats, Ints
from autoheal.monitors.view import View

TICK, HOUR = 300.0, 3_600.0
#: Answers without which a p95 says nothing.
LEAST_ANSWERS = 20
#: Data times further in the future than this, in seconds, are a wrong clock: one would close all hours until then.
AHEAD = 3_600.0
#: A number beyond this is no measurement of a service.
LARGEST = 1e12
#: Scraped in the place of what rows tell.
SCRAPED = {"latency": "latency_p95_ms", "traffic": "requests_per_s"}


@dataclass(frozen=True, slots=True)
class Observed:
    """Items in the order of data time. ``how`` a stretch is summed up: p95, median, or their number a second."""

    time: Floats
    value: Floats
    how: Literal["p95", "median", "rate"]

    @property
    def newest(self) -> float:
        return float(self.time[-1])


def observed(view: View, subject: str) -> Observed | None:
    """What is known about a subject; None when nothing is."""
    rows, samples = view.rows, view.metrics.get(SCRAPED.get(subject, subject))
    if subject == "latency":
        timed = np.flatnonzero((np.abs(rows.latency) <= LARGEST) & (rows.time >= view.since))
        if len(timed):
            return _ordered(view, rows.time[timed], rows.latency[timed], "p95")
    if samples is not None:
        kept = np.abs(samples.value) <= LARGEST  # which NaN is not
        if subject == "latency":
            kept &= samples.time >= view.since
        return _ordered(view, samples.time[kept], samples.value[kept], "median")
    if subject == "traffic" and len(rows):
        return _ordered(view, rows.time, np.zeros(len(rows)), "rate")
    return None


def stretches(seen: Observed, size: float, after: int | None, most: int) -> Iterator[tuple[int, float]]:
    """Number and value of each stretch closed since ``after``; at most the newest ``most``; NaN where nothing is known.

    Without ``after`` it begins with the first whole stretch.
    """
    first = int(seen.time[0] // size) + 1 if after is None else after + 1
    last = int(seen.newest // size) - 1
    first = max(first, last - most + 1)
    if first > last:
        return
    edges = np.searchsorted(seen.time, np.arange(first, last + 2) * size, side="left")
    for i in range(last - first + 1):
        yield first + i, _value(seen, edges[i : i + 2], size, known=(first + i) * size >= seen.time[0])


def _value(seen: Observed, edge: Ints, size: float, *, known: bool) -> float:
    values = seen.value[edge[0] : edge[1]]
    if seen.how == "rate":
        return len(values) / size if known else np.nan
    if len(values) < (LEAST_ANSWERS if seen.how == "p95" else 1):
        return np.nan
    found = float(np.quantile(values, 0.95) if seen.how == "p95" else np.median(values))
    # Ratios to a habit need a size; a negative one has none.
    return found if found >= 0.0 else np.nan


def _ordered(
    view: View, time: Floats, value: Floats, how: Literal["p95", "median", "rate"]
) -> Observed | None:
    kept = (time <= view.as_of + AHEAD) & (time > -np.inf)
    if not kept.any():
        return None
    time, value = time[kept], value[kept]
    if (time[1:] < time[:-1]).any():
        order = np.argsort(time, kind="stable")
        time, value = time[order], value[order]
    return Observed(time, value, how)
