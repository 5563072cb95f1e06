"""Objectives: how fast is the error budget of thirty days being spent? Pure.

Google's windows and rates (``stats.burn_rate``): 14.4 times over an hour and five minutes, 6 over six hours and half an
hour page; 3 over a day and two hours, 1 over three days and six hours are tickets. Good and bad requests are counted
by five minutes, three days of them. What surprises: a rule waits until half of its long window has been seen, and where
only a scraped error rate is known, each five minutes count alike (weighed by ``requests_per_s``, when that is known too).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.contract import plain, verdict_of
from autoheal.monitors.rows import Bools, Floats
from autoheal.monitors.serving.observed import AHEAD, HOUR, LARGEST, TICK
from autoheal.monitors.serving.options import Slo
from autoheal.monitors.view import View
from autoheal.stats import burn_rate
from autoheal.stats.burn_rate import Burn, Count, Urgency

#: Three days of ticks.
KEPT = 864
#: A rule speaks when this share of its long window has been seen.
SEEN = 0.5
#: What a tick counts for where requests are not counted.
UNWEIGHED = 1_000.0


@dataclass(frozen=True, slots=True)
class Counts:
    """Ticks that are closed: number since 1970, requests, bad ones; ``began`` is when the first was seen (seconds)."""

    ticks: tuple[tuple[int, float, float], ...] = ()
    began: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Requests in the order of data time with their weight and how much of it is bad; both (n,)."""

    time: Floats
    weight: Floats
    bad: Floats


def requests(slo: Slo, view: View, subject: str) -> Requests | None:
    """What counts for ``slo_errors`` or ``slo_latency``, since the champion began; None when nothing does."""
    rows = view.rows
    since = (rows.time >= view.since) & (rows.time <= view.as_of + AHEAD)
    if subject == "slo_errors":
        if since.any() and "error_rate" not in view.metrics:
            return _rows(rows.time, since, rows.failed.astype(np.float64))
        return _scraped(view)
    timed = since & (~np.isnan(rows.latency) | rows.failed)
    if slo.latency is None or not timed.any() or np.isnan(rows.latency[timed]).all():
        return None
    below = slo.latency.below / timedelta(milliseconds=1)
    # A request that failed did not come in time.
    slow = rows.failed | (np.nan_to_num(rows.latency, nan=0.0) > below)
    return _rows(rows.time, timed, slow.astype(np.float64))


def counted(counts: Counts, seen: Requests) -> Counts:
    """The counts with all ticks that are closed by now."""
    newest = int(seen.time[-1] // TICK)
    after = counts.ticks[-1][0] if counts.ticks else newest - KEPT
    made = [t for t in _by_tick(seen, after + 1) if t[0] < newest]
    began = float(seen.time[0]) if counts.began is None else counts.began
    kept = tuple(t for t in (*counts.ticks, *made) if t[0] > newest - KEPT)
    return Counts(kept, began)


def judge(objective: float, counts: Counts, seen: Requests, *, weighed: bool) -> dict[str, Any]:
    """What to say about an objective at the time of the newest request."""
    now = float(seen.time[-1])
    table = np.array([*counts.ticks, *_by_tick(seen, int(now // TICK))], np.float64).reshape(-1, 3)
    began = now if counts.began is None else counts.began
    rules = [r for r in burn_rate.RULES if now - began >= SEEN * r.long_hours * HOUR]
    if not rules:
        need = plain(SEEN * burn_rate.RULES[0].long_hours * HOUR)
        return {"verdict": Verdict.NOT_YET, "detail": f"seen for {plain(now - began)}, {need} are needed"}
    hours = {h for rule in rules for h in (rule.long_hours, rule.short_hours)}
    windows = {h: _window(table, now, h) for h in hours}
    least = burn_rate.LEAST_BAD if weighed else 0.0
    return _say(objective, burn_rate.read(windows, objective, rules, least_bad=least), windows)


def _say(objective: float, burns: tuple[Burn, ...], windows: dict[float, Count]) -> dict[str, Any]:
    urgency = burn_rate.worst(burns)
    fired = [b for b in burns if b.fires and b.rule.urgency is urgency]
    shown = max(fired or list(burns), key=lambda b: b.long / b.rule.factor)
    severity = Severity.NONE
    if urgency is not None:
        severity = Severity.CRITICAL if urgency is Urgency.PAGE else Severity.WARNING
    window, rule = windows[shown.rule.long_hours], shown.rule
    share = window.bad / window.total if window.total else 0.0
    return {
        "verdict": verdict_of(severity),
        "severity": severity,
        "value": shown.long,
        "reference": rule.factor,
        "effect": max(shown.long / rule.factor - 1.0, 0.0),
        "n": round(window.total),
        "detail": f"{share:.2%} bad in {plain(rule.long_hours * HOUR)} of {1.0 - objective:.3g} allowed: "
        f"the budget burns {shown.long:.3g} times too fast, {shown.short:.3g} in the last "
        f"{plain(rule.short_hours * HOUR)} (limit {rule.factor:g})",
    }


def _window(table: Floats, now: float, hours: float) -> Count:
    inside = (table[:, 0] + 1.0) * TICK > now - hours * HOUR
    return Count(float(table[inside, 1].sum()), float(table[inside, 2].sum()))


def _by_tick(seen: Requests, first: int) -> Iterator[tuple[int, float, float]]:
    """Number, requests and bad ones of each tick from ``first`` on."""
    begin = int(np.searchsorted(seen.time, first * TICK, side="left"))
    ticks, place = np.unique(np.floor(seen.time[begin:] / TICK).astype(np.int64), return_inverse=True)
    totals, bad = (np.bincount(place, weights=side[begin:]) for side in (seen.weight, seen.bad))
    for tick, total, worse in zip(ticks.tolist(), totals.tolist(), bad.tolist(), strict=True):
        yield tick, total, min(worse, total)


def _rows(time: Floats, chosen: Bools, bad: Floats) -> Requests:
    time, bad = time[chosen], bad[chosen]
    if (time[1:] < time[:-1]).any():
        order = np.argsort(time, kind="stable")
        time, bad = time[order], bad[order]
    return Requests(time, np.ones(len(time)), bad)


def _scraped(view: View) -> Requests | None:
    rates = view.metrics.get("error_rate")
    if rates is None:
        return None
    kept = np.flatnonzero(
        np.isfinite(rates.value) & (rates.time >= view.since) & (rates.time <= view.as_of + AHEAD)
    )
    if not len(kept):
        return None
    kept = kept[np.argsort(rates.time[kept], kind="stable")]
    time = rates.time[kept]
    # Samples of one tick share it.
    number = np.floor(time / TICK).astype(np.int64)
    _, place, samples = np.unique(number, return_inverse=True, return_counts=True)
    weight = _per_tick(view, time) / samples[place]
    return Requests(time, weight, weight * np.clip(rates.value[kept], 0.0, 1.0))


def _per_tick(view: View, time: Floats) -> Floats:
    """Requests of each sample's tick, as the newest sample of their number says."""
    known = view.metrics.get("requests_per_s")
    if known is None:
        return np.full(len(time), UNWEIGHED)
    kept = (np.abs(known.value) <= LARGEST) & np.isfinite(known.time)
    if not kept.any():
        return np.full(len(time), UNWEIGHED)
    order = np.argsort(known.time[kept], kind="stable")
    place = np.searchsorted(known.time[kept][order], time, side="right") - 1
    return np.maximum(known.value[kept][order][np.maximum(place, 0)], 0.0) * TICK
