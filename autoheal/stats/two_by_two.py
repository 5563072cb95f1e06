"""Safe test of two rates from counts that arrive in blocks; two-sided, no margin, valid at every look.

Pure. In each block the rates are bet on as Beta-smoothed estimates of the blocks before, against their
weighted mean, which is the null that comes closest. After Turner, Ly & Gruenwald, "Generic e-variables for
exact sequential k-sample tests" (2024), prior Beta(0.18, 0.18).

A block is rows and events of both arms; its sizes must not depend on its outcomes. Evidence is a natural log.
Raises ValueError for events outside [0, rows].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from autoheal.stats import inputs

PRIOR = 0.18


@dataclass(frozen=True, slots=True)
class TwoByTwo:
    """Rows and events of both arms so far, and log e of "the rates differ"."""

    rows_a: float = 0.0
    events_a: float = 0.0
    rows_b: float = 0.0
    events_b: float = 0.0
    log_e: float = 0.0


def observe(state: TwoByTwo, rows_a: int, events_a: int, rows_b: int, events_b: int) -> TwoByTwo:
    """Enter one block."""
    na, ka = inputs.hits_of(rows_a, events_a)
    nb, kb = inputs.hits_of(rows_b, events_b)
    if na + nb == 0:
        return state
    a, b = _estimate(state.rows_a, state.events_a), _estimate(state.rows_b, state.events_b)
    null = (na * a + nb * b) / (na + nb)
    gain = _log_odds(na, ka, a, null) + _log_odds(nb, kb, b, null)
    return TwoByTwo(
        state.rows_a + na, state.events_a + ka, state.rows_b + nb, state.events_b + kb, state.log_e + gain
    )


def _estimate(rows: float, events: float) -> float:
    return (events + PRIOR) / (rows + 2.0 * PRIOR)


def _log_odds(n: float, k: float, rate: float, null: float) -> float:
    return k * math.log(rate / null) + (n - k) * math.log((1.0 - rate) / (1.0 - null))
