"""A good file of each kind becomes what the engine reads, with positions."""

from __future__ import annotations

from datetime import timedelta

from autoheal.domain.names import Cause, Mode, OnNoData, Severity, Task
from autoheal.domain.reason import Position
from autoheal.domain.specs import Bound, Limit, PolicySpec, Retry
from autoheal.policy.known import Known
from autoheal.policy.load import load_config
from tests.policy.world import GOOD, load

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def policy(name: str = "everything") -> PolicySpec:
    return next(p for p in load().config.policies if p.name == name)


def at(line: int, column: int, file: str = "good/everything.yaml") -> Position:
    return Position(file, line, column)


def test_head_and_selector() -> None:
    spec = policy()
    assert (spec.owner, spec.mode, spec.priority, spec.on_no_data) == (
        "ml-platform",
        Mode.OFF,
        5,
        OnNoData.NOTIFY,
    )
    assert spec.match.models == ("fraud", "dem*")
    assert spec.match.labels == {"tier": ("critical", "standard")}
    assert spec.match.targets == ("upstream:*", "source:push")
    assert spec.causes == (Cause.BAD_RELEASE, Cause.CONCEPT_DRIFT)
    assert spec.match.position == at(8, 8)


def test_conditions() -> None:
    alarm, finding, health, expr = policy().when
    assert (alarm.alarm, alarm.severity, alarm.held) == (
        "performance/accuracy",
        Severity.CRITICAL,
        2 * MINUTE,
    )
    assert (finding.finding, finding.bound, finding.held) == ("data_drift/*", Bound(">=", 0.2), 90 * MINUTE)
    assert (health.health, health.held) == (("degrading", "unhealthy"), timedelta(milliseconds=500))
    assert expr.expr.startswith("findings")
    assert policy().unless[0].severity is Severity.WARNING
    assert [c.position.line for c in policy().when] == [10, 11, 12, 13]


def test_ladder() -> None:
    rollback, retrain, page, fallback = policy().ladder
    assert rollback.when.cause == (Cause.BAD_RELEASE,)
    assert (
        rollback.when.known_good_exists,
        rollback.when.fallback_exists,
        rollback.when.pipeline_exists,
    ) == (
        True,
        True,
        True,
    )
    assert retrain.when.fresh_labels == Bound(">=", 2000)
    assert (retrain.when.expr, retrain.wait) == ("facts.matured_labels > 100", DAY)
    assert page.inputs == {"to": "oncall", "share": 0.5, "loud": True}
    assert fallback.on_recovery == "restore"
    assert rollback.position == at(19, 5)
    assert rollback.when.position == at(20, 9)


def test_verify_and_guards() -> None:
    spec = policy()
    assert (spec.verify.healthy_for, spec.verify.within, spec.verify.matured_labels) == (
        10 * MINUTE,
        2 * DAY,
        500,
    )
    guards = spec.guards
    assert (guards.cooldown, guards.limit) == (30 * MINUTE, Limit(3, DAY))
    assert (guards.budget, guards.budget_per) == ({"gpu_hours": 8.0}, 7 * DAY)
    assert guards.approval is not None
    assert guards.approval.labels == {"tier": "critical"}
    assert (guards.approval.runbooks, guards.approval.ask) == (("retrain",), ("oncall",))


def test_models() -> None:
    config = load().config
    fraud, demand = config.models["fraud"], config.models["demand"]  # type: ignore[index]
    assert (fraud.task, fraud.label_lag, fraud.upstreams) == (Task.CLASSIFICATION, DAY, ("bank",))
    performance = fraud.monitors[0]
    assert performance.options == {"metrics": ["accuracy", "f1"]}
    assert (performance.every, performance.hold, performance.clear) == (15 * MINUTE, 5 * MINUTE, 30 * MINUTE)
    assert performance.position == at(11, 3, "good/fraud.yaml")
    assert [m.kind for m in demand.monitors] == ["performance", "data_quality"]
    assert demand.monitors[1].position == at(7, 25, "good/demand.yaml")


def test_runbook() -> None:
    page = load().config.runbooks["page"]
    look, tell = page.steps
    assert look.params == {"model": "${{ model }}"}, "an action that needs a model gets the run's own"
    assert tell.retry == Retry(2, timedelta(milliseconds=500))
    assert (tell.timeout, tell.on_failure) == (MINUTE, "continue")
    assert len(page.digest) == 64


def test_guards() -> None:
    guards = load().config.guards
    assert (guards.max_under_repair, guards.max_share, guards.warm_up) == (2, 0.25, timedelta(seconds=30))
    assert (guards.storm_incidents, guards.storm_within, guards.storm_cooldown) == (5, 5 * MINUTE, HOUR)
    assert [f.days for f in guards.freezes] == [("sat", "sun"), ("mon",)]
    assert (guards.freezes[1].start, guards.freezes[1].end) == ("09:30", "16:00")


def test_own_files_replace_shipped_ones_of_their_name() -> None:
    text = """version: 1
kind: policy
name: emergency
match: {models: [fraud]}
when: [{health: [failed]}]
ladder: [{runbook: notify}]
"""
    config = load(emergency=text).config
    mine = [p for p in config.policies if p.name == "emergency"]
    assert [p.match.models for p in mine] == [("fraud",)]
    assert config.guards.position.file == "good/house.yaml"


def test_the_digest_tells_editions_apart() -> None:
    known = Known.standard()
    texts = {k: v for k, v in GOOD.items() if "demand" in k}
    first = load_config(texts, known).config.digest
    assert first == load_config(dict(reversed(texts.items())), known).config.digest
    assert first != load_config({k: v + "\n# edited\n" for k, v in texts.items()}, known).config.digest


def test_kinds_of_others_are_left_to_them() -> None:
    texts = {"daemon.yaml": "version: 1\nkind: daemon\nsources: 3\n", "gateway.yaml": "kind: gateway\n"}
    assert load_config(texts, Known.standard()).config.models == {}
