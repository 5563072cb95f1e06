"""KLL: a mergeable sketch of a column's ranks, to make the edges of a reference that is too large for memory.

Pure. Values wait in levels; a full level is sorted and every second value moves up, counting for two. With k = 800 a rank
is off by about 0.35% and a PSI on bins from it by a few ten-thousandths; k = 200 is too coarse for small drifts. Sketches
of partitions merge into a sketch of the union with the same error. Edges made from it are harmless, since reference counts
are then counted on them; tests need counts (merge.py), not sketches. After Karnin, Lang & Liberty, "Optimal quantile
approximation in streams" (2016).

What surprises: which of two values survives a level is decided by a coin that is part of the state, so the same values in
the same batches give the same sketch, and nothing here draws randomness. NaN and infinities are left out and counted as
``skipped``. Raises ValueError for k below 8, empty sketches, shares outside [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.stats import inputs

Floats = NDArray[np.float64]
K = 800
SHRINK = 2.0 / 3.0
LEAST_K = 8


@dataclass(frozen=True, slots=True, eq=False)
class Kll:
    """``levels[h]`` holds values that stand for 2^h rows each; ``n`` rows in all; ``low``, ``high`` exact."""

    k: int = K
    levels: tuple[Floats, ...] = (np.zeros(0),)
    n: int = 0
    skipped: int = 0
    low: float = np.inf
    high: float = -np.inf
    coin: int = 1

    def __post_init__(self) -> None:
        if self.k < LEAST_K or not self.levels:
            raise ValueError(f"k must be at least {LEAST_K}, got {self.k}")

    def update(self, values: ArrayLike) -> Kll:
        """Enter a batch (n,)."""
        x = np.asarray(values, dtype=np.float64)
        if x.ndim != 1:
            raise ValueError(f"values must be one-dimensional, got shape {x.shape}")
        kept = x[np.isfinite(x)]
        sketch, gone = self, x.size - kept.size
        # In pieces, so that a batch of millions needs no more memory than the sketch.
        for start in range(0, kept.size, 16 * self.k):
            part = kept[start : start + 16 * self.k]
            sketch = _compressed(sketch, [part], part.size, float(part.min()), float(part.max()))
        return replace(sketch, skipped=sketch.skipped + gone)

    def merge(self, other: Kll) -> Kll:
        """The sketch of both together; of equal k."""
        if other.k != self.k:
            raise ValueError(f"cannot merge sketches of k = {self.k} and {other.k}")
        mixed = replace(self, coin=(self.coin ^ other.coin) or 1, skipped=self.skipped + other.skipped)
        return _compressed(mixed, list(other.levels), other.n, other.low, other.high)

    def rank(self, values: ArrayLike) -> Floats:
        """Estimated share of rows <= each value."""
        held, weights = self._held()
        at = np.searchsorted(held, np.asarray(values, dtype=np.float64), side="right")
        return np.asarray(np.concatenate([[0.0], np.cumsum(weights)])[at] / weights.sum())

    def quantiles(self, at: ArrayLike) -> Floats:
        """Values at the given shares in [0, 1]; 0 and 1 are the exact extremes."""
        wanted = inputs.losses("at", at)
        held, weights = self._held()
        reached = np.cumsum(weights) / weights.sum()
        found = held[np.minimum(np.searchsorted(reached, wanted - 1e-12), held.size - 1)]
        return np.where(wanted <= 0, self.low, np.where(wanted >= 1, self.high, found))

    def edges(self, bins: int) -> Floats:
        """Inner edges of ``bins`` bins of equal mass, ascending; fewer where values repeat."""
        if bins < 2:
            raise ValueError(f"need at least 2 bins, got {bins}")
        return np.unique(self.quantiles(np.arange(1, bins) / bins))

    def to_plain(self) -> dict[str, Any]:
        """Plain data that JSON can hold."""
        levels = [level.tolist() for level in self.levels]
        ends = [self.low, self.high] if self.n else None
        return {
            "k": self.k,
            "levels": levels,
            "n": self.n,
            "skipped": self.skipped,
            "ends": ends,
            "coin": self.coin,
        }

    def _held(self) -> tuple[Floats, Floats]:
        """All values in order, with the rows that each stands for."""
        if self.n == 0:
            raise ValueError("the sketch is empty")
        held = np.concatenate(self.levels)
        weights = np.concatenate([np.full(level.size, 2.0**h) for h, level in enumerate(self.levels)])
        order = np.argsort(held, kind="stable")
        return held[order], weights[order]


def from_plain(plain: Mapping[str, Any]) -> Kll:
    """The sketch of ``to_plain``. Raises ValueError when the rows do not add up."""
    levels = tuple(np.asarray(level, dtype=np.float64) for level in plain["levels"])
    low, high = plain["ends"] or (np.inf, -np.inf)
    n = int(plain["n"])
    if sum(level.size << h for h, level in enumerate(levels)) != n:
        raise ValueError(f"a damaged sketch: its values do not stand for {n} rows")
    return Kll(int(plain["k"]), levels, n, int(plain["skipped"]), float(low), float(high), int(plain["coin"]))


def _compressed(sketch: Kll, more: list[Floats], n: int, low: float, high: float) -> Kll:
    """The sketch with the levels ``more`` added, each level cut to its capacity from below."""
    depth = max(len(sketch.levels), len(more))
    levels = [
        np.concatenate([side[h] for side in (sketch.levels, more) if h < len(side)]) for h in range(depth)
    ]
    coin, h = sketch.coin, 0
    while sum(level.size for level in levels) > _room(sketch.k, len(levels)):
        if levels[h].size > max(sketch.k * SHRINK ** (len(levels) - 1 - h), 2.0):
            coin = _flip(coin)
            up, levels[h] = _halved(levels[h], coin >> 16 & 1)
            if h + 1 == len(levels):
                levels.append(np.zeros(0))
            levels[h + 1] = np.concatenate([levels[h + 1], up])
        h = (h + 1) % len(levels)
    return replace(
        sketch,
        levels=tuple(levels),
        n=sketch.n + n,
        low=min(sketch.low, low),
        high=max(sketch.high, high),
        coin=coin,
    )


def _halved(level: Floats, odd: int) -> tuple[Floats, Floats]:
    """Every second of the sorted values, and the last one where they are an odd number."""
    ordered = np.sort(level)
    even = ordered.size - ordered.size % 2
    return ordered[:even][odd::2], ordered[even:]


def _room(k: int, depth: int) -> float:
    return float(sum(max(k * SHRINK**i, 2.0) for i in range(depth)))


def _flip(coin: int) -> int:
    """One step of a linear congruence modulo 2^32 (Numerical Recipes); its high bits are the coin."""
    return (1664525 * coin + 1013904223) & 0xFFFFFFFF
