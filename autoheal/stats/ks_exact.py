"""The exact two-sample Kolmogorov-Smirnov D against a reference that was sorted once, coarse to fine.

Pure. The largest difference of two step functions is reached at a reference value, or just below one. Both are first
compared at every 64th distinct reference value; since each only rises, the ends of a block bound what may happen
inside it, and only blocks that could still beat the best difference found are looked at closer, by 8 and then one by
one. The same D as ``distance.ks_statistic``, ties included, at a fraction of two full searches: reference values are
looked up in the window, which has just been sorted and lies in the cache, never the other way round. Called by
``report``.

``Ordered`` keeps 16 bytes a distinct reference value. Values must be finite; an empty side raises ValueError.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COARSE, FINE = 64, 8


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """Distinct reference values, ascending; rows at or below each; the values that end blocks of COARSE."""

    values: Floats
    below: Ints
    ends: Floats

    @property
    def size(self) -> int:
        """Bytes held."""
        return self.values.nbytes + self.below.nbytes + self.ends.nbytes


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Runs of reference values from ``first`` on; shares of both sides before the run and at its end."""

    first: Ints
    ours_before: Floats
    ours: Floats
    theirs_before: Floats
    theirs: Floats

    @property
    def reached(self) -> float:
        """The largest difference at an end."""
        return float(np.abs(self.ours - self.theirs).max(initial=0.0))

    def worth(self, best: float) -> Blocks:
        """Only those blocks that may hold a difference above ``best``."""
        most = np.maximum(self.ours - self.theirs_before, self.theirs - self.ours_before)
        kept = np.flatnonzero(most > best)
        return Blocks(
            self.first[kept],
            self.ours_before[kept],
            self.ours[kept],
            self.theirs_before[kept],
            self.theirs[kept],
        )


def order(ordered: Floats) -> Ordered:
    """Make ready reference values that are sorted and finite, at least one."""
    if not ordered.size:
        raise ValueError("the reference holds no finite value")
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    values = ordered[last]
    return Ordered(values, (last + 1).astype(np.int64), values[_ends(values.size)])


def distance(reference: Ordered, window: Floats) -> float:
    """D between the reference and a window, sorted and finite, at least one value."""
    if not window.size:
        raise ValueError("the window holds no finite value")
    blocks = _coarse(reference, window)
    best = blocks.reached
    blocks = _split(reference, window, blocks.worth(best))
    best = max(best, blocks.reached)
    return max(best, _finest(reference, window, blocks.worth(best)))


def _coarse(reference: Ordered, window: Floats) -> Blocks:
    size = reference.values.size
    ours = reference.below[_ends(size)] / reference.below[-1]
    theirs = window.searchsorted(reference.ends, "right") / window.size
    return Blocks(np.arange(0, size, COARSE), _shifted(ours), ours, _shifted(theirs), theirs)


def _split(reference: Ordered, window: Floats, blocks: Blocks) -> Blocks:
    """Blocks of FINE values from blocks of COARSE."""
    size = reference.values.size
    first = blocks.first[:, None] + np.arange(0, COARSE, FINE)
    # Past the end of the reference a block repeats the last value: no harm, it is the same difference again.
    ends = np.minimum(first + FINE, size) - 1
    ours = reference.below[ends] / reference.below[-1]
    theirs = window.searchsorted(reference.values[ends].ravel(), "right").reshape(ends.shape) / window.size
    ours_before = np.column_stack([blocks.ours_before, ours[:, :-1]])
    theirs_before = np.column_stack([blocks.theirs_before, theirs[:, :-1]])
    return Blocks(first.ravel(), ours_before.ravel(), ours.ravel(), theirs_before.ravel(), theirs.ravel())


def _finest(reference: Ordered, window: Floats, blocks: Blocks) -> float:
    """The largest difference at, or just below, each value of the blocks."""
    at = np.minimum((blocks.first[:, None] + np.arange(FINE)).ravel(), reference.values.size - 1)
    values, rows = reference.values[at], reference.below[-1]
    theirs = window.searchsorted(values, "right") / window.size
    after = reference.below[at] / rows - theirs
    # Just below a value: the reference is where it was at the value before it.
    ours_before = np.where(at > 0, reference.below[np.maximum(at - 1, 0)], 0) / rows
    before = window.searchsorted(values, "left") / window.size - ours_before
    return float(max(np.abs(after).max(initial=0.0), before.max(initial=0.0)))


def _ends(size: int) -> Ints:
    """The last value of each coarse block."""
    return np.minimum(np.arange(0, size, COARSE) + COARSE, size) - 1


def _shifted(shares: Floats) -> Floats:
    return np.concatenate([[0.0], shares[:-1]])
