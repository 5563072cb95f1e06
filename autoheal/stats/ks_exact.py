"""The exact two-sample Kolmogorov-Smirnov D against a reference that was sorted once, coarse to fine.

Pure. The largest difference of two step functions is reached at a reference value, or just below one. Both are first
compared at every 64th distinct reference value; since each only rises, the ends of a block bound what may happen
inside it, and only blocks that could still beat the best difference found are looked at closer, by 8 and then one by
one. The same D as ``distance.ks_statistic``, ties included, at a fraction of two full searches. Called by ``report``.

What surprises is owed to the processor's cache: reference values are looked up in the window, which has just been
sorted, never the other way round; the values of each level lie side by side; and how many rows a value ends is not
kept when all values differ, since then it is its place. An ``Ordered`` holds 10 to 18 bytes a distinct reference value.
Values must be finite; an empty side raises ValueError.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FINE = 8
COARSE = FINE * FINE


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """A reference of ``rows`` rows: its distinct values, ascending, the last repeated to fill whole blocks.

    ``below``: rows at or below each value (None: its place + 1). ``fine``, ``fine_shares`` (blocks, FINE): the last of
    every FINE values and the share of rows at or below it; ``coarse``, ``coarse_shares`` (blocks,): those of a block.
    """

    rows: int
    values: Floats
    below: Ints | None
    fine: Floats
    fine_shares: Floats
    coarse: Floats
    coarse_shares: Floats

    @property
    def size(self) -> int:
        """Bytes held."""
        levels = (self.values, self.fine, self.fine_shares, self.coarse, self.coarse_shares)
        return sum(a.nbytes for a in levels) + (0 if self.below is None else self.below.nbytes)

    def share(self, at: Ints) -> Floats:
        """Share of rows at or below the values at these places; nothing is below place 0, which is -1 here."""
        if self.below is None:
            return np.asarray(np.minimum(at + 1, self.rows) / self.rows)
        return np.asarray(np.where(at < 0, 0, self.below[at]) / self.rows)


def order(ordered: Floats) -> Ordered:
    """Make ready reference values that are sorted and finite, at least one."""
    if not ordered.size:
        raise ValueError("the reference holds no finite value")
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    places = np.minimum(np.arange(-(-last.size // COARSE) * COARSE), last.size - 1)
    values, below = ordered[last][places], (last + 1)[places]
    ends = np.arange(FINE - 1, places.size, FINE).reshape(-1, FINE)
    fine, shares = values[ends], below[ends] / ordered.size
    return Ordered(
        rows=ordered.size,
        values=values,
        below=None if last.size == ordered.size else below,
        fine=fine,
        fine_shares=shares,
        coarse=fine[:, -1].copy(),
        coarse_shares=shares[:, -1].copy(),
    )


def distance(reference: Ordered, window: Floats) -> float:
    """D between the reference and a window, sorted and finite, at least one value."""
    if not window.size:
        raise ValueError("the window holds no finite value")
    ours, size = reference.coarse_shares, window.size
    theirs = window.searchsorted(reference.coarse, "right") / size
    best = float(np.abs(ours - theirs).max())
    ours_before, theirs_before = _before(ours, 0.0), _before(theirs, 0.0)
    blocks = _worth(best, ours_before, ours, theirs_before, theirs)
    if not blocks.size:
        return best
    ours_before, theirs_before = ours_before[blocks], theirs_before[blocks]
    ours = reference.fine_shares[blocks]
    theirs = window.searchsorted(reference.fine[blocks].ravel(), "right").reshape(ours.shape) / size
    best = max(best, float(np.abs(ours - theirs).max()))
    runs = _worth(best, _before(ours, ours_before), ours, _before(theirs, theirs_before), theirs)
    return max(best, _finest(reference, window, blocks[runs // FINE] * FINE + runs % FINE))


def _before(ends: Floats, first: Floats | float) -> Floats:
    """Shares before each run of a row: those at the end of the one before it."""
    shifted = np.empty_like(ends)
    shifted[..., 0], shifted[..., 1:] = first, ends[..., :-1]
    return shifted


def _worth(best: float, ours_before: Floats, ours: Floats, theirs_before: Floats, theirs: Floats) -> Ints:
    """Which runs may hold a difference above the best one."""
    return (np.maximum(ours - theirs_before, theirs - ours_before) > best).ravel().nonzero()[0]


def _finest(reference: Ordered, window: Floats, runs: Ints) -> float:
    """The largest difference at, or just below, each value of these runs of FINE."""
    at = (runs[:, None] * FINE + np.arange(FINE)).ravel()
    values = reference.values[at]
    after = reference.share(at) - window.searchsorted(values, "right") / window.size
    before = window.searchsorted(values, "left") / window.size - reference.share(at - 1)
    return float(max(after.max(initial=0.0), before.max(initial=0.0)))
