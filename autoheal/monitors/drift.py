"""A window of inputs beside the reference: how far each feature has moved, in the usual numbers, and how sure. Pure.

Shared by ``data_drift`` and ``slices``. ``compare`` gives effect sizes for people and for the thresholds, ``bets`` what
the alarm clock takes. Rows that resemble their neighbours, as they did in the reference, count for less in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import rel_entr

from autoheal.monitors.reference import FeatureReference
from autoheal.monitors.rows import Floats
from autoheal.monitors.yardstick import Tally, yardstick
from autoheal.stats import psi
from autoheal.stats.design_effect import corrected


@dataclass(frozen=True, slots=True)
class Compared:
    """One feature of the window: ``psi``; of numbers the Kolmogorov-Smirnov distance, and Wasserstein's in interquartile
    ranges; Jensen-Shannon divergence (bits) and total variation; and where it moved, in words: the bin that grew most, and (also in ``shares`` alone) its share then and now."""

    psi: float
    ks: float | None
    wasserstein: float | None
    js: float
    tv: float
    moved: str
    shares: str = ""


def compare(references: Sequence[FeatureReference], seen: Tally) -> list[Compared]:
    """What was counted of each column beside its reference."""
    if not references:
        return []
    stick = yardstick(tuple(references))
    shifts = psi.psi_many(stick.known, seen.counts)
    now = seen.counts / np.maximum(seen.counts.sum(axis=1, keepdims=True), 1.0)
    was = stick.known / np.maximum(stick.known.sum(axis=1, keepdims=True), 1.0)
    places = np.argmax(now - was, axis=1)
    middle = (now + was) / 2.0
    js = (rel_entr(was, middle) + rel_entr(now, middle)).sum(axis=1) / (2.0 * math.log(2.0))
    tv = np.abs(now - was).sum(axis=1) / 2.0
    grew = [f"{was[i, place]:.0%} -> {now[i, place]:.0%}" for i, place in enumerate(places.tolist())]
    return [
        Compared(
            float(shifts[i]),
            _known(seen.ks[i]),
            _known(seen.wasserstein[i]),
            float(js[i]),
            float(tv[i]),
            f"{stick.labels[i][place]} {grew[i]}",
            grew[i],
        )
        for i, place in enumerate(places.tolist())
    ]


def bets(references: Sequence[FeatureReference], seen: Tally, harmless: float) -> tuple[Floats, Floats]:
    """Log e-values of a window, (features, 4) twice: against "PSI at most harmless", and "at most twice that".

    The error of the reference is common to all windows, so no PSI below it is ever evidence.
    """
    stick = yardstick(tuple(references))
    window = corrected(psi.windows(stick.known, seen.counts), stick.design)
    weak, strict = (
        _evidence(window, np.maximum(eps0, stick.least_eps0)) for eps0 in (harmless, 2.0 * harmless)
    )
    return weak, strict


def _evidence(seen: psi.Window, eps0: Floats) -> Floats:
    """Log e of each feature against its own bound, (features, 4)."""
    found = np.empty((len(eps0), len(psi.MULTIPLES)))
    for bound in np.unique(eps0):
        mine = eps0 == bound
        found[mine] = psi.evidence(seen, float(bound))[mine]
    return found


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
