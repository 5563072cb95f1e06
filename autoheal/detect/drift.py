"""Drift of features or scores: PSI of each window against the reference, on the alarm clock. Pure.

"PSI at most 0.05" is harmless for ``notify``, "at most 0.10" for ``act`` (more where a small reference makes more
uncertain); only evidence beyond that counts, so a big window of a harmless drift never adds up to an alarm. Constants
are watched by the rate of other values. ``Drift.look`` takes counts, so that partitions may be added before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoheal.detect.clock import Clock, Raised
from autoheal.stats import design_effect, psi
from autoheal.stats.multiplicity import e_bh

Floats = NDArray[np.float64]

#: Log e above which one window alone is convincing, shared over the features by e-BH.
SURE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One window: alarms, PSI of each feature (F,), log e (F,), which are drifted beyond doubt, and which are well."""

    raised: list[Raised]
    psi: Floats
    log_e: Floats
    drifted: NDArray[np.bool_]
    well: NDArray[np.bool_]


class Drift:
    """References of features (counts of unlike lengths) on one clock."""

    def __init__(
        self,
        names: Sequence[str],
        references: Sequence[NDArray[np.int64]],
        shares: Floats,
        blocks: Sequence[Sequence[NDArray[np.int64]]] = (),
    ) -> None:
        """``blocks``: counts of consecutive blocks of the reference, each of all features, which show how alike
        neighbouring rows are; without them rows count as independent."""
        width = max(len(r) for r in references)
        self._reference = _padded(references, width)
        self._design = _design(blocks, len(names), width)
        rows = self._reference.sum(axis=1) / self._design.scale
        floor = np.array([psi.least_eps0(float(n), len(r)) for n, r in zip(rows, references, strict=True)])
        self._eps = [np.maximum(eps, floor) for eps in (psi.EPS_NOTIFY, psi.EPS_ACT)]
        self._clock = Clock(names, shares, len(psi.MULTIPLES), ("notify", "act"))
        self._width = width

    def look(self, counts: Sequence[NDArray[np.int64]], days: float) -> Look:
        """One window; a feature without rows in it says nothing."""
        current = _padded(counts, self._width)
        empty = current.sum(axis=1) == 0
        window = psi.windows(self._reference, np.where(empty[:, None], self._reference, current))
        window = design_effect.corrected(window, self._design)
        evidence = [_evidence(window, eps, empty) for eps in self._eps]
        notify = evidence[0].max(axis=1)
        mixed = np.logaddexp.reduce(evidence[0], axis=1) - np.log(evidence[0].shape[1])
        well = (notify < 0) & ~empty
        raised = self._clock.step(evidence, days, well)
        sure, _ = e_bh(np.exp(np.clip(mixed, -700.0, 700.0)), SURE)
        return Look(raised, np.where(empty, 0.0, window.psi), mixed, sure & ~empty, well)


def _design(blocks: Sequence[Sequence[NDArray[np.int64]]], features: int, width: int) -> design_effect.Design:
    if len(blocks) < design_effect.LEAST_BLOCKS:
        return design_effect.independent(features)
    return design_effect.estimate(np.stack([_padded(block, width) for block in blocks]))


def _evidence(window: psi.Window, eps: Floats, empty: NDArray[np.bool_]) -> Floats:
    found = np.empty((len(eps), len(psi.MULTIPLES)))
    for value in np.unique(eps):
        rows = eps == value
        found[rows] = psi.evidence(window, float(value))[rows]
    return np.where(empty[:, None], 0.0, found)


def _padded(counts: Sequence[NDArray[np.int64]], width: int) -> Floats:
    table = np.zeros((len(counts), width))
    for row, tally in zip(table, counts, strict=True):
        row[: len(tally)] = tally
    return table
