"""The rules that people use instead, on the same series: 3 sigma, an hour-of-day profile, rolling z, ADWIN.

All with hold-off, without which none of them scores above zero. Rows in, rows of alarms out; values may be NaN. ADWIN is
river's, in an environment of its own (_peers.py), all series in one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from _peers import ask
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HOLD = 100
DAY = 86400.0

ADWIN = """
from river import drift
def answer(payload):
    found = []
    for i in range(payload["series"]):
        detector, rows = drift.ADWIN(), []
        for row, value in enumerate(payload[f"x{i}"].tolist()):
            detector.update(value)
            if detector.drift_detected:
                rows.append(row)
        found.append(rows)
    return {"rows": found}
"""


def held(rows: Iterable[int], hold: int) -> list[int]:
    """Alarms with ``hold`` rows of silence behind each."""
    kept: list[int] = []
    for row in rows:
        if not kept or row - kept[-1] > hold:
            kept.append(row)
    return kept


def three_sigma(values: Floats, hold: int = HOLD, limit: float = 3.0) -> list[int]:
    """Further from the mean of all rows so far than three of their standard deviations."""
    x = np.where(np.isnan(values), np.nanmedian(values), values)
    n = np.arange(1, len(x) + 1)
    mean = np.cumsum(x) / n
    spread = np.sqrt(np.maximum(np.cumsum((x - np.median(x)) ** 2) / n - (mean - np.median(x)) ** 2, 0.0))
    far = np.abs(x[1:] - mean[:-1]) > limit * spread[:-1]
    return held((r for r in (np.flatnonzero(far) + 1).tolist() if r >= 30), hold)


def rolling_z(values: Floats, window: int, limit: float = 8.0, hold: int = 12) -> list[int]:
    """Further from the mean of the last ``window`` rows than ``limit`` of their standard deviations."""
    found = []
    for row in range(30, len(values)):
        past = values[max(row - window, 0) : row]
        past = past[~np.isnan(past)]
        if len(past) > 1 and abs(values[row] - past.mean()) > limit * past.std() > 0:
            found.append(row)
    return held(found, hold)


def profile_z(values: Floats, times: Floats) -> Floats:
    """Distance from the median of the same hour on the last seven days, in scaled median deviations."""
    hour = (times // 3600).astype(np.int64)
    groups: dict[int, list[float]] = {}
    for at, value in zip(hour.tolist(), values.tolist(), strict=True):
        groups.setdefault(at, []).append(value)
    laws: dict[int, tuple[float, float]] = {}
    z = np.zeros(len(values))
    for row, (at, value) in enumerate(zip(hour.tolist(), values.tolist(), strict=True)):
        if at not in laws:
            past = np.array([v for d in range(1, 8) for v in groups.get(at - 24 * d, [])])
            middle = float(np.median(past)) if len(past) else value
            laws[at] = middle, 1.4826 * float(np.median(np.abs(past - middle))) if len(past) else 0.0
        middle, spread = laws[at]
        z[row] = abs(value - middle) / spread if spread > 0 else 0.0
    return z


def adwin(series: Sequence[Floats]) -> list[list[int]]:
    """Rows at which river's ADWIN, by its defaults, saw a change."""
    arrays: dict[str, Any] = {f"x{i}": np.asarray(x, dtype=np.float64) for i, x in enumerate(series)}
    rows: list[list[int]] = ask("river", ADWIN, {**arrays, "series": len(series)})["rows"]
    return rows
