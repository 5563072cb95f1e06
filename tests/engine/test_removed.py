"""A model that the configuration no longer names takes its open incidents, and questions about it, along."""

from __future__ import annotations

from dataclasses import replace

from autoheal.domain import events as ev
from autoheal.domain.names import IncidentState, Mode, RunState
from autoheal.domain.specs import ApprovalRule, Config
from autoheal.replay.simulate import Script, simulate
from tests.engine.build import PERFORMANCE, at, config, series, start


def without_fraud(before: Config) -> Config:
    return replace(before, models={k: v for k, v in before.models.items() if k != "fraud"}, digest="later")


def test_its_incident_ends_when_the_run_under_way_has() -> None:
    made = config(PERFORMANCE)
    facts = [*start(made), *series(2, 4, "breach"), (at(2.0), ev.ConfigApplied(without_fraud(made), "ann"))]
    world = simulate(Script(tuple(facts)), at(12)).world
    (incident,) = world.incidents.values()
    assert (incident.state, incident.outcome, incident.verified) == (
        IncidentState.CLOSED,
        "no longer watched",
        False,
    )
    assert all(r.state is not RunState.RUNNING for r in world.runs.values())


def test_a_question_about_it_is_withdrawn() -> None:
    guards = replace(PERFORMANCE.guards, approval=ApprovalRule(ask=("oncall",)))
    made = config(replace(PERFORMANCE, mode=Mode.ASK, guards=guards))
    facts = [*start(made), *series(2, 3, "breach"), (at(2.1), ev.ConfigApplied(without_fraud(made), "ann"))]
    world = simulate(Script(tuple(facts)), at(2.15)).world
    (asked,) = world.approvals.values()
    assert asked.state == "withdrawn"
    assert not world.runs
    assert all(not i.open for i in world.incidents.values())


def test_an_incident_of_others_stays() -> None:
    made = config(PERFORMANCE)
    facts = [
        *start(made),
        *series(2, 4, "breach", "churn"),
        (at(2.5), ev.ConfigApplied(without_fraud(made), "ann")),
    ]
    world = simulate(Script(tuple(facts)), at(3)).world
    (incident,) = world.incidents.values()
    assert incident.open
