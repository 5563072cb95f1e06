"""Which rows make a window: at least 200, then the smaller of an hour and 5,000 rows; the rest waits. Pure.

Below 200 rows the law of the PSI does not hold, so a slow stream gets windows of days. Without times 200 rows stand for
one hour of the virtual clock. A last window that is still too small is never judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoheal.stats.design_effect import block_rows

LEAST, MOST, SPAN = 200, 5000, 3600.0
DAY = 86400.0
#: Three weeks of hours show what a reference's rows have in common.
MOST_BLOCKS = 504


@dataclass(frozen=True, slots=True)
class Window:
    """Rows start..end-1, which took ``days``."""

    start: int
    end: int
    days: float


def row_days(times: NDArray[np.float64] | None, rows: int) -> float:
    """Days from row to row on average; at least those of 5,000 rows an hour."""
    if times is None or rows < 2 or times[-1] <= times[0]:
        return SPAN / LEAST / DAY
    return max(float(times[-1] - times[0]) / (rows - 1), SPAN / MOST) / DAY


def blocks(start: int, end: int, cuts: Sequence[Window]) -> list[tuple[int, int]]:
    """Consecutive spans of the reference rows start..end-1, as long as a usual window, at most MOST_BLOCKS of them."""
    if not cuts:
        return []
    usual = sorted(window.end - window.start for window in cuts)[len(cuts) // 2]
    rows = block_rows(end - start, usual)
    starts = range(start, end - rows + 1, rows)[:MOST_BLOCKS]
    return [(begin, begin + rows) for begin in starts]


def cut(times: NDArray[np.float64] | None, start: int, rows: int) -> list[Window]:
    """Windows of the rows from ``start`` on."""
    a_row, found, begin = row_days(times, rows), [], start
    while begin + LEAST <= rows:
        end = begin + LEAST
        if times is not None:
            end = max(end, int(np.searchsorted(times, times[begin] + SPAN)))
        end = min(end, begin + MOST)
        if end > rows:
            break
        found.append(Window(begin, end, (end - begin) * a_row))
        begin = end
    return found
