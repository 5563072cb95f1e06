"""A night in a fleet of ten models, played through the real engine: what the pictures and the screen's tests show.

``night()`` gives what a daemon would give at 03:12:44: a snapshot and the log behind it. ``save`` and ``load`` write
and read such a recording as one JSON file. Everything is made up except the decisions: those are the engine's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from autoheal.api.wire import (
    Point,
    Series,
    Snapshot,
    decode_snapshot,
    entry_adapter,
    snapshot_adapter,
)
from autoheal.client.state import ClientState, Link
from autoheal.domain import events as ev
from autoheal.domain.events import Entry, Event
from autoheal.domain.finding import Finding
from autoheal.domain.names import AlarmState, Cause, ModelName, Severity, Task, Verdict, Version
from autoheal.domain.reason import Position
from autoheal.domain.records import Facts, Silence
from autoheal.domain.source_health import SourceHealth, SourceState
from autoheal.domain.specs import (
    ApprovalRule,
    Condition,
    Config,
    FeatureSpec,
    FleetGuards,
    Limit,
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
from autoheal.domain.world import Counters, World
from autoheal.replay.simulate import Outcome, Script, simulate

NOW = datetime(2026, 3, 7, 3, 12, 44, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
Fact = tuple[datetime, Event]


@dataclass(frozen=True, slots=True)
class Recording:
    """What a dashboard would have got from a daemon."""

    snapshot: Snapshot
    entries: tuple[Entry, ...]

    def client_state(self, heard_at: float) -> ClientState:
        return ClientState(Link("live", heard_at=heard_at), self.snapshot, self.entries)


def save(recording: Recording, file: Path) -> None:
    """One JSON object: ``snapshot`` and ``entries``."""
    body = {
        "snapshot": orjson.Fragment(snapshot_adapter().dump_json(recording.snapshot)),
        "entries": [orjson.Fragment(entry_adapter().dump_json(e)) for e in recording.entries],
    }
    file.write_bytes(orjson.dumps(body))


def load(file: Path) -> Recording:
    """What ``save`` wrote, or a plain ``/v1/snapshot`` answer without a log."""
    body = orjson.loads(file.read_bytes())
    if "snapshot" not in body:
        return Recording(decode_snapshot(orjson.dumps(body)), ())
    entries = tuple(entry_adapter().validate_python(e, strict=False) for e in body["entries"])
    return Recording(decode_snapshot(orjson.dumps(body["snapshot"])), entries)


# --- what operators wrote ----------------------------------------------------------------------------------------


def _at(file: str, line: int) -> Position:
    return Position(file, line, 3)


def _runbook(name: str, *steps: tuple[str, str]) -> RunbookSpec:
    file = f"runbooks/{name}.yaml"
    specs = tuple(
        StepSpec(
            step,
            action,
            {"model": "${{ model }}"},
            retry=Retry(3, timedelta(seconds=2)),
            position=_at(file, 6 + 4 * n),
        )
        for n, (step, action) in enumerate(steps)
    )
    return RunbookSpec(
        name, specs, {"model": "model", "reason": "text"}, digest="7c1e90ab", position=_at(file, 1)
    )


RUNBOOKS = {
    r.name: r
    for r in (
        _runbook(
            "rollback",
            ("target", "registry.known_good"),
            ("prove", "evaluate.candidate"),
            ("switch", "traffic.shift"),
            ("pin", "registry.set_champion"),
            ("tell", "notify"),
        ),
        _runbook(
            "retrain",
            ("data", "data.validate"),
            ("train", "pipeline.train"),
            ("gate", "evaluate.gate"),
            ("register", "registry.register"),
            ("promote", "registry.set_champion"),
            ("tell", "notify"),
        ),
        _runbook("fallback", ("stand-in", "traffic.fallback"), ("tell", "notify")),
        _runbook("restore", ("back", "traffic.restore"), ("tell", "notify")),
        _runbook("notify", ("tell", "notify")),
    )
}


def _policy(
    name: str, when: str, *rungs: Rung, causes: tuple[Cause, ...] = (), asks: bool = False, priority: int = 0
) -> PolicySpec:
    file = f"policies/{name}.yaml"
    rule = ApprovalRule(
        labels={"tier": "critical"},
        runbooks=("rollback", "retrain"),
        ask=("oncall",),
        expires=15 * MINUTE,
        position=_at(file, 24),
    )
    return PolicySpec(
        name=name,
        match=Selector(("*",), targets=("upstream:*",) if "upstream" in name else (), position=_at(file, 6)),
        when=(Condition(alarm=when, severity=Severity.WARNING, position=_at(file, 8)),),
        unless=() if "data_quality" in when else (Condition(alarm="data_quality/*", position=_at(file, 10)),),
        ladder=rungs,
        owner="ml-platform",
        priority=priority,
        causes=causes,
        verify=VerifySpec(2 * HOUR, 6 * HOUR, 500, position=_at(file, 20)),
        guards=PolicyGuards(
            30 * MINUTE,
            Limit(3, timedelta(days=1)),
            approval=rule if asks else None,
            position=_at(file, 22),
        ),
        position=_at(file, 1),
    )


def _rung(name: str, file: str, line: int, *causes: Cause, recovery: str = "") -> Rung:
    when = RungCondition(cause=causes, known_good_exists=True if name == "rollback" else None)
    return Rung(name, when, on_recovery=recovery, position=_at(f"policies/{file}.yaml", line))


_DROP = "performance-drop"
POLICIES = (
    _policy(
        _DROP,
        "performance/*",
        _rung("rollback", _DROP, 14, Cause.BAD_RELEASE),
        _rung("retrain", _DROP, 15),
        _rung("fallback", _DROP, 16),
        asks=True,
        priority=50,
    ),
    _policy(
        "upstream-fault",
        "data_quality/*",
        _rung("fallback", "upstream-fault", 14, recovery="restore"),
        priority=80,
    ),
    _policy(
        "serving-fault",
        "serving/*",
        _rung("rollback", "serving-fault", 14),
        _rung("fallback", "serving-fault", 15),
        priority=70,
    ),
    _policy("data-drift", "data_drift/*", _rung("notify", "data-drift", 14), causes=(Cause.COVARIATE_DRIFT,)),
    _policy("concept-drift", "concept_drift/*", _rung("retrain", "concept-drift", 14), priority=20),
    _policy("no-data", "serving/absent", _rung("notify", "no-data", 14), priority=10),
)

#: name, task, owner, tier, metric, now, then, champion, feature and its PSI
MODELS = (
    ("fraud-scorer", Task.CLASSIFICATION, "risk-ml", "critical", "auc", 0.712, 0.87, "v41", ("amount", 0.31)),
    ("eta-ranker", Task.REGRESSION, "maps", "standard", "mae", 4.92, 3.61, "v12", ("distance", 0.12)),
    ("churn-xgb", Task.CLASSIFICATION, "growth", "standard", "auc", 0.81, 0.81, "v7", ("tenure", 0.03)),
    ("price-elast", Task.REGRESSION, "pricing", "standard", "r2", 0.66, 0.66, "v3", ("region", 0.22)),
    ("search-ltr", Task.REGRESSION, "search", "critical", "ndcg", 0.81, 0.81, "v88", ("query_len", 0.02)),
    ("ads-ctr", Task.CLASSIFICATION, "ads", "standard", "log_loss", 0.38, 0.38, "v229", ("slot", 0.01)),
    ("credit-limit", Task.CLASSIFICATION, "risk-ml", "critical", "auc", 0.84, 0.84, "v19", ("income", 0.03)),
    ("spam-filter", Task.CLASSIFICATION, "mail", "standard", "f1", 0.97, 0.97, "v54", ("length", 0.01)),
    ("demand-fc", Task.REGRESSION, "supply", "standard", "wape", 0.11, 0.11, "v33", ("temp", 0.04)),
    ("img-nsfw", Task.CLASSIFICATION, "trust", "standard", "f1", 0.93, 0.93, "v9", ("bright", 0.02)),
)


def _config() -> Config:
    kinds = ("performance", "data_drift", "concept_drift", "serving", "data_quality")
    specs = {}
    for name, task, owner, tier, *_, (feature, _psi) in MODELS:
        hold = 30 * MINUTE if name == "demand-fc" else timedelta(0)
        monitors = tuple(MonitorSpec(kind, hold=hold, clear=30 * MINUTE) for kind in kinds)
        features = (FeatureSpec(feature, "numeric", "events"), FeatureSpec("country", "categorical"))
        specs[ModelName(name)] = ModelSpec(
            ModelName(name),
            task,
            owner,
            {"tier": tier},
            features,
            monitors,
            pipeline=f"{name}-train",
            fallback="baseline",
            label_lag=38 * MINUTE,
            position=_at(f"models/{name}.yaml", 1),
        )
    guards = FleetGuards(max_under_repair=4, warm_up=timedelta(0), position=_at("policies/_guards.yaml", 3))
    return Config("7c1e90ab12", models=specs, policies=POLICIES, runbooks=RUNBOOKS, guards=guards)


# --- what happened -----------------------------------------------------------------------------------------------


def _ago(minutes: float) -> datetime:
    return NOW - minutes * MINUTE


def found(
    when: datetime,
    model: str,
    path: str,
    verdict: str,
    value: float | None,
    reference: float | None = None,
    **more: object,
) -> Fact:
    monitor, subject = path.split("/", 1)
    severity = Severity.NONE if verdict != "breach" else more.pop("severity", Severity.CRITICAL)
    effect = None if value is None else abs(value - (reference or 0.0))
    known: dict[str, object] = {"n": 41_200, "effect": effect, "version": Version("v41"), **more}
    finding = Finding(model, monitor, subject, when, Verdict(verdict), severity, value, reference, **known)  # type: ignore[arg-type]
    return (when, ev.FindingObserved(finding))


def _begin(start: datetime) -> Iterable[Fact]:
    """Every model seen and healthy."""
    yield (start, ev.DaemonStarted("0.1.0"))
    yield (start, ev.ConfigApplied(_config(), "deploy"))
    for name, _, _, _, metric, _, then, champion, (feature, psi) in MODELS:
        model = ModelName(name)
        before = Version(f"v{int(champion[1:]) - 1}")
        yield (start, ev.ChampionObserved(model, Version(champion), before, start - timedelta(days=19)))
        facts = Facts(
            start, Version(champion), before, Version("baseline"), fresh_labels=9200, matured_labels=52_000
        )
        yield (start, ev.FactsObserved(model, facts))
        small = min(psi, 0.04)
        yield found(start, name, f"performance/{metric}", "ok", then, then)
        yield found(start, name, f"data_drift/{feature}", "ok", small, None)
        yield found(start, name, "data_drift/country", "ok", 0.01, None)
        yield found(start, name, "concept_drift/trend", "ok", 0.002, None)
        yield found(start, name, "serving/latency", "ok", 38.0, 36.5)
        yield found(start, name, "serving/errors", "ok", 0.0004, 0.001)
        yield found(start, name, "data_quality/schema", "ok", 0.0, 0.0)


def _fraud() -> Iterable[Fact]:
    """A release in the night, and auc falls: the policy asks before it touches payments."""
    yield (
        _ago(34.7),
        ev.ChampionObserved(ModelName("fraud-scorer"), Version("v41"), Version("v40"), _ago(34.7), "ci"),
    )
    yield found(
        _ago(31),
        "fraud-scorer",
        "data_drift/amount",
        "breach",
        0.31,
        0.0,
        severity=Severity.WARNING,
        evidence=5.2,
    )
    yield found(
        _ago(5.2),
        "fraud-scorer",
        "performance/auc",
        "breach",
        0.712,
        0.87,
        evidence=7.52,
        started_at=_ago(28),
    )


def _eta() -> Iterable[Fact]:
    """The world changed: retraining is under way."""
    yield found(
        _ago(21),
        "eta-ranker",
        "concept_drift/trend",
        "breach",
        0.034,
        0.03,
        severity=Severity.WARNING,
        evidence=6.1,
        n=12_600,
    )
    yield found(
        _ago(22),
        "eta-ranker",
        "performance/mae",
        "breach",
        4.92,
        3.61,
        evidence=9.4,
        n=12_600,
        started_at=_ago(90),
    )


def _ads() -> Iterable[Fact]:
    """A bad release yesterday, rolled back at once; being verified."""
    model = ModelName("ads-ctr")
    yield (_ago(150), ev.ChampionObserved(model, Version("v230"), Version("v229"), _ago(150), "ci"))
    yield found(_ago(88), "ads-ctr", "performance/log_loss", "breach", 0.52, 0.38, evidence=21.0)
    yield (_ago(86.5), ev.ChampionObserved(model, Version("v229"), Version("v230"), _ago(86.5), "R-0087"))
    yield found(_ago(71), "ads-ctr", "performance/log_loss", "ok", 0.381, 0.38)


def _others() -> Iterable[Fact]:
    """Data that stopped, a silence, a drift that is pending, and a task that broke."""
    silence = Silence(
        "S-3", "price-elast", "data_drift/*", "mara", "new region since Monday", _ago(2000), _ago(-5000)
    )
    yield (_ago(340), ev.SilenceSet(silence))
    yield found(_ago(338), "price-elast", "data_drift/region", "breach", 0.22, 0.0, severity=Severity.WARNING)
    for path in (
        "performance/auc",
        "data_drift/tenure",
        "data_drift/country",
        "concept_drift/trend",
        "serving/latency",
        "serving/errors",
        "data_quality/schema",
    ):
        yield found(_ago(44), "churn-xgb", path, "no_data", None, n=0)
    yield found(_ago(9), "demand-fc", "data_drift/temp", "breach", 0.21, 0.0, severity=Severity.WARNING)
    for name in ("source:push", "source:labels", "source:fraud-metrics", "rounds", "oncall"):
        yield (_ago(350), ev.TaskStateChanged(name, "running"))
    yield (
        _ago(14),
        ev.TaskStateChanged("source:alerts", "backing_off", "the state file is not writable, again in 32s"),
    )
    yield (_ago(3), ev.TaskStateChanged("source:labels", "running", "12 files, newest 03:09"))


def _sources() -> tuple[SourceHealth, ...]:
    """How telemetry comes in: mostly well; one page is down, one file has bad rows, one sender's clock is ahead."""

    def one(
        name: str, kind: str, state: SourceState, rate: float, lag: float | None, **rest: Any
    ) -> SourceHealth:
        newest = None if lag is None else NOW - timedelta(seconds=lag)
        rows = int(rate * 20_000)
        given: dict[str, Any] = {"since": _ago(350), "rows": rows, "newest": newest} | rest
        return SourceHealth(name, kind, state, rows_per_s=rate, lag_s=lag, **given)

    refused = "http://127.0.0.1:9100/metrics: ConnectError: All connection attempts failed"
    return (
        one("push", "http_push", "ok", 412.0, 0.4),
        one("labels", "files", "ok", 3.2, 190.0, refused={"label": 12, "time": 2}),
        one("fraud-metrics", "scrape", "ok", 0.2, 9.0),
        one("churn-metrics", "scrape", "away", 0.0, 850.0, since=_ago(14), rows=4100, last_error=refused),
        one("edge", "mqtt", "ok", 36.0, -320.0),
        one("alerts", "alertmanager", "starting", 0.0, None, since=None),
    )


