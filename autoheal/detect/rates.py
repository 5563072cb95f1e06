"""Rates that should stay rare: missing cells, and other values of a constant. Pure.

The e-detector on Bernoulli bets, one batch a window, against the reference's exact upper limit plus half a point. Rates
at which neighbours come together (an hour of a broken feed) are what is looked for, so nothing is taken off for them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autoheal.detect.clock import Clock, Raised
from autoheal.stats.categorical import rate_ceiling
from autoheal.stats.eprocess import K_RATES, log_e_batch

Floats = NDArray[np.float64]


class Rates:
    """Rates on one clock; ``reference``: (events, rows) of each."""

    def __init__(self, names: Sequence[str], reference: Sequence[tuple[int, int]], shares: Floats) -> None:
        # A column that is nearly always missing has no rate that could matter more.
        self._ceilings = [min(rate_ceiling(k, n), 0.999) for k, n in reference]
        self._clock = Clock(names, shares, K_RATES, ("notify", "act"))

    def look(self, events: Sequence[int], rows: int, days: float) -> list[Raised]:
        log_e = np.stack([log_e_batch(p0, rows, k) for p0, k in zip(self._ceilings, events, strict=True)])
        well = np.array([k <= p0 * rows for p0, k in zip(self._ceilings, events, strict=True)])
        return self._clock.step((log_e, log_e), days, well)
