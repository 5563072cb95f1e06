"""What the engine does in the situations that it exists for, and that stopping anywhere changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autoheal.domain.events import Entry, StepStarted
from autoheal.domain.records import Incident
from autoheal.domain.world import World
from autoheal.engine.step import rebuild
from autoheal.replay.simulate import Script, simulate
from tests.engine.scenarios import ALL, Scenario

by_name = pytest.mark.parametrize("scenario", ALL, ids=lambda s: s.name)


def first(world: World) -> Incident:
    return world.incidents[min(world.incidents)]


@by_name
def test_it_ends_as_an_operator_would_want(scenario: Scenario) -> None:
    result = simulate(scenario.script, scenario.until)
    incident = first(result.world)
    assert len(result.world.incidents) == scenario.incidents, [
        i.target for i in result.world.incidents.values()
    ]
    assert [(a.runbook, a.outcome) for a in incident.attempts] == list(scenario.attempts), incident
    assert (incident.state, incident.cause, incident.verified) == (
        scenario.state,
        scenario.cause,
        scenario.verified,
    )
    assert scenario.outcome in incident.outcome


@by_name
def test_the_log_alone_rebuilds_the_world(scenario: Scenario) -> None:
    result = simulate(scenario.script, scenario.until)
    assert rebuild(result.entries) == result.world
    assert [e.seq for e in result.entries] == list(range(1, len(result.entries) + 1))


@by_name
def test_the_same_script_gives_the_same_log(scenario: Scenario) -> None:
    assert (
        simulate(scenario.script, scenario.until).entries == simulate(scenario.script, scenario.until).entries
    )


@by_name
def test_stopping_after_every_event_changes_neither_the_end_nor_the_effects(scenario: Scenario) -> None:
    whole = simulate(scenario.script, scenario.until)
    expected = _end(whole.world)
    whole_starts = sum(isinstance(e.event, StepStarted) for e in whole.entries)
    for prefix in _prefixes(whole.entries):
        world = rebuild(prefix)
        rest = Script(_unplayed(scenario.script, prefix), scenario.script.actions)
        resumed = simulate(rest, scenario.until, world, resume=True)
        assert _end(resumed.world) == expected, f"stopped after {prefix[-1].seq}: {prefix[-1].event.kind}"
        before = [e for e in prefix if isinstance(e.event, StepStarted)]
        after = [e for e in resumed.entries if isinstance(e.event, StepStarted)]
        assert len(before) + len(after) == whole_starts, f"stopped after {prefix[-1].seq}"


def _end(world: World) -> list[object]:
    """What must not depend on where the daemon was stopped."""
    return [
        (i.id, i.target, i.state, i.outcome, i.verified, [(a.runbook, a.outcome) for a in i.attempts])
        for i in world.incidents.values()
    ]


def _prefixes(entries: tuple[Entry, ...]) -> Iterator[tuple[Entry, ...]]:
    """All prefixes that a store could hold: one step's entries are one transaction."""
    for n in range(2, len(entries)):
        if entries[n].event.kind in _FACTS:
            yield entries[:n]


_FACTS = {
    "finding_observed",
    "facts_observed",
    "champion_observed",
    "ticked",
    "step_started",
    "step_finished",
    "pause_set",
    "approval_answered",
}


def _unplayed(script: Script, prefix: tuple[Entry, ...]) -> tuple[tuple[object, object], ...]:
    played = [e.event for e in prefix]
    rest = []
    for when, event in script.facts:
        if event in played:
            played.remove(event)
        else:
            rest.append((when, event))
    return tuple(rest)