def _past() -> Iterable[Fact]:
    """Two incidents of the days before, healed and closed."""
    yield found(_ago(4320), "credit-limit", "performance/auc", "breach", 0.77, 0.84, evidence=11.0)
    yield found(_ago(4260), "credit-limit", "performance/auc", "ok", 0.84, 0.84)
    yield found(_ago(7200), "img-nsfw", "serving/errors", "breach", 0.08, 0.001)
    yield found(_ago(7190), "img-nsfw", "serving/errors", "ok", 0.0, 0.001)


def _actions() -> dict[str, tuple[Outcome, ...]]:
    quick = timedelta(seconds=2)
    return {
        "registry.known_good": (Outcome(quick, {"version": "v40"}),),
        "evaluate.candidate": (Outcome(4 * quick, {"gain": 0.158, "n": 5000}),),
        "data.validate": (Outcome(20 * quick, {"rows": 9200}),),
        "pipeline.train": (Outcome(3 * MINUTE, {"candidate": "v20"}), Outcome(HOUR)),
        "evaluate.gate": (Outcome(4 * quick, {"gain": 0.021, "n": 1800}),),
        "traffic.shift": (Outcome(quick, {"percent": 100}),),
    }


def night() -> Recording:
    """The whole of it, at 03:12:44."""
    start = _ago(7300)
    parts = (_begin(start), _past(), _others(), _ads(), _eta(), _fraud(), _fresh())
    facts = sorted((fact for part in parts for fact in part), key=lambda fact: fact[0])
    actions = _actions() | {"pipeline.train": (Outcome(50 * MINUTE, {"candidate": "v20"}),)}
    world = World(seq=98_700, counters=Counters(410, 1926, 85, 12))
    played = simulate(Script(tuple(facts), actions), NOW, world)
    snapshot = Snapshot(
        version="0.1.0",
        name="prod-eu",
        seq=played.world.seq,
        now=NOW,
        mode="act",
        readonly=True,
        world=played.world,
        series=_series(),
        sources=_sources(),
    )
    return Recording(snapshot, played.entries)


