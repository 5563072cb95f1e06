"""Telemetry rows as monitors see them: columns of numpy arrays, in the order of arrival. Pure.

Telemetry builds these from its rings without copying; nobody writes into the arrays. Times are unix seconds. The
surprising part: a cell has a *state* beside its value, because "null", "the key is not there" and "a text where a
number belongs" are different faults, and each leaves the value unusable (NaN, or code -1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Bools = NDArray[np.bool_]
States = NDArray[np.uint8]
#: What selects rows: positions, a mask, or a slice (which copies nothing).
Chosen = Ints | Bools | slice

#: The states of one cell.
PRESENT, NULL, ABSENT, WRONG = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Column:
    """One feature: ``values`` holds finite floats or NaN (numeric), or codes into ``levels`` or -1 (categorical)."""

    kind: Literal["numeric", "categorical"]
    values: Floats | Codes
    state: States
    levels: tuple[str, ...] = ()

    def take(self, chosen: Chosen) -> Column:
        return Column(self.kind, self.values[chosen], self.state[chosen], self.levels)

    @property
    def usable(self) -> Bools:
        usable: Bools = self.state == PRESENT
        return usable


@dataclass(frozen=True, slots=True)
class Rows:
    """Predictions with what became of them; every array has the same length.

    ``version`` holds codes into ``versions``. For a classification ``prediction`` and ``label`` hold codes into
    ``classes``; NaN stands for none. ``labelled`` is when the label arrived here (inf: not yet), ``arrived`` when the
    prediction did; both are the daemon's clock, ``time`` is the data's own.
    """

    time: Floats
    arrived: Floats
    version: Codes
    versions: tuple[str, ...]
    fallback: Bools
    failed: Bools
    prediction: Floats
    score: Floats
    latency: Floats
    label: Floats
    labelled: Floats
    classes: tuple[str, ...]
    features: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.time)

    def take(self, chosen: Chosen) -> Rows:
        """The chosen rows, in the order given."""
        return Rows(
            self.time[chosen],
            self.arrived[chosen],
            self.version[chosen],
            self.versions,
            self.fallback[chosen],
            self.failed[chosen],
            self.prediction[chosen],
            self.score[chosen],
            self.latency[chosen],
            self.label[chosen],
            self.labelled[chosen],
            self.classes,
            {name: column.take(chosen) for name, column in self.features.items()},
        )

    def version_is(self, version: str) -> Bools:
        """Which rows this version answered."""
        code = self.versions.index(version) if version in self.versions else -1
        mask: Bools = self.version == code
        return mask


def in_place(chosen: Ints) -> Chosen:
    """The same positions as a slice where they stand in a row, since a slice copies nothing."""
    if len(chosen) and chosen[-1] - chosen[0] + 1 == len(chosen) and bool(np.all(np.diff(chosen) == 1)):
        return slice(int(chosen[0]), int(chosen[-1]) + 1)
    return chosen


def newest(time: Floats, count: int) -> Ints:
    """Positions of the ``count`` newest rows by time, oldest of them first; equal times keep their order."""
    if len(time) < 2 or bool(np.all(time[1:] >= time[:-1])):
        return np.arange(max(len(time) - count, 0), len(time), dtype=np.int64)
    order: Ints = np.argsort(time, kind="stable")
    return order[max(len(order) - count, 0) :]
