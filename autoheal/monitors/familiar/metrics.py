"""3_sigma: the newest sample of a metric beside the mean and spread of those in memory before it. Pure."""

from __future__ import annotations

import numpy as np

from autoheal.domain.names import Verdict
from autoheal.monitors.contract import plain
from autoheal.monitors.familiar.rules import Rule
from autoheal.monitors.familiar.said import Said
from autoheal.monitors.view import View
from autoheal.stats.familiar import sigma

#: Samples without which there is no band, intervals after which a metric is silent, and the largest measurement.
LEAST, INTERVALS, LARGEST = 30, 10.0, 1e12


def on_metrics(rule: Rule, view: View) -> dict[str, Said]:
    return {f"{rule.name}:{name}": _one(rule, view, name) for name in rule.of}


def _one(rule: Rule, view: View, name: str) -> Said:
    samples = view.metrics.get(name)
    if samples is None:
        return Said(f"no sample of {name} has arrived yet", Verdict.NOT_YET)
    kept = np.flatnonzero((np.abs(samples.value) <= LARGEST) & np.isfinite(samples.time))
    kept = kept[np.argsort(samples.time[kept], kind="stable")]
    if len(kept) <= LEAST:
        return Said(f"{len(kept)} of {LEAST + 1} samples of {name}", Verdict.NOT_YET, n=len(kept))
    time, value = samples.time[kept], samples.value[kept]
    silent = view.as_of - float(time[-1])
    if silent > max(INTERVALS * float(np.median(np.diff(time[-LEAST:]))), 300.0):
        return Said(f"the newest sample of {name} is from {plain(silent)} ago", Verdict.NO_DATA)
    band = sigma(value[:-1])
    newest = float(value[-1])
    away = abs(newest - band.mean) / band.sd if band.sd > 0 else 0.0
    return Said(
        f"{name} {newest:.4g}, usual {band.mean:.4g} with a deviation of {band.sd:.3g}",
        None,
        band.alarm(newest, rule.limit),
        away,
        rule.limit,
        len(kept),
        float(time[-1]),
    )
