"""``data_drift``: do the inputs look like the training data? Pure.

One subject a feature. The effect is the population stability index on the reference's own bins; the evidence is its
e-value against "PSI at most a harmless bit", judged over all features together (e-BH), so that fifty features do not
cry wolf fifty times as often. Numeric columns also get a Kolmogorov-Smirnov distance, which alone suffices when it is
large. The surprising part: seasons *are* drift, and are truthfully reported; whether drift hurts is performance's to say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from pydantic import Field

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.contract import EVIDENCE, finding, from_unix, mixture, plain, verdict_of
from autoheal.monitors.freshness import freshness
from autoheal.monitors.options import MonitorOptions, Window
from autoheal.monitors.reference import Counts, FeatureReference
from autoheal.monitors.rows import Column, Floats
from autoheal.monitors.view import View
from autoheal.stats import psi
from autoheal.stats.distance import ks_p_value
from autoheal.stats.multiplicity import e_bh, mixture_calibrator


class DataDriftOptions(MonitorOptions):
    """``harmless``: a PSI up to this is never evidence. ``features``: only these (all, when empty)."""

    window: Window = Window(rows=500)
    min_rows: int = Field(default=200, ge=50)
    psi_warning: float = Field(default=0.2, gt=0)
    psi_critical: float = Field(default=0.3, gt=0)
    ks_warning: float = Field(default=0.25, gt=0, le=1)
    harmless: float = Field(default=0.05, gt=0)
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataDriftState:
    """Since when each feature has been off, in unix seconds."""

    since: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Compared:
    """One feature of the window beside its reference."""

    psi: float
    psi_log_e: float
    ks: float | None
    ks_log_e: float
    moved: str

    @property
    def log_e(self) -> float:
        """Both together: the mean of two e-values."""
        return float(np.logaddexp(self.psi_log_e, self.ks_log_e)) - math.log(2.0)


class DataDrift:
    kind = "data_drift"
    Options = DataDriftOptions
    State = DataDriftState

    def start(self) -> DataDriftState:
        return DataDriftState()

    def update(
        self, options: DataDriftOptions, state: DataDriftState, view: View, now: datetime
    ) -> tuple[DataDriftState, tuple[Finding, ...]]:
        names = [f.name for f in view.spec.features if f.name in (options.features or (f.name,))]
        chosen = options.window.pick(view.rows.time)
        unready = _unready(options, view, len(chosen))
        if unready is not None:
            verdict, why = unready
            return state, tuple(
                finding(view, self.kind, n, now, verdict, n=len(chosen), detail=why) for n in names
            )
        assert view.reference is not None
        known = {n: view.reference.features[n] for n in names if n in view.reference.features}
        columns = [view.rows.features[n].take(chosen) for n in known]
        compared = compare(list(known.values()), columns, options.harmless)
        first = float(view.rows.time[chosen].min())
        since: dict[str, float] = {}
        findings = []
        for name, seen, sure in zip(known, compared, _convincing(compared), strict=True):
            severity = _severity(options, seen) if sure else Severity.NONE
            if severity is not Severity.NONE:
                since[name] = state.since.get(name, first)
            said = _say(options, name, seen, len(chosen)) | {"severity": severity}
            began = from_unix(since[name]) if name in since else None
            findings.append(
                finding(view, self.kind, name, now, verdict_of(severity), started_at=began, **said)
            )
        strange = [n for n in names if n not in known]
        findings += [
            finding(view, self.kind, n, now, Verdict.NOT_YET, detail="not in the reference") for n in strange
        ]
        return DataDriftState(since), tuple(findings)


def compare(
    references: Sequence[FeatureReference], columns: Sequence[Column], harmless: float
) -> list[Compared]:
    """Each column beside its reference; many at once, since the numerics cost per call, not per feature."""
    tallies = [r.tally(c) for r, c in zip(references, columns, strict=True)]
    if not tallies:
        return []
    width = max(len(t) for t in tallies)
    reference = np.zeros((len(tallies), width))
    current = np.zeros((len(tallies), width))
    for i, (r, tally) in enumerate(zip(references, tallies, strict=True)):
        reference[i, : len(tally)] = r.counts
        current[i, : len(tally)] = tally
    window = psi.windows(reference, current)
    # The error of the references is common to all windows: no PSI below it is ever evidence.
    eps0 = max(harmless, *(psi.least_eps0(r.counts.sum(), len(r.counts)) for r in references))
    log_e = psi.evidence(window, eps0)
    found = []
    for i, (r, column) in enumerate(zip(references, columns, strict=True)):
        distance, ks_log_e = _ks(r, column)
        found.append(
            Compared(float(window.psi[i]), mixture(log_e[i]), distance, ks_log_e, _moved(r, tallies[i]))
        )
    return found


def _ks(reference: FeatureReference, column: Column) -> tuple[float | None, float]:
    """Kolmogorov-Smirnov distance of a numeric column to the reference's percentiles, and its log e-value.

    Percentiles know the reference to one point in a hundred, which is taken off.
    """
    if reference.bins is None or len(reference.grid) < 2:
        return None, -math.inf
    values: Floats = np.sort(column.values[column.usable])
    if not len(values):
        return None, -math.inf
    grid = np.array(reference.grid)
    share = np.searchsorted(grid, grid, side="right") / len(grid)
    live = np.searchsorted(values, grid, side="right") / len(values)
    distance = max(float(np.abs(share - live).max()) - 1.0 / (len(grid) - 1), 0.0)
    p = max(ks_p_value(distance, reference.rows, len(values)), 1e-300)
    return distance, float(np.log(np.ravel(mixture_calibrator(p))[0]))


def _convincing(compared: Sequence[Compared]) -> list[bool]:
    """Which of all features are found out together, at one false finding in a thousand looks."""
    if not compared:
        return []
    rejected, _ = e_bh(np.exp(np.clip([c.log_e for c in compared], -700.0, 700.0)), math.exp(-EVIDENCE))
    return [bool(r) for r in rejected]


def _severity(options: DataDriftOptions, seen: Compared) -> Severity:
    if seen.psi >= options.psi_critical:
        return Severity.CRITICAL
    far = seen.ks is not None and seen.ks >= options.ks_warning
    return Severity.WARNING if far or seen.psi >= options.psi_warning else Severity.NONE


def _moved(reference: FeatureReference, tally: Counts) -> str:
    """The bin whose share grew most, in words."""
    now, was = tally / max(tally.sum(), 1), reference.counts / max(reference.counts.sum(), 1)
    place = int(np.argmax(now - was))
    return f"{reference.labels[place]} {was[place]:.0%} -> {now[place]:.0%}"


def _say(options: DataDriftOptions, name: str, seen: Compared, n: int) -> dict[str, Any]:
    distance = "" if seen.ks is None else f", KS {seen.ks:.2f}"
    return {
        "value": seen.psi,
        "reference": options.psi_warning,
        "effect": seen.psi,
        "evidence": seen.log_e,
        "n": n,
        "detail": f"{name}: PSI {seen.psi:.2f}{distance}; {seen.moved}, n={n}",
    }


def _unready(options: DataDriftOptions, view: View, count: int) -> tuple[Verdict, str] | None:
    if view.reference is None:
        return Verdict.NOT_YET, f"version {view.champion or '(none)'} has no reference"
    fresh = freshness(view.rows.time, view.rows.arrived, view.as_of, options.stale_after)
    if fresh is not None and fresh.late:
        return Verdict.NO_DATA, f"no prediction for {plain(fresh.silent)}"
    if count < options.min_rows:
        return Verdict.NOT_YET, f"{count} of {options.min_rows} rows"
    return None
