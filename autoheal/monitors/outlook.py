"""What an operator wants to know beside a number: how sure it is, and how soon a fall would be noticed. Pure.

For display only: the interval is a confidence sequence (true at all looks together), the outlook the best possible
detector's delay at this monitor's budget, which the alarm clock's is within a quarter of.
"""

from __future__ import annotations

import math
from functools import lru_cache

from autoheal.monitors.budget import Budget
from autoheal.stats.eprocess import labels_needed
from autoheal.stats.intervals import beta_mixture


@lru_cache(maxsize=8192)
def share_between(events: int, rows: int) -> tuple[float, float]:
    """95 % limits of a share, true at every look."""
    return beta_mixture(events, rows)


def notice(p0: float, p1: float, rows_per_day: float, budget: Budget) -> int | None:
    """Rows until the evidence of a mean loss that rises from ``p0`` to ``p1`` suffices to act; None: it never does, or the
    budget is so short beside the traffic that the formula says nothing."""
    if not (0.0 < p0 < p1 < 1.0) or rows_per_day <= 0.0:
        return None
    needed = labels_needed(p0, p1, max(budget.act / budget.share * rows_per_day, 1.0))
    return math.ceil(needed) if 1.0 < needed < math.inf else None
