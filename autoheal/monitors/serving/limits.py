"""Evidence that requests break a stated limit: every one goes to the alarm clock once. Pure.

Failures are a rate above ``errors_warning``; that p95 is above its limit means that more than 5 % of the answers are
slower than it: both are counts, whose evidence is exact however the numbers are distributed. ``errors`` and ``latency``
say how large the effect is and ask here whether it is sure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from autoheal.monitors.budget import Budget
from autoheal.monitors.gauge import Bets, Gauge
from autoheal.monitors.rows import Ints
from autoheal.monitors.serving.options import ServingOptions
from autoheal.monitors.unread import Mark, unread
from autoheal.monitors.view import View
from autoheal.stats.eprocess import log_e_batch

#: The share of answers that p95 leaves above itself.
SLOW_SHARE = 0.05
#: Requests of one step of the clock.
BLOCK = 5
ERRORS, LATENCY = "errors", "latency"


@dataclass(frozen=True, slots=True)
class Limits:
    """Evidence about the requests that ``version`` answered, up to ``mark``."""

    version: str = ""
    gauge: Gauge = field(default_factory=Gauge)
    mark: Mark = field(default_factory=Mark)

    def learn(self, options: ServingOptions, view: View, budget: Budget) -> Limits:
        """With all requests that arrived since the last beat."""
        kept = self if self.version == view.champion else Limits(view.champion, mark=self.mark)
        windows, mark = unread(view, view.rows.time >= view.since, kept.mark, BLOCK)
        gauge = kept.gauge
        for window in windows:
            gauge = gauge.step(_bets(options, view, window.places), window.days, budget)
        return replace(kept, gauge=gauge, mark=mark)

    def recovered(self, subjects: list[str]) -> Limits:
        return replace(self, gauge=self.gauge.release(subjects))


def latency_limit(options: ServingOptions, view: View) -> float | None:
    """Milliseconds: the stated limit, or a multiple of the version's own p95."""
    baseline = view.reference.latency_p95_ms if view.reference else None
    return options.latency_limit_ms or (options.latency_ratio * baseline if baseline else None)


def _bets(options: ServingOptions, view: View, places: Ints) -> Mapping[str, Bets]:
    failed = view.rows.failed[places]
    errors = log_e_batch(min(max(options.errors_warning, 1e-4), 0.99), len(places), int(failed.sum()))
    found: dict[str, Bets] = {ERRORS: (errors, errors)}
    limit = latency_limit(options, view)
    latency = view.rows.latency[places]
    latency = latency[~np.isnan(latency)]
    if limit is not None and len(latency):
        slow = log_e_batch(SLOW_SHARE, len(latency), int((latency > limit).sum()))
        found[LATENCY] = (slow, slow)
    return found
