"""Traffic, latency and further metrics beside what is usual for them: shifts by the hour, spikes by five minutes. Pure.

``learn`` reads what was closed since the last beat into the state, ``judge`` says what follows. A third of the
monitor's share of false alarms goes to shifts, one to spikes (and one to stated limits). What surprises: only *more* latency is a shift, and a shift or a
spike of either kind is at most a warning unless latency is at ``latency_critical`` times the usual.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.budget import Budget
from autoheal.monitors.contract import plain, verdict_of
from autoheal.monitors.gauge import Bets, Gauge
from autoheal.monitors.serving.habit import (
    FORGET,
    LEAST_RESIDUALS,
    RESIDUALS,
    TABLE,
    UNKNOWN,
    Habit,
    Hour,
    entered,
    forgotten,
    week_hour,
)
from autoheal.monitors.serving.local import day, shift
from autoheal.monitors.serving.observed import HOUR, TICK, Observed, observed, stretches
from autoheal.monitors.serving.options import ServingOptions
from autoheal.monitors.serving.recent import INTERVALS
from autoheal.monitors.serving.spikes import RECENT, Look, Side, Spike, Ticks, ticked
from autoheal.monitors.serving.state import ServingState
from autoheal.monitors.view import View
from autoheal.stats import seasonal
from autoheal.stats.surprise import PAST

#: Requests that an hour or a tick must usually have, where requests are counted by their rows.
USUAL_ROWS = 20
#: A shift lasts while the log ratio is above this share of what began it.
LASTING = 0.5
#: What shares the monitor's false alarms equally: shifts, spikes, limits.
PARTS = 3.0
#: Days of one step of the clock.
STEP = 1.0 / 24.0
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def subjects(options: ServingOptions) -> tuple[str, ...]:
    return ("latency", "traffic", *options.metrics) if options.habit else options.metrics


def learn(options: ServingOptions, state: ServingState, view: View) -> ServingState:
    """The state after all hours and ticks that were closed since the last beat."""
    if state.version != view.champion:
        # A new version's latency has done nothing yet; what traffic does is none of its doing.
        state = replace(state, version=view.champion, gauge=state.gauge.release([_key("latency", "more")]))
        state = replace(state, ticks={n: replace(t, spike=None) for n, t in state.ticks.items()})
    watched = subjects(options)
    for name in watched:
        seen = observed(view, name)
        if seen is not None:
            state = _hours(options, state, view, name, seen)
            share = view.budget.share / PARTS / len(watched)
            state = _ticks(options, state, name, seen, replace(view.budget, share=share))
    return state


def judge(options: ServingOptions, state: ServingState, view: View, name: str) -> dict[str, Any] | None:
    """What the habit says about a metric; None when there is none, or nothing has come for a while."""
    seen = observed(view, name)
    if seen is None or _stale(view, seen):
        return None
    spike = state.ticks.get(name, Ticks()).spike
    if spike is not None and _times(spike.value, spike.level) >= options.spike_ratio:
        return _spiked(name, spike)
    habit = state.habits.get(name, Habit())
    if habit.hour is None or not habit.ready or habit.value is None or habit.ratio is None:
        return None
    return _beside_habit(options, state, name, habit, habit.value, habit.ratio)


def usual_of(options: ServingOptions, habit: Habit) -> Callable[[int], float | None]:
    """The habit of any hour, looked up once an hour; a holiday has none."""
    table = np.array(habit.table)
    weeks = np.where(table == UNKNOWN, np.nan, table).reshape(-1, seasonal.HOURS)
    known: dict[int, float | None] = {}

    def usual(hour: int) -> float | None:
        if hour not in known:
            found = seasonal.usual_at(weeks, week_hour(hour + shift(options.zone, hour)))
            free = day(options.zone, hour) in options.holidays
            known[hour] = None if free or math.isnan(found) else found
        return known[hour]

    return usual


def missing(state: ServingState, view: View, name: str) -> dict[str, Any]:
    """Why ``judge`` says nothing about one of the further metrics."""
    seen = observed(view, name)
    if seen is None:
        return {"verdict": Verdict.NOT_YET, "detail": f"no sample of {name} has arrived yet"}
    if _stale(view, seen):
        ago = plain(view.as_of - seen.newest)
        return {"verdict": Verdict.NO_DATA, "detail": f"the newest sample of {name} is from {ago} ago"}
    habit = state.habits.get(name, Habit())
    why = f"{habit.known} of {LEAST_RESIDUALS} hours beside a habit, {habit.days:.1f} days of it are known"
    return {"verdict": Verdict.NOT_YET, "detail": why}


def _hours(
    options: ServingOptions, state: ServingState, view: View, name: str, seen: Observed
) -> ServingState:
    habit, gauge = state.habits.get(name, Habit(zone=options.zone)), state.gauge
    if habit.zone != options.zone:
        habit, gauge = (
            forgotten(habit, options.zone),
            gauge.release([_key(name, side) for side in _sides(name)]),
        )
    budget = replace(view.budget, share=view.budget.share / PARTS)
    for hour, value in stretches(seen, HOUR, habit.hour, TABLE + RESIDUALS):
        # An hour without a row is a gap: silence is absent's to say. A holiday is like no other day.
        free = day(options.zone, hour) in options.holidays
        known = math.nan if free or (seen.how == "rate" and value == 0.0) else value
        alarmed = any(gauge.level(_key(name, side)) for side in _sides(name))
        least = USUAL_ROWS / HOUR if seen.how == "rate" else 0.0
        ahead = shift(options.zone, hour)
        habit, said = entered(habit, hour, known, alarmed=alarmed, least=least, shift=ahead)
        gauge = _step(options, gauge, name, habit, said, budget)
        if habit.excluded >= FORGET:
            habit, gauge = (
                forgotten(habit, options.zone),
                gauge.release([_key(name, side) for side in _sides(name)]),
            )
    return replace(state, gauge=gauge, habits={**state.habits, name: habit})


def _step(
    options: ServingOptions, gauge: Gauge, name: str, habit: Habit, said: Hour, budget: Budget
) -> Gauge:
    if said.more is None or said.less is None or habit.ratio is None:
        return gauge
    bets: dict[str, Bets] = {}
    for side in _sides(name):
        log_e = said.more if side == "more" else said.less
        bets[_key(name, side)] = (log_e, log_e)
    back = abs(_nats(habit.ratio)) < LASTING * math.log(options.habit_ratio)
    return gauge.step(bets, STEP, budget, well=list(bets) if back else ())


def _ticks(
    options: ServingOptions, state: ServingState, name: str, seen: Observed, budget: Budget
) -> ServingState:
    before = state.ticks.get(name, Ticks())
    look = Look(
        sides=_sides(name),
        usual=usual_of(options, state.habits.get(name, Habit())),
        least=USUAL_ROWS / TICK if seen.how == "rate" else 0.0,
        budget=budget,
    )
    after = ticked(before, stretches(seen, TICK, before.tick, PAST + RECENT), look)
    return state if after is before else replace(state, ticks={**state.ticks, name: after})


def _beside_habit(
    options: ServingOptions, state: ServingState, name: str, habit: Habit, value: float, ratio: float
) -> dict[str, Any]:
    side: Side = "more" if ratio >= 1.0 else "less"
    key, nats = _key(name, side), abs(_nats(ratio))
    level = state.gauge.level(key) if side in _sides(name) else ""
    needed = math.log(options.habit_ratio) * (LASTING if name in state.since else 1.0)
    severity = Severity.NONE
    if level and nats >= needed:
        very = name == "latency" and ratio >= options.latency_critical
        severity = Severity.CRITICAL if very else Severity.WARNING
    hour = habit.hour or 0
    place = week_hour(hour + habit.shift)
    when = f"{DAYS[place // 24]} {place % 24:02d}:00 {options.zone}"
    return {
        "verdict": verdict_of(severity),
        "severity": severity,
        "value": value,
        "reference": habit.usual,
        "effect": math.expm1(min(nats, -seasonal.FLOOR)),
        "evidence": max(state.gauge.evidence(key), -700.0) if side in _sides(name) else None,
        "level": level if severity is not Severity.NONE else "",
        "first": hour * HOUR,
        "detail": f"{_written(name, value)}: {ratio:.2f} times its usual {when}",
    }


def _spiked(name: str, spike: Spike) -> dict[str, Any]:
    times = _times(spike.value, spike.level)
    return {
        "verdict": Verdict.BREACH,
        "severity": Severity.WARNING,
        "value": spike.value,
        "reference": spike.level,
        "effect": times - 1.0 if math.isfinite(times) else None,
        "evidence": spike.log_days,
        "level": spike.reached,
        "first": spike.tick * TICK,
        "detail": f"{'spike' if spike.side == 'more' else 'drop'} of five minutes: {_written(name, spike.value)}, "
        f"{_written(name, spike.level)} in the hour before",
    }


def _written(name: str, value: float) -> str:
    if name == "latency":
        return f"p95 {value:.3g} ms"
    return f"{value:.3g} requests/s" if name == "traffic" else f"{name} {value:.4g}"


def _times(value: float, level: float) -> float:
    low, high = sorted((value, level))
    return high / low if low > 0.0 else math.inf


def _nats(ratio: float) -> float:
    return math.log(ratio) if ratio > 0.0 else seasonal.FLOOR


def _stale(view: View, seen: Observed) -> bool:
    """A metric that is scraped no more; rows that come no more are told by freshness."""
    if seen.how != "median":
        return False
    usual = float(np.median(np.diff(seen.time[-20:]))) if len(seen.time) > 1 else 0.0
    return view.as_of - seen.newest > max(INTERVALS * usual, TICK)


def _sides(name: str) -> tuple[Side, ...]:
    return ("more",) if name == "latency" else ("more", "less")


def _key(name: str, side: Side) -> str:
    return f"{name} {side}"
