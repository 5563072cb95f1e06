"""A budget stops what would exceed it, until the period has passed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from autoheal.replay.simulate import Script, simulate
from tests.engine.build import DAY, PERFORMANCE, RUNBOOKS, at, config, series, start


def test_a_spent_budget_blocks_and_says_when_it_lifts() -> None:
    guards = replace(PERFORMANCE.guards, budget={"gpu_hours": 3.0}, budget_per=2 * DAY, cooldown=timedelta(0))
    policy = replace(PERFORMANCE, ladder=(PERFORMANCE.ladder[1],), guards=guards)
    dear = replace(RUNBOOKS["retrain"], cost={"gpu_hours": 2.0})
    made = replace(config(policy, retrain_gap=timedelta(0)), runbooks={**RUNBOOKS, "retrain": dear})
    facts = [
        *start(made),
        *series(2, 2, "breach"),
        *series(3, 9, "ok"),
        *series(10, 60, "breach", "churn"),
    ]
    early = simulate(Script(tuple(facts)), at(20)).world
    blocked = early.decisions[max(early.decisions)]
    assert (blocked.verdict, blocked.until) == ("blocked", at(2) + 2 * DAY)
    late = simulate(Script(tuple(facts)), at(52)).world
    assert [r.model for r in late.runs.values()] == ["fraud", "churn"]
