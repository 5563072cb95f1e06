"""Five minutes beside the hour before them: half of all incidents are over before an hour is. Pure.

How far a tick lies from the nearer of its recent level and its habit is compared with the last thousand such distances
(``stats.surprise``: ranks inside, a fitted tail outside). All of the share is bet on the p-value that alone reaches the
threshold, so that the promise of the alarm clock holds as far as the tail is true. What surprises: upwards the distance
is a share of the level, downwards its logarithm, since nothing falls by more than all of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from autoheal.monitors.budget import Budget
from autoheal.monitors.gauge import Level
from autoheal.monitors.serving.observed import HOUR, TICK
from autoheal.stats.surprise import Past

Side = Literal["more", "less"]
#: Ticks that make the recent level: an hour.
RECENT = 12
#: Differences smaller than this share are never a surprise.
RESOLUTION = 0.01
#: No distance is larger.
LARGEST = 1e9
DAY = 86_400.0
DAY_OF_TICKS = round(DAY / TICK)


@dataclass(frozen=True, slots=True)
class Spike:
    """A tick that stands out: its value, the level it is compared with, log days of evidence, how far that goes."""

    tick: int
    side: Side
    value: float
    level: float
    log_days: float
    reached: Level


@dataclass(frozen=True, slots=True)
class Ticks:
    """The last hour of one metric, and on each side the last thousand distances, oldest first. ``tick`` is the newest
    that was looked at, ``valued`` the newest that had a value."""

    tick: int | None = None
    valued: int | None = None
    recent: tuple[float, ...] = ()
    past: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    spike: Spike | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """How one metric is looked at. ``usual``: the habit of an hour since 1970, None where there is none; ``least``: a
    level below it is none; ``budget`` is that of this metric's spikes, which its sides share."""

    sides: tuple[Side, ...]
    usual: Callable[[int], float | None]
    least: float
    budget: Budget


def ticked(ticks: Ticks, values: Iterable[tuple[int, float]], look: Look) -> Ticks:
    """The state after more ticks, in order. It shows the strongest spike among them."""
    memories = {side: Past.of(ticks.past.get(side, ()), RESOLUTION) for side in look.sides}
    recent, seen, last, found = list(ticks.recent), ticks.tick, ticks.valued, list[Spike]()
    for tick, value in values:
        seen = tick
        if last is not None and tick - last > RECENT:
            recent.clear()  # after an hour of nothing there is no recent level
        if math.isnan(value):
            continue
        last = tick
        if len(recent) == RECENT:
            found += _spikes(tick, value, float(np.median(recent)), memories, look)
            del recent[0]
        recent.append(value)
    if seen == ticks.tick:
        return ticks
    past: dict[str, tuple[float, ...]] = {side: memory.sizes for side, memory in memories.items()}
    # What memory held before the first look is history, not news.
    newest = (seen or 0) - (RECENT if ticks.tick is None else DAY_OF_TICKS)
    news = [spike for spike in found if spike.tick > newest]
    return Ticks(seen, last, tuple(recent), past, max(news, key=lambda spike: spike.log_days, default=None))


def _spikes(
    tick: int, value: float, level: float, memories: Mapping[Side, Past], look: Look
) -> Iterator[Spike]:
    if level <= 0.0 or level < look.least:
        return
    usual = look.usual(int(tick * TICK // HOUR))
    for side, memory in memories.items():
        nats = memory.enter(float(f"{_distance(side, value, level, usual):.5g}"))
        log_days = nats + math.log(look.budget.share / len(memories) * TICK / DAY)
        reached = _reached(log_days, look.budget)
        if reached:
            yield Spike(tick, side, value, level, log_days, reached)


def _distance(side: Side, value: float, level: float, usual: float | None) -> float:
    levels = [level] if usual is None or usual <= 0.0 else [level, usual]
    if side == "more":
        return min(max(min(value / b - 1.0 for b in levels), 0.0), LARGEST)
    # A value of nothing is a hundredth of the level here.
    return max(min(math.log(b / max(value, b / 100.0)) for b in levels), 0.0)


def _reached(log_days: float, budget: Budget) -> Level:
    if log_days >= math.log(budget.act):
        return "act"
    return "notify" if log_days >= math.log(budget.notify) else ""
