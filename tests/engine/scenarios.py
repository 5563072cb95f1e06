"""Scenarios that several tests play: a script, and what must be true at its end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from autoheal.domain import events as ev
from autoheal.domain.names import Mode
from autoheal.domain.records import Pause
from autoheal.domain.specs import ApprovalRule
from autoheal.replay.simulate import Outcome, Script, simulate
from tests.engine.build import MINUTE, PERFORMANCE, UPSTREAM, at, config, facts, release, series, start

Facts = list[tuple[datetime, ev.Event]]

KNOWN_GOOD = Outcome(MINUTE, {"version": "v1"})
OK = Outcome(MINUTE)


@dataclass(frozen=True)
class Scenario:
    """``attempts`` are (runbook, outcome) of the first incident; ``outcome`` a part of its outcome's text."""

    name: str
    script: Script
    until: datetime
    state: str
    attempts: tuple[tuple[str, str], ...]
    cause: str
    verified: bool
    outcome: str = ""
    incidents: int = 1


def _after(hours: float, last: float = 16) -> Facts:
    """Findings that say ok from ``hours`` on."""
    return series(hours, last, "ok")


def bad_release() -> Scenario:
    begin = [*start(), (at(1), release(1)), *series(2, 2, "breach"), *_after(3)]
    script = Script(tuple(begin), {"registry.known_good": (KNOWN_GOOD,)})
    return Scenario(
        "bad release is rolled back",
        script,
        at(12),
        "closed",
        (("rollback", "healed"),),
        "bad_release",
        verified=True,
    )


def concept_drift() -> Scenario:
    script = Script(
        (*start(), *series(2, 2, "breach"), *_after(3)), {"pipeline.train": (Outcome(20 * MINUTE),)}
    )
    return Scenario(
        "concept drift is retrained",
        script,
        at(12),
        "closed",
        (("retrain", "healed"),),
        "concept_drift",
        verified=True,
    )


def rollback_does_not_heal() -> Scenario:
    begin = [*start(), (at(1), release(1)), *series(2, 8.5, "breach"), *series(9, 20, "ok")]
    return Scenario(
        "the ladder goes on",
        Script(tuple(begin)),
        at(20),
        "closed",
        (("rollback", "not_healed"), ("retrain", "healed")),
        "bad_release",
        verified=True,
    )


def trainer_fails() -> Scenario:
    failing = {"pipeline.train": (Outcome(MINUTE, error="exit status 1"),)}
    script = Script((*start(), *series(2, 20, "breach")), failing)
    return Scenario(
        "a failing trainer leads to the stand-in and then to a person",
        script,
        at(20),
        "escalated",
        (("retrain", "failed"), ("fallback", "not_healed")),
        "concept_drift",
        verified=False,
        outcome="a person is needed",
    )


def flaky_action() -> Scenario:
    flaky = {"pipeline.train": (Outcome(MINUTE, error="connection reset", retryable=True), OK)}
    return replace(
        concept_drift(),
        name="a retryable failure is retried",
        script=replace(concept_drift().script, actions=flaky),
    )


def upstream_fault() -> Scenario:
    path = "data_quality/amount"
    begin = [
        *start(),
        *series(2, 4, "breach", "fraud", path),
        *series(2.25, 4, "breach", "churn", path),
        *series(2.25, 2.25, "breach"),
        *series(4.5, 14, "ok", "fraud", path),
        *series(4.75, 14, "ok", "churn", path),
        *series(6, 14, "ok"),
    ]
    return Scenario(
        "one broken feed is one incident",
        Script(tuple(begin)),
        at(14),
        "closed",
        (("fallback", "mitigated"), ("restore", "healed")),
        "upstream_fault",
        verified=True,
    )


def eased_at_the_last_moment() -> Scenario:
    begin = [*start(), *series(2, 7.5, "breach"), *_after(8)]
    return Scenario(
        "a symptom that goes just before the deadline gets its time",
        Script(tuple(begin)),
        at(12),
        "closed",
        (("retrain", "healed"),),
        "concept_drift",
        verified=True,
    )


