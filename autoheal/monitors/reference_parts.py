"""Two parts of a version's reference: how its answers were spread, and how its features go together. Pure.

``Output`` comes from held-out rows, so that live answers are compared with answers to rows the version had not seen;
``Joint`` from the training data. Built and read by ``telemetry.reference_parts``; used by ``score_drift``,
``estimated_performance`` and ``multivariate``. References made before these existed have neither: those monitors then
say so. The surprising part: a category takes part in ``Joint`` as its rank by frequency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from autoheal.monitors.rows import Column, Floats, Ints
from autoheal.stats.calibration import Calibration
from autoheal.stats.multivariate import Reference as Law
from autoheal.stats.reference_bins import ReferenceBins

#: Larger numbers would overflow when squared; they are data_quality's business.
LARGEST = 1e150


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """Answers to ``n`` held-out rows.

    ``bins`` cut the scores (classes) or the predictions (numbers), ``counts`` are the held-out rows on them. For
    classes: ``confusion[i, j]`` rows predicted as i whose truth was j, ``by_class[j]`` the score counts of truth j.
    For numbers: ``losses`` is the mean absolute error in each bin, NaN where nothing was. ``likeness`` is how alike
    neighbouring answers are (``stats.design_effect``: mean, cv2) by subject of ``score_drift``, where that is known.
    ``ratio`` is true losses per loss that ``calibration`` expects, on the rows that it was learned from.
    """

    n: int
    bins: ReferenceBins | None = None
    counts: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    classes: tuple[str, ...] = ()
    confusion: Ints | None = None
    by_class: Ints | None = None
    calibration: Calibration | None = None
    losses: Floats | None = None
    likeness: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    ratio: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """Features together: their ``law`` from ``fitted`` rows, and what it says about healthy ``windows``.

    ``t2`` and ``max_z`` belong to windows of ``window`` rows that the law was not learned from. ``ranks`` are the
    categories' levels, most frequent first.
    """

    features: tuple[str, ...]
    law: Law
    fitted: int
    window: int
    t2: Floats
    max_z: Floats
    ranks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def matrix(self, columns: Mapping[str, Column], chosen: Ints) -> Floats:
        """These rows as numbers, (n, features); NaN = missing, also for a column that is not there at all."""
        table = np.full((len(chosen), len(self.features)), np.nan)
        for i, name in enumerate(self.features):
            if name in columns:
                table[:, i] = self._numbers(name, columns[name].take(chosen))
        return table

    def _numbers(self, name: str, column: Column) -> Floats:
        if column.kind == "numeric":
            return tamed(np.where(column.usable, column.values, np.nan))
        rank = ranked(column.levels, self.ranks.get(name, ()))
        # Code -1 (unusable) reads the last place, which is NaN.
        found: Floats = np.append(rank, np.nan)[column.values.astype(np.int64)]
        return found


def ranked(values: Sequence[str | None], levels: Sequence[str]) -> Floats:
    """Place of each value among the levels; unseen ones come after the last, None is NaN."""
    place: dict[str | None, float] = {name: float(i) for i, name in enumerate(levels)} | {None: np.nan}
    return np.array([place.get(value, float(len(levels))) for value in values], np.float64)


def tamed(values: NDArray[np.float64]) -> Floats:
    """Numbers whose squares are numbers; the others are missing."""
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(values) <= LARGEST, values, np.nan)
