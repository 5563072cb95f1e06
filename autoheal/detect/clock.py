"""The alarm clock of one kind of monitor over a file: evidence in, alarms at two levels out. Pure but for its own state.

Each level has its own evidence, since "harmless" may mean more at ``act``; both have the whole budget of the kind. When
the sum of the monitors reaches a level's threshold, the monitors that e-BH names (at least the strongest) raise an alarm
each and are held: they say no more until they have recovered. Without that, a drift that stays would raise an alarm a
window. All evidence towards that level then starts anew, since it was the sum that rang (see ``monitors.gauge``). A
monitor at both thresholds in one step raises one alarm, ``act``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from autoheal.detect.events import Level
from autoheal.stats import changepoint, eprocess
from autoheal.stats.alarm_clock import T_ACT, T_NOTIFY, culprits

Floats = NDArray[np.float64]

KEPT = 2000


@dataclass(frozen=True, slots=True)
class Raised:
    """Monitor ``index`` reached ``level``; it began ``ago`` steps before this one; log M in log days."""

    index: int
    level: Level
    log_m: float
    ago: int


@dataclass(slots=True)
class _Track:
    level: Level
    threshold: float
    log_r: Floats
    held: NDArray[np.bool_]
    since: NDArray[np.int64]
    days: float = 0.0
    past: list[Floats] = field(default_factory=list)


class Clock:
    """Monitors of one kind with their shares of the fleet's budget."""

    def __init__(self, names: Sequence[str], shares: Floats, k: int, levels: Sequence[Level]) -> None:
        self.names, self.shares, self._step = tuple(names), shares, 0
        limits: dict[Level, float] = {"notify": T_NOTIFY, "act": T_ACT}
        n = len(self.names)
        self._tracks = [
            _Track(
                level,
                limits[level],
                np.full((n, k), eprocess.LOG_ZERO),
                np.zeros(n, dtype=np.bool_),
                np.zeros(n, dtype=np.int64),
            )
            for level in levels
        ]

    def step(self, evidence: Sequence[Floats], days: float, well: NDArray[np.bool_]) -> list[Raised]:
        """One step of all monitors: log e (n, k) for each level, strictest last. ``well``: has recovered."""
        raised: dict[int, Raised] = {}
        for track, log_e in zip(self._tracks, evidence, strict=True):
            for found in self._move(track, log_e, days, well):
                raised[found.index] = found
        self._step += 1
        return list(raised.values())

    @property
    def quiet(self) -> bool:
        """Whether no monitor is held after an alarm."""
        return not any(track.held.any() for track in self._tracks)

    def _move(self, track: _Track, log_e: Floats, days: float, well: NDArray[np.bool_]) -> list[Raised]:
        track.past.append(log_e)
        del track.past[:-KEPT]
        track.log_r = eprocess.update_many(track.log_r, log_e, self.shares * days)
        track.days += days
        freed = track.held & well
        track.held &= ~well
        silent = track.held | freed
        track.log_r[silent] = eprocess.LOG_ZERO
        track.since[silent] = self._step + 1
        log_m = eprocess.log_m_many(track.log_r)
        if float(logsumexp(log_m)) < math.log(track.threshold):
            return []
        named = culprits(self.names, log_m, self.shares, max(track.days, 1e-9))
        guilty = [c.name for c in named if c.named and not math.isclose(c.part, 0.0)] or [named[0].name]
        raised: list[Raised] = []
        for index in (self.names.index(name) for name in guilty):
            raised.append(Raised(index, track.level, float(log_m[index]), self._ago(track, index, days)))
            track.held[index] = True
        track.log_r[:] = eprocess.LOG_ZERO
        track.since[:] = self._step + 1
        track.days = 0.0
        return raised

    def _ago(self, track: _Track, index: int, days: float) -> int:
        steps = min(self._step + 1 - int(track.since[index]), len(track.past))
        if steps < 1:
            return 0
        mine = np.stack([log_e[index] for log_e in track.past[-steps:]])
        return steps - 1 - changepoint.start_of(mine, float(self.shares[index]) * max(days, 1e-9)).median
