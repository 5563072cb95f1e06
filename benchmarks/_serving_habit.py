"""Habits of the serving monitor on made-up weeks: false alarms against the promise, and hours until a change is noticed.

``python benchmarks/_serving_habit.py [RUNS]`` plays, for each row it prints, that many metrics of twelve weeks through
the monitor's own code, five minutes a sample: daily and weekly shape, growth of 0.1% a day, t5 noise by
the hour (lag-1 correlation 0.3 or 0.8) and by the sample, 3% of samples missing. The whole budget is this metric's: one
``notify`` in 14 days is promised. Then +30% from the middle of week nine, or ten minutes of 2.5 times. The figures are in
docs/monitors.md; one metric takes about two seconds.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from autoheal.domain.names import ModelName, Severity, Task, Version
from autoheal.domain.specs import ModelSpec
from autoheal.monitors.rows import Rows
from autoheal.monitors.serving import ServingOptions, ServingState, usual
from autoheal.monitors.view import Series, View

Floats = NDArray[np.float64]
Change = Literal["nothing", "shift", "spike"]

TICK, WEEKS, NAME = 300.0, 12, "cost"
A_DAY, A_WEEK = 288, 2016
#: A Monday.
START = 1_300_060_800.0
#: The change begins in week nine; alarms count once there is a habit.
CHANGE, JUDGED = 8 * A_WEEK + 1000, 10 * A_DAY
OPTIONS = ServingOptions(habit=False, metrics=(NAME,))
SPEC = ModelSpec(ModelName("m"), Task.REGRESSION)
NONE, CODES, FLAGS = np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.bool_)
NO_ROWS = Rows(NONE, NONE, CODES, (), FLAGS, FLAGS, NONE, NONE, NONE, NONE, NONE, (), {})


@dataclass(frozen=True, slots=True)
class Alarm:
    """``sample`` at which it was raised; whether it was a spike."""

    sample: int
    spike: bool


def weeks(rng: np.random.Generator, alike: float, change: Change) -> Series:
    n = WEEKS * A_WEEK
    time: Floats = START + np.arange(n, dtype=np.float64) * TICK
    hour, day = time / 3_600 % 24, (time - START) // 86_400 % 7
    usual_log = np.log(50) + 0.4 * np.sin((hour - 8) / 24 * 2 * np.pi) - 0.2 * (day >= 5)
    noise: Floats = rng.standard_t(5, WEEKS * 168) * 0.05
    for i in range(1, len(noise)):
        noise[i] += alike * noise[i - 1]
    nats = usual_log + 0.001 * np.arange(n) / A_DAY + np.repeat(noise, 12) + rng.standard_t(5, n) * 0.08
    value: Floats = np.exp(nats).astype(np.float64)
    if change == "shift":
        value[CHANGE:] *= 1.3
    elif change == "spike":
        value[CHANGE : CHANGE + 2] *= 2.5
    kept = rng.random(n) > 0.03
    return Series(time[kept], value[kept])


def alarms(samples: Series) -> list[Alarm]:
    """Looked at once an hour."""
    state, found, before = ServingState(version="v"), list[Alarm](), False
    for end in range(A_DAY, WEEKS * A_WEEK, 12):
        now = START + end * TICK
        part = slice(*np.searchsorted(samples.time, [now - 1.1 * 86_400, now]))
        metrics = {NAME: Series(samples.time[part], samples.value[part])}
        view = View(SPEC, Version("v"), -math.inf, None, now, NO_ROWS, metrics)
        state = usual.learn(OPTIONS, state, view)
        said = usual.judge(OPTIONS, state, view, NAME)
        bad = said is not None and said["severity"] is not Severity.NONE
        if said is not None and bad and not before:
            found.append(Alarm(end, "five minutes" in said["detail"]))
        before = bad
        state = replace(state, since={NAME: now} if bad else {})
    return found


def line(alike: float, change: Change, runs: int) -> str:
    end = WEEKS * A_WEEK if change == "nothing" else CHANGE
    false, spikes, hours = 0, 0, list[float]()
    for seed in range(runs):
        found = alarms(weeks(np.random.default_rng(seed), alike, change))
        healthy = [a for a in found if JUDGED <= a.sample < end]
        false, spikes = false + len(healthy), spikes + sum(a.spike for a in healthy)
        after = [a.sample - CHANGE for a in found if CHANGE <= a.sample < CHANGE + 3 * A_DAY]
        hours.append(after[0] / 12 if after else math.inf)
    days = runs * (end - JUDGED) / A_DAY
    every = f"one false alarm in {days / false:.0f} days" if false else f"none in {days:.0f} days"
    said = f"correlation {alike}, {change}: {every} ({false}, of them {spikes} spikes)"
    if change == "nothing":
        return said
    noticed = sum(h < math.inf for h in hours)
    return f"{said}; noticed within 3 days {noticed} of {runs}, median {np.median(hours):.1f} h"


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    cases: tuple[tuple[float, Change], ...] = (
        (0.3, "spike"), (0.8, "shift"), (0.3, "shift"), (0.3, "nothing"), (0.8, "nothing"),
    )  # fmt: skip
    for alike, change in cases:
        print(line(alike, change, runs), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
