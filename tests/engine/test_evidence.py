"""Evidence that is enough to tell people is not enough to change something."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from autoheal.domain import events as ev
from autoheal.domain.names import Severity
from autoheal.replay.simulate import Script, simulate
from tests.engine.build import PERFORMANCE, at, config, series, start


def life(*levels: Literal["", "notify", "act"]) -> Script:
    """A breach from hour 2 on, an hour a level."""
    facts = [*start(config(PERFORMANCE))]
    for hour, level in enumerate(levels, start=2):
        for when, event in series(hour, hour + 1, "breach"):
            assert isinstance(event, ev.FindingObserved)
            found = replace(event.finding, level=level, severity=Severity.CRITICAL)
            facts.append((when, ev.FindingObserved(found)))
    return Script(tuple(facts))


def test_at_notify_it_waits_and_says_why_and_at_act_it_goes_on() -> None:
    waiting = simulate(life("notify", "notify"), at(4)).world
    assert not waiting.runs
    decision = waiting.decisions[max(waiting.decisions)]
    assert decision.verdict == "blocked"
    assert "reached notify only" in str(decision.reason)
    acting = simulate(life("notify", "notify", "act"), at(4.9)).world
    assert len(acting.runs) == 1


@pytest.mark.parametrize("level", ["", "act"])
def test_hard_rules_and_rare_false_alarms_act_at_once(level: Literal["", "act"]) -> None:
    assert len(simulate(life(level), at(2.9)).world.runs) == 1
