"""A small real daemon for tests: kernel, log and doors on sockets in a temporary folder; no part is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from autoheal.api.hub import Hub
from autoheal.api.server import Doors, open_doors
from autoheal.clock import Clock, SystemClock
from autoheal.daemon.kernel import Kernel
from autoheal.domain.events import ConfigApplied, DaemonStarted, FindingObserved
from autoheal.domain.finding import Finding
from autoheal.domain.names import ModelName, Severity, Target, Task, Verdict, Version
from autoheal.domain.reason import Position
from autoheal.domain.specs import (
    ApprovalRule,
    Condition,
    Config,
    FeatureSpec,
    FleetGuards,
    ModelSpec,
    MonitorSpec,
    PolicyGuards,
    PolicySpec,
    RunbookSpec,
    Rung,
    Selector,
    StepSpec,
)
from autoheal.store.log import EventLog, open_world
from autoheal.telemetry.past import Past
from autoheal.telemetry.service import Telemetry

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


#: Of the model eta; one may not be seen.
ETA = (FeatureSpec("km", "numeric"), FeatureSpec("street", "categorical", sensitive=True))


def at(line: int, file: str = "policies/fraud.yaml") -> Position:
    return Position(file, line, 3)


def config() -> Config:
    """Two models, one policy that asks before it tells the people on call, one runbook."""
    runbook = RunbookSpec(
        "tell",
        (
            StepSpec(
                "tell", "traffic.fallback", {"model": "${{ model }}"}, position=at(5, "runbooks/tell.yaml")
            ),
        ),
        {"reason": "text"},
        "abc",
        at(1, "runbooks/tell.yaml"),
    )
    asked = ApprovalRule(runbooks=("tell",), ask=("oncall",), expires=timedelta(days=3650), position=at(14))
    policy = PolicySpec(
        "watch",
        Selector(("*",), position=at(4)),
        (Condition(alarm="serving/errors", position=at(6)),),
        (Rung("tell", position=at(9)),),
        guards=PolicyGuards(cooldown=timedelta(0), approval=asked, position=at(12)),
        position=at(1),
    )
    monitors = (MonitorSpec("serving"),)
    compared = (*monitors, MonitorSpec("data_quality", {"skew": {"share": "100%"}}))
    models = (
        ModelSpec(ModelName("fraud"), Task.CLASSIFICATION, "risk", monitors=monitors),
        ModelSpec(ModelName("eta"), Task.REGRESSION, "maps", monitors=compared, features=ETA),
    )
    guards = FleetGuards(warm_up=timedelta(0))
    return Config(
        "d1",
        models={m.name: m for m in models},
        policies=(policy,),
        runbooks={"tell": runbook},
        guards=guards,
    )


def finding(
    model: str, verdict: Verdict = Verdict.BREACH, when: datetime | None = None, value: float = 0.2
) -> Finding:
    severity = Severity.CRITICAL if verdict is Verdict.BREACH else Severity.NONE
    return Finding(
        Target(model),
        "serving",
        "errors",
        when or SystemClock().now(),
        verdict,
        severity,
        value,
        0.01,
        value - 0.01,
        n=500,
        version=Version("v1"),
    )


@dataclass
class House:
    """What a test holds."""

    run: Path
    log: EventLog
    kernel: Kernel
    doors: Doors
    hub: Hub
    telemetry: Telemetry
    reload_problems: list[str] = field(default_factory=list)
    reloads: list[str] = field(default_factory=list)

    @property
    def control(self) -> Path:
        return self.run / "control.sock"

    @property
    def view(self) -> Path:
        return self.run / "view.sock"

    @property
    def tcp(self) -> str:
        return f"http://{self.doors.doors[2].address}"

    async def breach(self, model: str = "fraud") -> None:
        """A fault that opens an incident and asks a question."""
        await self.kernel.submit(FindingObserved(finding(model)))

    async def noise(self, count: int, start: int = 0) -> None:
        """Findings that change nothing but the log."""
        for i in range(start, start + count):
            await self.kernel.submit(FindingObserved(finding("eta", Verdict.OK, value=i / 1e6)))


async def until(condition: object, seconds: float = 5.0) -> None:
    """Poll ``condition()`` until it is true; fail when it is not in time."""
    assert callable(condition)
    clock = SystemClock()
    deadline = clock.monotonic() + seconds
    while not condition():
        assert clock.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def house(
    folder: Path, *, clock: Clock | None = None, listen: str = "127.0.0.1:0"
) -> AsyncIterator[House]:
    """Open the house on the log in ``folder`` (a new one or what a former house left there)."""
    ticking = clock or SystemClock()
    log, world = open_world(folder)
    kernel = Kernel(log, ticking, world)
    loop = asyncio.create_task(kernel.run())
    fresh = world.seq == 0
    await kernel.submit(DaemonStarted("0.1.0", ticking.now()))
    if fresh:
        await kernel.submit(ConfigApplied(config()))
    made: list[House] = []

    async def reload(actor: str) -> tuple[str, ...]:
        made[0].reloads.append(actor)
        return tuple(made[0].reload_problems)

    telemetry = await Telemetry.open(folder / "telemetry.db", config().models, ticking)
    past = Past(telemetry, lambda: config().models, lambda _model, _version: (), ticking)
    hub = Hub("test-house", ticking, kernel, log, reload=reload, refused=lambda: {"not_json": 2}, past=past)
    run = folder / "run"
    doors = await open_doors(hub, control=run / "control.sock", view=run / "view.sock", listen=listen)
    made.append(House(run, log, kernel, doors, hub, telemetry))
    try:
        yield made[0]
    finally:
        await doors.stop()
        await telemetry.close()
        kernel.stop()
        await loop
        log.close()
