"""Evidence that requests break a stated limit: every one goes to the alarm clock once, and every scraped sample. Pure.

Failures are a rate above ``errors_warning``; that p95 is above its limit means that more than 5 % of the answers are
slower than it: both are counts, whose evidence is exact however the numbers are distributed. ``errors`` and ``latency``
say how large the effect is and ask here whether it is sure. The surprising part: a sample of an error rate counts as one
request, unless ``requests_per_s`` tells how many it was of, and one of p95 says only on which side of the limit it is,
since three minutes of twenty requests each are above any limit now and then.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from autoheal.monitors.budget import Budget
from autoheal.monitors.gauge import Bets, Gauge
from autoheal.monitors.rows import Floats, Ints
from autoheal.monitors.serving.options import ServingOptions
from autoheal.monitors.unread import DAY, Mark, unread
from autoheal.monitors.view import View
from autoheal.stats.eprocess import log_e_batch, log_e_losses

#: The share of answers that p95 leaves above itself.
SLOW_SHARE = 0.05
#: Requests of one step of the clock.
BLOCK = 5
ERRORS, LATENCY = "errors", "latency"
#: The subjects of the alarm clock that scraped samples are evidence about, and how often a healthy one is above its limit.
SAMPLED = {ERRORS: "errors_sampled", LATENCY: "latency_sampled"}
ABOVE = 0.5
METRIC = {ERRORS: "error_rate", LATENCY: "latency_p95_ms"}
REQUESTS = "requests_per_s"
#: A sample stands for the time since the one before, or for this many seconds at most.
LONGEST = 300.0
#: Requests of one sample that count: more could not make it surer.
MOST = 1e6


@dataclass(frozen=True, slots=True)
class Limits:
    """Evidence about the requests that ``version`` answered, up to ``mark``, and about samples up to ``sampled``."""

    version: str = ""
    gauge: Gauge = field(default_factory=Gauge)
    mark: Mark = field(default_factory=Mark)
    sampled: float | None = None

    def learn(self, options: ServingOptions, view: View, budget: Budget) -> Limits:
        """With all requests that arrived since the last beat."""
        kept = (
            self if self.version == view.champion else Limits(view.champion, Gauge(), self.mark, self.sampled)
        )
        windows, mark = unread(view, view.rows.time >= view.since, kept.mark, BLOCK)
        gauge = kept.gauge
        for window in windows:
            gauge = gauge.step(_bets(options, view, window.places), window.days, budget)
        last = kept.sampled
        for time, found in _samples(options, view, last):
            gauge = gauge.step(found, 0.0 if last is None else (time - last) / DAY, budget)
            last = time
        return replace(kept, gauge=gauge, mark=mark, sampled=last)

    def recovered(self, subjects: list[str]) -> Limits:
        return replace(self, gauge=self.gauge.release([*subjects, *(SAMPLED[s] for s in subjects)]))


def latency_limit(options: ServingOptions, view: View) -> float | None:
    """Milliseconds: the stated limit, or a multiple of the version's own p95."""
    baseline = view.reference.latency_p95_ms if view.reference else None
    return options.latency_limit_ms or (options.latency_ratio * baseline if baseline else None)


def _bets(options: ServingOptions, view: View, places: Ints) -> Mapping[str, Bets]:
    failed = view.rows.failed[places]
    errors = log_e_batch(_rate(options.errors_warning), len(places), int(failed.sum()))
    found: dict[str, Bets] = {ERRORS: (errors, errors)}
    limit = latency_limit(options, view)
    latency = view.rows.latency[places]
    latency = latency[~np.isnan(latency)]
    if limit is not None and len(latency):
        slow = log_e_batch(SLOW_SHARE, len(latency), int((latency > limit).sum()))
        found[LATENCY] = (slow, slow)
    return found


def _samples(
    options: ServingOptions, view: View, after: float | None
) -> Iterator[tuple[float, Mapping[str, Bets]]]:
    """What a few new samples together say, up to which time, in order."""
    start = max(view.since, -math.inf if after is None else math.nextafter(after, math.inf))
    parts = [part for part in _sampled(options, view, start) if len(part[1])]
    times = np.unique(np.concatenate([time for _, time, _, _ in parts])) if parts else np.empty(0)
    for chunk in np.array_split(times, math.ceil(len(times) / BLOCK)) if len(times) else ():
        found: dict[str, Bets] = {}
        for subject, time, n, k in parts:
            mine = (time >= chunk[0]) & (time <= chunk[-1])
            if mine.any():
                null = ABOVE if subject == LATENCY else _rate(options.errors_warning)
                alone = bool((n[mine] == 1.0).all())
                counted = float(n[mine].sum()), float(k[mine].sum())
                # Shares by themselves say more than their sum does.
                log_e = log_e_losses(null, k[mine]).sum(axis=0) if alone else log_e_batch(null, *counted)
                found[SAMPLED[subject]] = (log_e, log_e)
        yield float(chunk[-1]), found


def _sampled(
    options: ServingOptions, view: View, start: float
) -> Iterator[tuple[str, Floats, Floats, Floats]]:
    """By subject the times of new samples, of how many requests each is, and how many of them are bad."""
    limit = latency_limit(options, view)
    for subject, metric in METRIC.items():
        series = view.metrics.get(metric)
        if series is None:
            continue
        new = (series.time >= start) & (series.time <= view.as_of) & ~np.isnan(series.value)
        time, value = series.time[new], series.value[new]
        if subject == ERRORS:
            n = _requests(view, series.time)[new]
            yield subject, time, n, np.clip(value, 0.0, 1.0) * n
        elif limit is not None:
            yield subject, time, np.ones(len(value)), (value > limit).astype(np.float64)


def _requests(view: View, time: Floats) -> Floats:
    """How many requests each sample of the error rate is of; 1 where nobody tells."""
    known = view.metrics.get(REQUESTS)
    if known is None or not len(known.time) or not len(time):
        return np.ones(len(time))
    place = np.clip(np.searchsorted(known.time, time, side="right") - 1, 0, None)
    near = np.abs(known.time[place] - time) <= LONGEST
    length = np.minimum(np.diff(time, prepend=time[0]), LONGEST)
    told = np.where(near, np.clip(known.value[place], 0.0, MOST / LONGEST) * length, 1.0)
    return np.maximum(told, 1.0)


def _rate(share: float) -> float:
    """A rate that can be bet against."""
    return min(max(share, 1e-4), 0.99)
