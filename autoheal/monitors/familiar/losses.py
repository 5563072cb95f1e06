"""ddm, adwin, page_hinkley, ewma over the champion's losses row by row; linear_trend over their daily means. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from autoheal.domain.names import Verdict
from autoheal.monitors.champion import bounded_losses, matured, silence
from autoheal.monitors.familiar.options import FamiliarOptions
from autoheal.monitors.familiar.rules import Rule
from autoheal.monitors.familiar.said import Said
from autoheal.monitors.familiar.state import Detector, FamiliarState, Stream, packed, started, unpacked
from autoheal.monitors.reference import Reference
from autoheal.monitors.rows import Floats
from autoheal.monitors.view import View
from autoheal.stats.adwin import Adwin
from autoheal.stats.trend import least_squares

DAY = 86_400.0
#: Labelled rows without which a day has no mean.
LEAST_A_DAY = 10
SUBJECT = "loss"


def learn(options: FamiliarOptions, state: FamiliarState, view: View) -> FamiliarState:
    """Every matured row is entered once into each detector, in the order of prediction time."""
    reference = view.reference
    rules = [r for r in options.rules if r.kind.over == "loss" and r.name != "linear_trend"]
    if reference is None or reference.loss is None or not rules:
        return state
    rows = matured(view, count_broken=False)
    after = -math.inf if state.read is None else state.read
    new = rows.take((rows.counts_from > after) & (rows.counts_from <= view.as_of))
    if not len(new):
        return state
    losses = bounded_losses(view, new.answers, reference.loss)
    streams = {r.name: _entered(r, state.streams.get(r.name, Stream()), losses, reference) for r in rules}
    return replace(state, streams=streams, read=view.as_of)


def _entered(rule: Rule, stream: Stream, losses: Floats, reference: Reference) -> Stream:
    fresh = started(rule, reference)
    detector, quiet = unpacked(fresh, stream.detector), stream.quiet
    for loss in losses.tolist():
        detector = detector.update(loss)
        quiet = 0 if _fires(detector) else quiet + 1 if quiet >= 0 else -1
        if quiet == 0 and not isinstance(detector, Adwin) and rule.name != "ewma":
            detector = fresh
    return Stream(packed(detector), stream.rows + len(losses), quiet)


def _fires(detector: Detector) -> bool:
    """ADWIN also drops its past when losses fall, which is no reason to worry."""
    if isinstance(detector, Adwin):
        return detector.alarm and detector.rose
    return detector.alarm


def on_losses(options: FamiliarOptions, rule: Rule, state: FamiliarState, view: View) -> Mapping[str, Said]:
    subject = f"{rule.name}:{SUBJECT}"
    reference = view.reference
    if reference is None or reference.loss is None:
        why = f"version {view.champion or '(none)'} has no loss of held-out rows"
        return {subject: Said(why, Verdict.NOT_YET)}
    if (quiet := silence(view, options.stale_after)) is not None:
        return {subject: Said(quiet[1], quiet[0])}
    if rule.name == "linear_trend":
        return {subject: _trend(options, rule, view, reference)}
    stream = state.streams.get(rule.name, Stream())
    if not stream.rows:
        return {subject: Said("no labelled row has matured yet", Verdict.NOT_YET)}
    alarm = 0 <= stream.quiet < (1 if rule.name == "ewma" else options.quiet_rows)
    ago = "has not gone off" if stream.quiet < 0 else f"last went off {stream.quiet} rows ago"
    detail = f"{rule} {ago}, {stream.rows} labelled rows"
    return {subject: Said(detail, None, alarm, float(stream.quiet) if alarm else None, n=stream.rows)}


def _trend(options: FamiliarOptions, rule: Rule, view: View, reference: Reference) -> Said:
    """One-sided: does the daily loss rise over the newest whole days?"""
    assert reference.loss is not None
    rows = matured(view, count_broken=False)
    day = np.floor(rows.time / DAY).astype(np.int64)
    if not len(day):
        return Said("no labelled row has matured yet", Verdict.NOT_YET)
    chosen = (day < day.max()) & (day >= day.max() - options.trend_days)
    losses = bounded_losses(view, rows.answers, reference.loss)[chosen]
    days, place, counts = np.unique(day[chosen], return_inverse=True, return_counts=True)
    full = counts >= LEAST_A_DAY
    if full.sum() < max(options.trend_days - 1, 3):
        why = f"{full.sum()} of {options.trend_days} days with {LEAST_A_DAY} labelled rows"
        return Said(why, Verdict.NOT_YET, n=int(counts.sum()))
    means = (np.bincount(place, weights=losses) / counts)[full]
    trend = least_squares((days[full] - days[full][0]).astype(np.float64), means)
    p = 1.0 - trend.p_falling()
    detail = f"the loss moves by {trend.slope:+.3g} a day over {int(full.sum())} days, p {p:.3g}"
    return Said(detail, None, p < rule.limit, p, rule.limit, len(losses), float(days[0]) * DAY)