def no_data_is_no_recovery() -> Scenario:
    begin = [*start(), *series(2, 2, "breach"), *series(3, 20, "no_data")]
    return Scenario(
        "no data is not recovery",
        Script(tuple(begin)),
        at(20),
        "escalated",
        (("retrain", "running"),),
        "concept_drift",
        verified=False,
        outcome="cannot tell",
    )


def goes_away() -> Scenario:
    paused = ev.PauseSet(Pause("fleet", "mara", "db upgrade", at(0)))
    begin = [*start(), (at(0.5), paused), *series(2, 3, "breach"), *_after(3.5)]
    return Scenario(
        "a pause acts on nothing",
        Script(tuple(begin)),
        at(12),
        "closed",
        (),
        "concept_drift",
        verified=False,
        outcome="without a remedy",
    )


def _asking(otherwise: str = "skip") -> Facts:
    rule = ApprovalRule(ask=("oncall",), expires=timedelta(minutes=30), otherwise=otherwise)  # type: ignore[arg-type]
    policy = replace(PERFORMANCE, guards=replace(PERFORMANCE.guards, approval=rule))
    return start(config(policy, UPSTREAM))


def approved() -> Scenario:
    begin = [*_asking(), *series(2, 2.5, "breach"), (at(2.25), _answer("given")), *_after(3.5)]
    return Scenario(
        "a person says yes",
        Script(tuple(begin)),
        at(12),
        "closed",
        (("retrain", "healed"),),
        "concept_drift",
        verified=True,
    )


def _answer(answer: str) -> ev.Event:
    """An answer that carries the hash which the question showed."""
    asked = simulate(Script((*_asking(), *series(2, 2, "breach"))), at(2.1))
    approval = next(iter(asked.world.approvals.values()))
    return ev.ApprovalAnswered(approval.id, answer, approval.plan_hash, "mara", "go")  # type: ignore[arg-type]


def refused() -> Scenario:
    begin = [
        *_asking(),
        *series(2, 2.5, "breach"),
        (at(2.25), _answer("refused")),
        *series(2.75, 3.2, "breach"),
        *_after(3.5, 20),
    ]
    return Scenario(
        "a person says no",
        Script(tuple(begin)),
        at(2.7),
        "open",
        (("retrain", "skipped"),),
        "concept_drift",
        verified=False,
    )


def unanswered_and_cleared() -> Scenario:
    begin = [*_asking(), *series(2, 2, "breach"), *series(2.25, 12, "ok", gap=0.25)]
    return Scenario(
        "the question goes when the symptom goes",
        Script(tuple(begin)),
        at(12),
        "closed",
        (),
        "concept_drift",
        verified=False,
    )


def shadow() -> Scenario:
    begin = [*start(config(replace(PERFORMANCE, mode=Mode.SHADOW), UPSTREAM)), *series(2, 5, "breach")]
    return Scenario(
        "shadow decides and does not act",
        Script(tuple(begin)),
        at(5),
        "open",
        (),
        "concept_drift",
        verified=False,
    )


def labels_needed() -> Scenario:
    policy = replace(PERFORMANCE, verify=replace(PERFORMANCE.verify, matured_labels=500))
    begin = [
        *start(config(policy, UPSTREAM)),
        *series(2, 2, "breach"),
        (at(2.2), facts(2.2, matured_labels=0)),
        *_after(3),
        (at(7), facts(7, matured_labels=900)),
    ]
    return Scenario(
        "healed only when labels say so",
        Script(tuple(begin)),
        at(7.1),
        "closed",
        (("retrain", "healed"),),
        "concept_drift",
        verified=True,
    )


ALL = [
    bad_release(),
    concept_drift(),
    rollback_does_not_heal(),
    trainer_fails(),
    flaky_action(),
    upstream_fault(),
    eased_at_the_last_moment(),
    no_data_is_no_recovery(),
    goes_away(),
    approved(),
    refused(),
    unanswered_and_cleared(),
    shadow(),
    labels_needed(),
]
