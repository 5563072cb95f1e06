"""False alarms of the familiar rules on healthy data: makes the table in ``autoheal/monitors/familiar/rates.py``.

``python benchmarks/_familiar_rates.py`` prints it and exits with 1 where it differs from the one in the code by more than chance
allows. One seed; errors at 10%, independent rows: the kindest world there is. Takes about a minute.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator

import numpy as np

from autoheal.monitors.familiar.rates import RATES
from autoheal.stats.adwin import Adwin
from autoheal.stats.distance import ks_p_value
from autoheal.stats.familiar import Ddm, Ewma, PageHinkley, sigma
from autoheal.stats.psi import psi_many
from autoheal.stats.trend import least_squares

Rng = np.random.Generator
#: (rule, number, rows) with its rate and the runs behind it.
Row = tuple[tuple[str, float, int], float, int]

REFERENCE, BINS = 100_000, 10
ROWS, ERROR_RATE = 10_000, 0.1


def psi(rng: Rng, windows: int = 20_000) -> Iterator[Row]:
    """Ten equal bins."""
    for rows in (50, 100, 200, 500, 1000):
        counts = rng.multinomial(rows, [1 / BINS] * BINS, windows)
        found = psi_many(np.full((windows, BINS), REFERENCE / BINS), counts)
        for limit in (0.1, 0.2, 0.25):
            yield ("psi", limit, rows), float((found > limit).mean()), windows


def ks(rng: Rng, windows: int = 4_000) -> Iterator[Row]:
    """As the monitor does it: at the percentiles of the reference, less the point in a hundred they are known to."""
    grid = np.arange(101) / 100
    for rows in (100, 500, 1000):
        values = np.sort(rng.random((windows, rows)), axis=1)
        below = np.stack([np.searchsorted(v, grid, side="right") / rows for v in values])
        distance = np.maximum(np.abs(np.arange(1, 102) / 101 - below).max(axis=1) - 0.01, 0.0)
        p = np.array([ks_p_value(float(d), REFERENCE, rows) for d in distance])
        for limit in (0.001, 0.01, 0.05):
            yield ("ks", limit, rows), float((p < limit).mean()), windows


def streams(rng: Rng, runs: int = 120) -> Iterator[Row]:
    """Share of models that alarm at least once within 10,000 labelled rows."""
    spread = math.sqrt(ERROR_RATE * (1 - ERROR_RATE))
    made: list[tuple[str, float, int, Callable[[float], Detector]]] = [
        *(("ddm", level, runs, lambda level: Ddm(level=level)) for level in (2.0, 3.0)),
        *(("adwin", delta, runs // 6, lambda delta: Adwin(delta=delta)) for delta in (0.002, 0.05)),
        *(("page_hinkley", at, runs, lambda at: PageHinkley(threshold=at)) for at in (20.0, 50.0)),
        *(("ewma", width, runs, lambda width: Ewma(ERROR_RATE, spread, width=width)) for width in (3.0, 4.0)),
    ]
    for name, limit, count, start in made:
        alarmed = sum(_alarms(start(limit), (rng.random(ROWS) < ERROR_RATE).tolist()) for _ in range(count))
        yield (name, limit, 0), alarmed / count, count


Detector = Ddm | Adwin | PageHinkley | Ewma


def _alarms(detector: Detector, errors: list[bool]) -> bool:
    for wrong in errors:
        detector = detector.update(float(wrong))
        if detector.alarm:
            return True
    return False


def three_sigma(rng: Rng, samples: int = 200_000) -> Iterator[Row]:
    """Student's t with three degrees of freedom: about as heavy as latencies are."""
    band = sigma(rng.standard_t(3, 2_000))
    for width in (3.0, 4.0):
        beyond = np.abs(rng.standard_t(3, samples) - band.mean) > width * band.sd
        yield ("3_sigma", width, 0), float(beyond.mean()), samples


def linear_trend(rng: Rng, days: int = 20_000) -> Iterator[Row]:
    """The loss of seven days of 200 labels rises, one-sided, looked at every day."""
    daily = rng.binomial(200, ERROR_RATE, days) / 200
    trends = [least_squares(np.arange(7.0), daily[i - 7 : i]) for i in range(7, days)]
    p = np.array([1.0 - trend.p_falling() for trend in trends])
    for limit in (0.001, 0.01, 0.05):
        yield ("linear_trend", limit, 0), float((p < limit).mean()), days


def main() -> int:
    worst = 0
    print("RATES: Mapping[tuple[str, float, int], float] = {")
    for measure in (psi, ks, streams, three_sigma, linear_trend):
        for key, rate, runs in measure(np.random.default_rng(2024)):
            known = RATES.get(key)
            error = math.sqrt(max(rate * (1 - rate), 1 / runs) / runs)
            differs = known is None or abs(known - rate) > 4 * error + 0.0005
            worst |= differs
            name, limit, rows = key
            print(f'    ("{name}", {limit:g}, {rows}): {rate:.4f},' + ("  # differs" if differs else ""))
    print("}")
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
