"""Run the decision engine against a scripted outside world. Deterministic; no I/O, no real time.

``simulate`` is what policy tests, crash tests and recordings are made with: facts at given times go in, each due step
is started as the daemon's executor would and ends as the script says, and time jumps from one event to the next.
The result is the same log that a daemon would have written.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from autoheal.domain import events as ev
from autoheal.domain.events import Entry, Event
from autoheal.domain.names import StepKey
from autoheal.domain.world import World
from autoheal.engine.due import DueStep, due_steps, interrupted_steps
from autoheal.engine.step import step

#: What a step does outside when it ends: its outcome and the facts that follow from it.
Effect = Callable[[World, DueStep, datetime], tuple[Event, ...]]


#: Somebody who looks at the world and says something.
Person = Callable[[World], tuple[Event, ...]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one execution of an action ends: after ``takes``, with ``outputs``, or with ``error``."""

    takes: timedelta = timedelta(seconds=1)
    outputs: Mapping[str, object] = field(default_factory=dict)
    error: str = ""
    retryable: bool = False
    effect: Effect | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """``facts`` are (time, event) or (time, what somebody does who sees the world then); ``actions`` the outcomes of each action by name, one an attempt, the last one
    repeating."""

    facts: tuple[tuple[datetime, Event | Person], ...]
    actions: Mapping[str, tuple[Outcome, ...]] = field(default_factory=dict)

    def outcome(self, due: DueStep) -> Outcome:
        """How this attempt at a step ends; done after a second where the script says nothing."""
        outcomes = self.actions.get(due.step.action, (Outcome(),))
        return outcomes[min(due.attempt, len(outcomes)) - 1]


@dataclass(frozen=True, slots=True)
class Simulation:
    """The log, the world at its end, and how often each effect was applied outside."""

    entries: tuple[Entry, ...]
    world: World
    applied: Mapping[StepKey, int]


@dataclass(slots=True)
class _Machine:
    script: Script
    world: World
    agenda: list[tuple[datetime, int, Event | Person]] = field(default_factory=list)
    order: itertools.count[int] = field(default_factory=itertools.count)
    entries: list[Entry] = field(default_factory=list)
    applied: dict[StepKey, int] = field(default_factory=dict)
    wake: datetime | None = None

    def feed(self, event: Event, at: datetime) -> None:
        """One fact through the engine, then whatever the executor would start because of it."""
        moment = self.record(event, at)
        while waiting := due_steps(self.world, moment):
            due = waiting[0]
            self.record(ev.StepStarted(due.run.id, due.step.id, due.key, due.attempt, due.params), moment)
            self.plan_end(due, moment)

    def record(self, event: Event, at: datetime) -> datetime:
        """One fact through the engine and into the log; returns the time that the log shows."""
        done = step(self.world, event, at)
        moment = done.world.at or at
        first = self.world.seq + 1
        self.entries.extend(Entry(first + n, moment, e) for n, e in enumerate(done.events))
        self.world, self.wake = done.world, done.wake_at
        return moment

    def plan_end(self, due: DueStep, at: datetime) -> None:
        """Apply the effect now (as the outside world would) and let its end be heard of later."""
        outcome = self.script.outcome(due)
        self.applied[due.key] = self.applied.get(due.key, 0) + 1
        end = at + outcome.takes
        self.push(end, _finished(due, outcome))
        if outcome.effect and not outcome.error:
            for event in outcome.effect(self.world, due, end):
                self.push(end, event)

    def push(self, at: datetime, item: Event | Person) -> None:
        heapq.heappush(self.agenda, (at, next(self.order), item))


def _finished(due: DueStep, outcome: Outcome) -> Event:
    if outcome.error:
        return ev.StepFinished(
            due.run.id, due.step.id, due.key, "failed", error=outcome.error, retryable=outcome.retryable
        )
    return ev.StepFinished(due.run.id, due.step.id, due.key, "done", outcome.outputs)


def simulate(
    script: Script, until: datetime, world: World | None = None, *, resume: bool = False
) -> Simulation:
    """Play ``script`` up to and including ``until``.

    With ``world`` given, facts at or before its time are taken as played. ``resume`` ends interrupted steps first, as
    an executor does that probes them after a crash and finds them done.
    """
    machine = _Machine(script, world or World())
    for at, event in script.facts:
        machine.push(at, event)
    if resume and world is not None:
        for due in interrupted_steps(machine.world):
            machine.push(machine.world.at or until, _finished(due, script.outcome(due)))
    _play(machine, until)
    return Simulation(tuple(machine.entries), machine.world, machine.applied)


def _play(machine: _Machine, until: datetime) -> None:
    while True:
        due = machine.agenda[0][0] if machine.agenda else None
        times = [t for t in (due, machine.wake) if t is not None]
        if not times or (now := min(times)) > until:
            return
        if due is not None and due <= now:
            at, _, item = heapq.heappop(machine.agenda)
            for event in item(machine.world) if callable(item) else (item,):
                machine.feed(event, at)
        else:
            machine.wake = None
            machine.feed(ev.Ticked(), now)


def every(start: datetime, gap: timedelta, count: int) -> Iterable[datetime]:
    """``count`` moments, ``gap`` apart, from ``start``."""
    return (start + gap * n for n in range(count))
