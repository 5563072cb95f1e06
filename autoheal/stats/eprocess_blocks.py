"""Many steps of the e-detector at once: the recursion of eprocess.py, many blocks of steps side by side.

Pure. ``R <- (R + w) e`` is affine, so after the steps of a block R is ``C + A R_before``, whatever it was before: C and
A of all blocks are found together, step by step, in plain floats; then the blocks are joined, in logs; then every
step's R follows. Plain floats are safe inside a block because it is cut short enough for the largest step, and outside
of it because each block is scaled by what came before. Five times faster than logs throughout. Called by ``trace``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: The most that a block's steps may add up to, in logs, either way: e^250 is far from the ends of the floats.
ROOM = 250.0
LONGEST = 64
#: Shorter blocks, or fewer rows, are not worth it.
SHORTEST, LEAST_ROWS = 8, 128
#: Weights below this, in logs, would sink beside steps of e^-250.
LEAST_LOG_WEIGHT = -200.0


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Whole blocks of steps: ``added`` and ``factor`` (steps of a block, blocks, K) are C and A after each step."""

    added: Floats
    factor: Floats
    log_factor: Floats

    def run(self, log_r: Floats) -> tuple[Floats, Floats]:
        """From logs of R (K,): those after the last step, and log M after each."""
        before = np.empty_like(self.log_factor)
        before[0] = log_r
        after = self._joined(log_r)
        before[1:] = after[:-1]
        scale = np.maximum(before.max(axis=1, keepdims=True), 0.0)
        moved = self.factor * np.exp(before - scale)
        moved += self.added * np.exp(-scale)
        k = moved.shape[2]
        means = moved.reshape(-1, k) @ np.full(k, 1.0 / k)
        log_m = np.log(means).reshape(moved.shape[:2]) + scale[:, 0]
        return after[-1], log_m.T.ravel()

    def _joined(self, log_r: Floats) -> Floats:
        """Logs of R after each block, (blocks, K)."""
        total = np.cumsum(self.log_factor, axis=0)
        entries = np.log(self.added[-1]) - total
        entries[0] = np.logaddexp(entries[0], log_r)
        return np.asarray(total + np.logaddexp.accumulate(entries, axis=0))


def blocks(steps: Floats, log_w: float) -> Blocks | None:
    """Make ready steps (n, K), finite; rows past the last whole block are left over. None: better in logs."""
    rows, k = steps.shape
    largest = max(float(steps.max()), -float(steps.min()), 1e-9)
    length = min(LONGEST, int(math.sqrt(rows / 4)), int(ROOM / largest))
    if rows < LEAST_ROWS or length < SHORTEST or log_w < LEAST_LOG_WEIGHT:
        return None
    many = rows // length
    whole = steps[: many * length].reshape(many, length, k)
    e = np.exp(np.ascontiguousarray(whole.swapaxes(0, 1)))
    added, factor, weight = np.empty_like(e), np.empty_like(e), math.exp(log_w)
    np.multiply(e[0], weight, out=added[0])
    factor[0] = e[0]
    for i in range(1, length):
        np.add(added[i - 1], weight, out=added[i])
        np.multiply(added[i], e[i], out=added[i])
        np.multiply(factor[i - 1], e[i], out=factor[i])
    return Blocks(added, factor, whole.sum(axis=1))
