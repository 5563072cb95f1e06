"""A window of inputs beside the reference: how far each feature has moved, in the usual numbers. Pure.

These are effect sizes for people and for the thresholds; whether they are evidence is ``evidence.py``'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoheal.monitors.data_drift.yardstick import yardstick
from autoheal.monitors.reference import FeatureReference
from autoheal.monitors.rows import Column
from autoheal.stats import psi


@dataclass(frozen=True, slots=True)
class Compared:
    """One feature of the window: ``psi``, the Kolmogorov-Smirnov distance of numbers, and where it moved, in words."""

    psi: float
    ks: float | None
    moved: str


def compare(references: Sequence[FeatureReference], columns: Sequence[Column]) -> list[Compared]:
    """Each column beside its reference."""
    if not references:
        return []
    stick = yardstick(tuple(references))
    seen = stick.tally(columns)
    shifts = psi.psi_many(stick.known, seen.counts)
    now = seen.counts / np.maximum(seen.counts.sum(axis=1, keepdims=True), 1.0)
    was = stick.known / np.maximum(stick.known.sum(axis=1, keepdims=True), 1.0)
    places = np.argmax(now - was, axis=1)
    return [
        Compared(
            float(shifts[i]),
            None if np.isnan(seen.ks[i]) else float(seen.ks[i]),
            f"{stick.labels[i][place]} {was[i, place]:.0%} -> {now[i, place]:.0%}",
        )
        for i, place in enumerate(places.tolist())
    ]
