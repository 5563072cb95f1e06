"""A window of inputs beside the reference: how far each feature has moved, in the usual numbers. Pure.

These are effect sizes for people and for the thresholds; whether they are evidence is ``evidence.py``'s business.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import rel_entr

from autoheal.monitors.data_drift.yardstick import Tally, yardstick
from autoheal.monitors.reference import FeatureReference
from autoheal.stats import psi


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


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
