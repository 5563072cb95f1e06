"""``step``: one fact in, the new world and all that follows from it out. Pure and deterministic; it only dispatches.

Rules look at the world and say what is due; the first that has something to say is applied, then all are asked
again, until none has; then what to do is chosen. So a rule never depends on which event woke it, and a missed wake-up
costs time, not correctness. Called by ``daemon.kernel``, policy tests and backtests, each with its own clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from autoheal.domain.events import Entry, Event, FindingObserved
from autoheal.domain.world import World
from autoheal.engine import alarms, approvals, cause, decide, health, incidents, requests, runs, verify
from autoheal.engine.apply import apply, rebuild
from autoheal.engine.deadlines import wake_at

__all__ = ["Step", "apply", "rebuild", "step"]

Rule = Callable[[World, datetime], tuple[Event, ...]]

#: In the order of the flow: symptom, belonging, cause, running remedies, verdicts on them, new remedies.
RULES: tuple[Rule, ...] = (
    alarms.advance,
    health.derive,
    incidents.gather,
    incidents.merge,
    incidents.abandon,
    cause.diagnose,
    runs.advance,
    verify.after_runs,
    verify.judge,
    approvals.advance,
    requests.start,
    decide.track_held,
    decide.reopen,
)

#: More rounds than any sane world needs; reaching it means two rules undo each other.
MOST_ROUNDS = 10_000


@dataclass(frozen=True, slots=True)
class Step:
    """The world after, the events that led there (the given one first), and when to look again without news."""

    world: World
    events: tuple[Event, ...]
    wake_at: datetime | None


def step(world: World, event: Event, now: datetime) -> Step:
    """Apply ``event`` at ``now`` and everything that follows.

    ``now`` never runs backwards within a world: a clock that was set back is held at the last entry's time. Raises
    RuntimeError if the rules do not come to rest, which is a defect of the engine.
    """
    moment = max(now, world.at) if world.at else now
    happened: list[Event] = []
    queue: tuple[Event, ...] = (event,)
    for _ in range(MOST_ROUNDS):
        for each in queue:
            world = apply(world, Entry(world.seq + 1, moment, each))
            happened.append(each)
        queue = _react(world, moment, _only(happened))
        if not queue:
            return Step(world, tuple(happened), wake_at(world, moment))
    message = f"the rules do not come to rest; last events: {[e.kind for e in happened[-4:]]}"
    raise RuntimeError(message)


def _react(world: World, now: datetime, only: str) -> tuple[Event, ...]:
    for rule in RULES:
        if events := rule(world, now):
            return events
    return decide.choose(world, now, only)


def _only(happened: list[Event]) -> str:
    """Whose mind alone can have changed: a finding from which nothing followed concerns its own target. In a storm
    this is what keeps a beat of the whole fleet from weighing every open incident for every finding."""
    first = happened[0]
    return first.finding.target if len(happened) == 1 and isinstance(first, FindingObserved) else ""
