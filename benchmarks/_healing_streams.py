"""The labelled streams of the healing benchmark, as arrays on a clock of one row in half an hour.

Elec2 has that pace by nature; the other streams have no times at all. A fifth of each is there to learn from before
anything is served.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

START = datetime(2020, 1, 1, tzinfo=UTC)
PACE = timedelta(minutes=30)
TRAINED_SHARE = 0.2
NAMES = (
    "elec2",
    "phishing",
    "keystroke",
    "harvard_sine_0123_abrupto",
    "harvard_stagger_0120_abrupto",
    "harvard_mixed_0101_gradual",
    "harvard_sea_0123_gradual_noise_02",
)


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """``rows`` is (n, features), in the order of time; the first ``trained`` are not served."""

    name: str
    features: tuple[str, ...]
    rows: NDArray[np.float64]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def trained(self) -> int:
        return int(TRAINED_SHARE * len(self))

    def at(self, row: int) -> datetime:
        return START + PACE * row

    def first(self, rows: int) -> Stream:
        return Stream(self.name, self.features, self.rows[:rows], self.labels[:rows])


def load(name: str, data: Path) -> Stream:
    """One stream of the folder ``streams``; the last column is the class."""
    with gzip.open(data / "streams" / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as stream:
        head, *lines = csv.reader(stream)
    names = tuple(f"x{i}" if not h.isidentifier() else h for i, h in enumerate(head[:-1]))
    rows = np.array([[float(cell) for cell in line[:-1]] for line in lines])
    return Stream(name, names, rows, [f"c{line[-1]}" for line in lines])
