"""river's detectors on the streams of ``_statistics_delay.py``, each set to a mean run length of 50,000 rows.

Only alarms that the rate *rose* count. ADWIN is set by its delta, Page-Hinkley by its threshold; DDM has no setting that
gives such a mean (its false alarms come within a hundred rows or never), and KSWIN sorts a window for every row (0.16 ms),
so that both are run as they come: what is reported of them is their healthy run length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from _peers import Peer
from _statistics_delay import RATES, RUN, Delay, Floats, changing, healthy, summary

SCRIPT = """
from river import drift

def make(name, setting):
    if name == "ADWIN":
        return drift.ADWIN(delta=setting)
    if name == "Page-Hinkley":
        return drift.PageHinkley(min_instances=30, delta=0.005, threshold=setting, alpha=1 - 1e-9, mode="up")
    if name == "DDM":
        return drift.binary.DDM()
    return drift.KSWIN(seed=1)

def first(detector, values):
    adwin = isinstance(detector, drift.ADWIN)
    update = detector.update
    for row, value in enumerate(values):
        before = detector.estimation if adwin else 0.0
        update(value)
        if detector.drift_detected and (not adwin or detector.estimation > before):
            return row
    return None

def run(name, setting, streams, runs, rows):
    return [first(make(name, setting), stream[:rows].tolist()) for stream in payload[streams][:runs]]
"""
#: What is set, and between which values the mean run length passes 50,000 (larger = longer runs).
SETTINGS = {"ADWIN": (-math.log(0.6), -math.log(0.05)), "Page-Hinkley": (15.0, 60.0)}


@dataclass(frozen=True)
class River:
    """Delays by detector and rate, settings found, and healthy run lengths (median) of those without one."""

    delays: dict[str, list[Delay]]
    settings: dict[str, float]
    runs: dict[str, float]


def measure(runs: int, rows: int, steps: int) -> River:
    """All detectors; raises PeerError where river cannot be installed."""
    payload = {"healthy": healthy(runs, rows)} | {_key(r): changing(r, runs) for r in RATES}
    found = River({}, {}, {})
    with Peer("river", SCRIPT, payload) as river:
        for name, (low, high) in SETTINGS.items():
            setting = _calibrate(river, name, low, high, (runs, rows), steps)
            found.settings[name] = setting
            found.delays[name] = [
                summary(river.call("run", name, setting, _key(r), runs, 1 << 40), payload[_key(r)].shape[1])
                for r in RATES
            ]
        for name, (many, length) in {"DDM": (runs, rows), "KSWIN": (max(runs // 18, 2), 4_000)}.items():
            alarms = river.call("run", name, 0.0, "healthy", many, length)
            found.runs[name] = float(np.median([length if a is None else a + 1 for a in alarms]))
    return found


def _calibrate(river: Peer, name: str, low: float, high: float, size: tuple[int, int], steps: int) -> float:
    """Bisection on the setting; ADWIN's on the logarithm of delta."""
    for _ in range(steps):
        middle = (low + high) / 2.0
        alarms = river.call("run", name, _setting(name, middle), "healthy", *size)
        if _mean_run(alarms, size[1]) < RUN:
            low = middle
        else:
            high = middle
    return _setting(name, (low + high) / 2.0)


def _setting(name: str, value: float) -> float:
    return math.exp(-value) if name == "ADWIN" else value


def _mean_run(alarms: Sequence[int | None], rows: int) -> float:
    watched = sum(rows if a is None else a + 1 for a in alarms)
    return watched / max(sum(a is not None for a in alarms), 1)


def _key(rate: float) -> str:
    return f"rate{round(100 * rate)}"


__all__ = ["Floats", "River", "measure"]