def _fresh() -> Iterable[Fact]:
    """The last word of each monitor that still speaks, seconds ago."""
    for number, (name, _, _, _, metric, _, then, _, _) in enumerate(MODELS):
        if name in {"fraud-scorer", "eta-ranker", "churn-xgb", "ads-ctr"}:
            continue
        yield found(_ago(0.05 + number * 0.08), name, f"performance/{metric}", "ok", then, then, age=1.0)


def _series() -> Series:
    """Six hours of performance, every ten minutes; where nothing came there is nothing."""
    series: dict[str, dict[str, tuple[Point, ...]]] = {}
    for number, (name, _, _, _, metric, now, then, _, (feature, psi)) in enumerate(MODELS):
        points: list[Point] = []
        drift: list[Point] = []
        for step in range(37):
            when = _ago((36 - step) * 10) - timedelta(seconds=3 + 4 * number)
            if name == "churn-xgb" and step > 31:
                continue
            wave = 0.004 * math.sin(step * 1.7 + number) * then
            points.append((when, _course(name, step, now, then) + wave))
            fresh = max(0.0, step - 30) / 6 if psi > 0.1 else 1.0
            drift.append((when, psi * (0.1 + 0.9 * fresh)))
        series[name] = {f"performance/{metric}": tuple(points), f"data_drift/{feature}": tuple(drift)}
    return series


def _course(name: str, step: int, now: float, then: float) -> float:
    """The value at ``step`` of 36."""
    if name == "ads-ctr" and 27 <= step <= 28:
        return 0.52
    begins = {"fraud-scorer": 32, "eta-ranker": 26}.get(name)
    if begins is None or step < begins:
        return then
    return then + (now - then) * min(1.0, (step - begins + 1) / (36 - begins))


def sick(world: World) -> list[str]:
    """Alarms that fire: handy for a look at what was made."""
    return [key for key, alarm in world.alarms.items() if alarm.state is AlarmState.FIRING]
