"""The rows of ``statistics.py``: which sizes are run, and what is compared with what."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from _peers import PeerError
from _shape import Row, row
from _statistics_cases import CASES
from _statistics_delay import RATES, RUN, changing, cusum, delays, healthy, ours, threshold
from _statistics_peers import shares
from _statistics_quiet import noticed, quiet
from _statistics_river import measure as measure_river

from autoheal.stats.alarm_clock import T_ACT, T_NOTIFY

COMMAND = "python benchmarks/statistics.py"
SEED = 3
WITHIN = 1.25
LIMIT = (40, 10)


@dataclass(frozen=True)
class Size:
    """How much is run: point 1's fleet, the peers' sample of it, point 2's streams, river's streams."""

    features: int
    days: int
    shifted: int
    sample: tuple[int, int]
    healthy: tuple[int, int]
    changing: int
    river: tuple[int, int, int]


FULL = Size(200, 30, 15, (8, 28), (500, 100_000), 1_500, (150, 100_000, 6))
QUICK = Size(20, 7, 1, (2, 3), (60, 40_000), 80, (8, 30_000, 2))


def measure(quick: bool) -> Sequence[Row]:
    size = QUICK if quick else FULL
    return [*_quiet(size), *_noticed(size), *_delay(size), *_river(size)]


def _quiet(size: Size) -> Iterator[Row]:
    """Alarms against the budget, and against what each rule flags."""
    peers = shares(CASES, *size.sample, SEED)
    for at, case in enumerate(CASES):
        # A limit shows in a small fleet as well.
        features = size.features if case.promised else min(size.features, LIMIT[0])
        days = size.days if case.promised else min(size.days, LIMIT[1])
        looks = features * days * 24
        found, goal = quiet(case, features, days, SEED), 1.0 if case.promised else None
        yield _row(f"{case.name}: notify v. budget", found.notify, days / T_NOTIFY, goal)
        yield _row(f"{case.name}: act v. budget", found.act, days / T_ACT, goal)
        for rule, flagged in found.rules.items():
            yield _row(f"{case.name}: v. {rule}", found.notify, flagged, None)
        for peer, seen in peers.items():
            if seen:
                yield _row(f"{case.name}: v. {peer}, extrapolated", found.notify, seen[at] * looks, None)


def _noticed(size: Size) -> Iterator[Row]:
    """Hours until half a standard deviation is noticed, against independent rows."""
    kept = [case for case in CASES if case.promised]
    hours = [noticed(case, size.shifted, size.features, SEED) for case in kept]
    for case, found in zip(kept, hours, strict=True):
        yield _row(f"{case.name}: hours to notice a half deviation", found, hours[0], None)


def _delay(size: Size) -> Iterator[Row]:
    streams = healthy(*size.healthy)
    level = threshold(ours, streams)
    for rate in RATES:
        knowing = cusum(rate)
        then = changing(rate, size.changing)
        best = delays(knowing, threshold(knowing, streams), then).mean
        at = f"delay 0.10 -> {rate:.2f} v. CUSUM that knows"
        yield _row(at, delays(ours, level, then).mean, best, WITHIN)
        # Used without calibration, as the daemon does: the threshold is the promised run length itself.
        yield _row(f"{at}, our threshold = promise", delays(ours, math.log(RUN), then).mean, best, None)


def _river(size: Size) -> Iterator[Row]:
    """river's detectors on the first of the same streams."""
    try:
        river = measure_river(*size.river)
    except PeerError as problem:
        print(f"river: {problem}", file=sys.stderr)
        return
    level = threshold(ours, healthy(size.river[0], size.river[1]))
    for at, rate in enumerate(RATES):
        mine = delays(ours, level, changing(rate, size.river[0])).mean
        for name, found in river.delays.items():
            label = f"delay 0.10 -> {rate:.2f} v. river {name} set to {river.settings[name]:.3g}"
            yield _row(label, mine, found[at].mean, None)
    for name, length in river.runs.items():
        yield _row(f"river {name} default: median healthy rows", RUN, length, None)


def _row(name: str, mine: float, peer: float, goal: float | None) -> Row:
    if mine == peer == 0.0:
        return Row(name, 0.0, 0.0, 1.0, goal, met=True, command=COMMAND)
    return row(name, float(mine), float(peer), goal, COMMAND)
