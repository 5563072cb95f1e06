"""A context of real parts: registry, telemetry.db, outbox, a model server and a gateway as processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from autoheal.actions import ACTIONS
from autoheal.actions.contract import ActionContext, CommandPipeline, Done
from autoheal.actions.targets.gateway import GatewayClient
from autoheal.actions.targets.model_server import ModelServers
from autoheal.actions.targets.registry import Registry
from autoheal.actions.targets.versions import Lineage, NewVersion
from autoheal.clock import SystemClock
from autoheal.domain.names import ModelName, StepKey, Task, Version
from autoheal.domain.specs import FeatureSpec, ModelSpec, SliceSpec
from autoheal.notifiers.log import LogNotifier
from autoheal.notifiers.outbox import Outbox
from autoheal.telemetry.records import Outcome, Prediction
from autoheal.telemetry.service import Telemetry
from tests.gateway.house import free_port, gateway, until_listening

HERE = Path(__file__).parent
M = ModelName("m")
SPEC = ModelSpec(
    M,
    Task.REGRESSION,
    features=(FeatureSpec("x", "numeric"), FeatureSpec("city", "categorical")),
    pipeline="train",
    fallback="base",
    slices=(SliceSpec("x", bins=(2.5,)), SliceSpec("city")),
)
FLAGS = ModelSpec(ModelName("flags"), Task.CLASSIFICATION, features=(FeatureSpec("x", "numeric"),))
START = datetime(2026, 1, 1, tzinfo=UTC)
#: What the champion was trained on ended then.
TRAINED = START - timedelta(days=1)


def row(n: int, slope: float = 2.0, seed: int = 0, **changes: Any) -> tuple[Prediction, Outcome]:
    """The ``n``-th hour: the label is ``slope x + 3`` and a little noise; the champion answered x."""
    chance = random.Random(1000 * seed + n)
    x = chance.uniform(-5, 5)
    features = {"x": x, "city": chance.choice("abc")} | changes
    at = (START + timedelta(hours=n)).timestamp()
    made = Prediction(M, Version("v1"), f"r{n}", at, features, prediction=x)
    return made, Outcome(M, f"r{n}", at + 60, slope * x + 3 + chance.gauss(0, 0.3))


async def serve_rows(telemetry: Telemetry, rows) -> None:
    await telemetry.ingest([record for pair in rows for record in pair])


def put_model(folder: Path, **model: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps(model))
    return folder


def add_version(registry: Registry, folder: Path, version: str, *, role: str = "model", **model: Any) -> None:
    new = NewVersion(version=version, role=role, lineage=Lineage(START, TRAINED, 100))
    registry.register("m", put_model(folder / f"model-{version}", **model), new, at=START)


def trainer(mode: str, **more: Any) -> CommandPipeline:
    argv = (sys.executable, str(HERE / "trainers.py"), mode)
    return CommandPipeline("train", argv, HERE, **({"deadline": timedelta(seconds=60)} | more))


@contextlib.contextmanager
def server_of(registry: Registry) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(HERE / "model_server.py"), str(registry.root), "m", str(port)]
    )
    try:
        until_listening(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@dataclass
class House:
    ctx: ActionContext
    telemetry: Telemetry
    registry: Registry
    outbox: Outbox
    folder: Path

    def pipeline(self, mode: str, **more: Any) -> ActionContext:
        return replace(self.ctx, pipelines={"train": trainer(mode, **more)})

    def add(self, version: str, **model: Any) -> None:
        add_version(self.registry, self.folder, version, **model)

    async def apply(
        self, name: str, key: str, ctx: ActionContext | None = None, **params: Any
    ) -> dict[str, Any]:
        """Apply twice with the same key and require the same answer, which the probe must know too (or not at all)."""
        ctx = ctx or self.ctx
        action = ACTIONS[name]
        checked = action.Params.model_validate(params)
        done = await action.apply(StepKey(key), checked, ctx)
        seen = await action.probe(StepKey(key), checked, ctx)
        if isinstance(seen, Done):
            assert seen.outputs == done.outputs
            assert (await action.apply(StepKey(key), checked, ctx)).outputs == done.outputs
        return dict(done.outputs)

    async def probe(self, name: str, key: str, ctx: ActionContext | None = None, **params: Any):
        action = ACTIONS[name]
        return await action.probe(StepKey(key), action.Params.model_validate(params), ctx or self.ctx)


@contextlib.asynccontextmanager
async def house(folder: Path, *, served: bool = True, routed: bool = False) -> AsyncIterator[House]:
    """v1 (answers x) is champion, v0 (answers 2x + 3) was trained before it, base answers 0."""
    clock = SystemClock()
    registry = Registry.open(folder / "registry")
    add_version(registry, folder, "v0", slope=2.0, bias=3.0)
    add_version(registry, folder, "v1", slope=1.0, bias=0.0)
    add_version(registry, folder, "base", role="fallback", slope=0.0, bias=0.0)
    registry.set_champion("m", "v1", by="ci", at=START)
    outbox = Outbox(folder / "outbox", [LogNotifier("oncall")], clock)
    async with await Telemetry.open(
        folder / "telemetry.db", {M: SPEC, FLAGS.name: FLAGS}, clock
    ) as telemetry:
        with contextlib.ExitStack() as stack:
            url = stack.enter_context(server_of(registry)) if served else "http://127.0.0.1:1"
            client = None
            if routed:
                client = GatewayClient(stack.enter_context(gateway(folder / "gateway", url=url)).url)
            ctx = ActionContext(
                clock=clock,
                registry=registry,
                models={M: SPEC, FLAGS.name: FLAGS},
                telemetry=telemetry,
                outbox=outbox,
                servers=ModelServers(clock, client, {} if routed else {"m": url}),
                state_dir=folder / "state",
                gateway=client,
                pipelines={"train": trainer("good")},
                namespace="log1",
            )
            yield House(ctx, telemetry, registry, outbox, folder)
            await asyncio.sleep(0)
