"""Worlds and policies for the engine's tests, in as few words as possible."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from autoheal.domain import events as ev
from autoheal.domain.finding import Finding
from autoheal.domain.names import Cause, ModelName, Severity, Task, Verdict, Version
from autoheal.domain.records import Facts
from autoheal.domain.specs import (
    Condition,
    Config,
    FeatureSpec,
    FleetGuards,
    ModelSpec,
    MonitorSpec,
    PolicyGuards,
    PolicySpec,
    Retry,
    RunbookSpec,
    Rung,
    RungCondition,
    Selector,
    StepSpec,
    VerifySpec,
)

T0 = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FRAUD, CHURN = ModelName("fraud"), ModelName("churn")


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def model(name: str = "fraud", **changes: object) -> ModelSpec:
    spec = ModelSpec(
        name=ModelName(name),
        task=Task.CLASSIFICATION,
        labels={"tier": "standard"},
        features=(FeatureSpec("amount", "numeric", "bank"), FeatureSpec("country", "categorical")),
        monitors=tuple(
            MonitorSpec(k, clear=timedelta(minutes=30))
            for k in ("performance", "data_quality", "data_drift", "serving")
        ),
        pipeline="train",
    )
    return replace(spec, **changes)  # type: ignore[arg-type]


def runbook(name: str, *actions: str, **params: object) -> RunbookSpec:
    steps = tuple(
        StepSpec(f"s{n}", action, {"model": "${{ model }}", **params}, retry=Retry(2, timedelta(seconds=10)))
        for n, action in enumerate(actions)
    )
    return RunbookSpec(name, steps, {"model": "model", "reason": "text"}, digest=f"sha-{name}")


RUNBOOKS = {
    "rollback": runbook("rollback", "registry.known_good", "traffic.shift", "registry.set_champion"),
    "retrain": runbook("retrain", "data.validate", "pipeline.train", "registry.set_champion"),
    "fallback": runbook("fallback", "traffic.fallback"),
    "restore": runbook("restore", "traffic.restore"),
    "notify": runbook("notify", "notify"),
}

PERFORMANCE = PolicySpec(
    name="performance-drop",
    match=Selector(models=("*",)),
    when=(Condition(alarm="performance/*", severity=Severity.CRITICAL),),
    unless=(Condition(alarm="data_quality/*"),),
    ladder=(
        Rung("rollback", RungCondition(cause=(Cause.BAD_RELEASE,), known_good_exists=True)),
        Rung("retrain"),
        Rung("fallback"),
    ),
    verify=VerifySpec(healthy_for=HOUR, within=6 * HOUR),
    guards=PolicyGuards(cooldown=timedelta(minutes=30)),
)
UPSTREAM = PolicySpec(
    name="upstream-fault",
    match=Selector(models=("*",), targets=("upstream:*",)),
    when=(Condition(alarm="data_quality/*"),),
    ladder=(Rung("fallback", on_recovery="restore"),),
    verify=VerifySpec(healthy_for=HOUR, within=6 * HOUR),
)


def config(*policies: PolicySpec, models: tuple[ModelSpec, ...] | None = None, **guards: object) -> Config:
    specs = models or (model(), model("churn"))
    return Config(
        digest="c1",
        models={m.name: m for m in specs},
        policies=policies or (PERFORMANCE, UPSTREAM),
        runbooks=RUNBOOKS,
        guards=replace(FleetGuards(warm_up=timedelta(0)), **guards),  # type: ignore[arg-type]
    )


def finding(
    hours: float,
    verdict: str = "breach",
    target: str = "fraud",
    path: str = "performance/accuracy",
    **changes: object,
) -> ev.FindingObserved:
    monitor, subject = path.split("/", 1)
    found = Finding(
        target=target,
        monitor=monitor,
        subject=subject,
        at=at(hours),
        verdict=Verdict(verdict),
        severity=Severity.CRITICAL if verdict == "breach" else Severity.NONE,
        value=0.7,
        reference=0.9,
        effect=0.2,
        n=1000,
    )
    return ev.FindingObserved(replace(found, **changes))  # type: ignore[arg-type]


def release(
    hours: float, version: str = "v2", previous: str = "v1", target: str = "fraud"
) -> ev.ChampionObserved:
    return ev.ChampionObserved(ModelName(target), Version(version), Version(previous), at(hours))


def facts(hours: float, target: str = "fraud", **changes: object) -> ev.FactsObserved:
    known = Facts(
        at(hours), Version("v2"), Version("v1"), Version("base"), fresh_labels=5000, matured_labels=5000
    )
    return ev.FactsObserved(ModelName(target), replace(known, **changes))  # type: ignore[arg-type]


def start(configuration: Config | None = None) -> list[tuple[datetime, ev.Event]]:
    """Configuration, champion and facts of both models at the start."""
    begin: list[tuple[datetime, ev.Event]] = [
        (T0, ev.DaemonStarted("test")),
        (T0, ev.ConfigApplied(configuration or config())),
    ]
    for name in ("fraud", "churn"):
        begin += [(T0, release(-24 * 90, "v1", "", name)), (T0, facts(0, name, champion=Version("v1")))]
    return begin


def series(
    first: float,
    last: float,
    verdict: str,
    target: str = "fraud",
    path: str = "performance/accuracy",
    gap: float = 0.5,
) -> list[tuple[datetime, ev.Event]]:
    """Findings every ``gap`` hours."""
    count = int((last - first) / gap) + 1
    return [(at(first + n * gap), finding(first + n * gap, verdict, target, path)) for n in range(count)]
