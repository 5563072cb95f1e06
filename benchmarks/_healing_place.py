"""Autoheal at work on one labelled stream, in one process and on a clock that the stream moves.

Real: the engine (``engine.step``), the shipped policies, runbooks and fleet guards (but for what ``policy`` replaces),
the daemon's beat (watch, monitors, what is news), its way to carry out a step (``daemon.effect``), every action, the
registry and telemetry.db on disk, and each training as a process. Not here: the log on disk, the sockets; the gateway
and the model server are objects in this process, since nobody else asks them.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import _healing_forest as forest
import numpy as np
from _healing_streams import PACE, START, Stream

from autoheal.actions import ACTIONS, known_actions
from autoheal.actions.contract import ActionContext, CommandPipeline
from autoheal.actions.targets.gateway import GatewayClient, Move, Route
from autoheal.actions.targets.model_server import Answer, ModelServers
from autoheal.actions.targets.registry import Registry
from autoheal.actions.targets.versions import Lineage, NewVersion
from autoheal.daemon.effect import GRACE, Effect, prepare
from autoheal.daemon.history import History
from autoheal.daemon.rounds import Rounds
from autoheal.daemon.watch import Watch
from autoheal.domain import events as ev
from autoheal.domain.events import Event
from autoheal.domain.names import ModelName
from autoheal.domain.specs import Config
from autoheal.domain.world import World
from autoheal.engine.due import DueStep, due_steps
from autoheal.engine.step import step
from autoheal.monitors.registry import MONITORS
from autoheal.notifiers.log import LogNotifier
from autoheal.notifiers.outbox import Outbox
from autoheal.policy.files import read_paths
from autoheal.policy.known import Known
from autoheal.policy.load import load_config
from autoheal.telemetry.records import Outcome, Prediction
from autoheal.telemetry.reference import References, build_performance, build_reference
from autoheal.telemetry.service import Telemetry

M = ModelName("stream")
#: Rows between two beats.
BEAT = 50


@dataclass(slots=True)
class StreamClock:
    """Policy time is the stream's; time-outs and waiting for a trainer are real."""

    current: datetime = START

    def now(self) -> datetime:
        return self.current

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.02))

    async def sleep_until(self, when: datetime) -> None:
        raise AssertionError(f"nothing here waits until {when}")


@dataclass(slots=True)
class Shelf:
    """The model server and the gateway: forests by version, each loaded once from the registry, digest checked."""

    registry: Registry
    clock: StreamClock
    features: tuple[str, ...]
    route_: Route
    loaded: dict[str, Any] = field(default_factory=dict)

    def forest(self, version: str) -> Any:
        if version not in self.loaded:
            self.loaded[version] = forest.load(self.registry.artefact(M, version))
        return self.loaded[version]

    # --- as a model server
    async def of(self, model: str) -> Shelf:  # noqa: ARG002 - there is one model
        return self

    async def predict(self, version: str, rows: Sequence[Mapping[str, Any]]) -> Answer:
        values = np.array([[row[name] for name in self.features] for row in rows], np.float64)
        return Answer(self.forest(version).predict(values).tolist(), None, 0.0)

    async def latencies(
        self, versions: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> list[list[float]]:
        taken: list[list[float]] = [[] for _ in versions]
        for row in rows:
            for place, version in enumerate(versions):
                begun = time.monotonic()
                await self.predict(version, [row])
                taken[place].append(1000.0 * (time.monotonic() - begun))
        return taken

    # --- as a gateway
    async def routes(self) -> dict[str, Route]:
        return {M: self.route_}

    async def route(self, model: str) -> Route:  # noqa: ARG002 - there is one model
        return self.route_

    async def put(
        self, model: str, weights: Mapping[str, float], *, key: str = "", if_revision: int | None = None
    ) -> Route:
        assert model == M
        assert if_revision in {None, self.route_.revision}
        number = self.route_.revision + 1
        moves = (*self.route_.moves, Move(key, number, self.route_.weights))
        self.route_ = Route("in process", dict(weights), number, key=key, moves=moves)
        return self.route_


@dataclass(slots=True)
class Place:
    """The parts, and what happened: ``served`` says of each live row whether the champion's answer was right."""

    stream: Stream
    clock: StreamClock
    registry: Registry
    telemetry: Telemetry
    shelf: Shelf
    context: ActionContext
    rounds: Rounds | None = None
    world: World = field(default_factory=World)
    events: list[tuple[datetime, Event]] = field(default_factory=list)
    served: list[bool] = field(default_factory=list)
    promoted: list[tuple[int, str, str]] = field(default_factory=list)
    row: int = 0

    async def submit(self, event: Event) -> int:
        now = self.clock.now()
        done = step(self.world, event, now)
        self.world = done.world
        self.events += [(now, e) for e in done.events]
        return self.world.seq

    async def live(self) -> None:
        """The rest of the stream, a beat at a time."""
        for first in range(self.stream.trained, len(self.stream), BEAT):
            last = min(first + BEAT, len(self.stream))
            self.row = last
            await self._serve(first, last)
            assert self.rounds is not None
            await self.rounds._model(self.world.config.models[M])  # noqa: SLF001 - one beat of the daemon's own
            await self.submit(ev.Ticked())
            await self._carry_out()

    async def _serve(self, first: int, last: int) -> None:
        champion = self.registry.champion(M)
        assert champion is not None
        said = self.shelf.forest(champion.version).predict(self.stream.rows[first:last]).tolist()
        truth = self.stream.labels[first:last]
        self.served += [a == b for a, b in zip(said, truth, strict=True)]
        records: list[Prediction | Outcome] = []
        for n, answer, label in zip(range(first, last), said, truth, strict=True):
            at = self.stream.at(n)
            features = dict(zip(self.stream.features, self.stream.rows[n].tolist(), strict=True))
            stamp = at.timestamp()
            records.append(Prediction(M, champion.version, f"r{n}", stamp, features, answer, latency_ms=1.0))
            records.append(Outcome(M, f"r{n}", stamp, label))
        self.clock.current = self.stream.at(last - 1) + timedelta(seconds=1)
        await self.telemetry.ingest(records)

    async def _carry_out(self) -> None:
        """What the executor does, one step after the other."""
        while due := due_steps(self.world, self.clock.now()):
            await self._step(due[0])
            self.clock.current += timedelta(seconds=1)

    async def _step(self, due: DueStep) -> None:
        await self.submit(ev.StepStarted(due.run.id, due.step.id, due.key, due.attempt, due.params))
        action = ACTIONS[due.step.action]
        before = self.registry.champion(M)
        params = prepare(action, due.params)
        effect = Effect(action, due.key, params, self.context, due.step.timeout.total_seconds(), GRACE)
        end = await effect.bring_about()
        after = self.registry.champion(M)
        if before and after and before.version != after.version:
            self.promoted.append((self.row, before.version, after.version))
        await self.submit(
            ev.StepFinished(
                due.run.id, due.step.id, due.key, end.outcome, end.outputs, end.error, end.retryable
            )
        )


async def heal(stream: Stream, folder: Path, files: Sequence[Path]) -> Place:
    """Play the stream to its end with autoheal in charge; the configuration is the shipped one and ``files``."""
    clock = StreamClock(stream.at(stream.trained))
    config = _config(stream, folder, files)
    registry = Registry.open(folder / "registry")
    _first_version(stream, registry, folder, config)
    async with await Telemetry.open(folder / "telemetry.db", config.models, clock) as telemetry:
        route = Route("in process", {"v1": 100.0}, 1)
        shelf = Shelf(registry, clock, stream.features, route)
        context = _context(clock, registry, telemetry, shelf, config, folder)
        place = Place(stream, clock, registry, telemetry, shelf, context)
        place.rounds = _rounds(place, folder)
        await place.submit(ev.DaemonStarted("benchmark", None))
        await place.submit(ev.ConfigApplied(config, "start"))
        await place.live()
    return place


def _config(stream: Stream, folder: Path, files: Sequence[Path]) -> Config:
    lines = [f"  {name}: {{type: numeric}}" for name in stream.features]
    text = "\n".join(
        [
            "version: 1",
            "kind: model",
            f"name: {M}",
            "task: classification",
            "owner: benchmark",
            "features:",
            *lines,
            "monitors: {performance: {every: 12h}, concept_drift: {every: 12h}}",
            "pipeline: forest",
        ]
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.yaml").write_text(text + "\n")
    texts = read_paths([folder / "model.yaml", *files])
    known = Known.of(
        known_actions(),
        {kind: monitor.Options for kind, monitor in MONITORS.items()},
        pipelines=frozenset({"forest"}),
        notifiers=frozenset({"oncall", "log"}),
    )
    return load_config(texts.sources, known, defaults=texts.defaults).config


def _first_version(stream: Stream, registry: Registry, folder: Path, config: Config) -> None:
    """v1 learns all of the first fifth; its baseline comes from answers out of its folds, each a stretch of time."""
    n, spec = stream.trained, config.models[M]
    said: list[Any] = [None] * n
    for part in np.array_split(np.arange(n), 5):
        rest = np.setdiff1d(np.arange(n), part)
        model = forest.fit(stream.rows[rest], [stream.labels[i] for i in rest])
        for place, answer in zip(part, model.predict(stream.rows[part]).tolist(), strict=True):
            said[place] = answer
    performance = build_performance(spec.task, stream.labels[:n], said)
    columns = {name: stream.rows[:n, i].tolist() for i, name in enumerate(stream.features)}
    reference = build_reference(spec.features, columns, performance, 1.0)
    forest.save(forest.fit(stream.rows[:n], stream.labels[:n]), folder / "v1")
    lineage = Lineage(stream.at(0), stream.at(n - 1), n)
    registry.register(
        M, folder / "v1", NewVersion("v1", lineage=lineage), at=stream.at(n - 1), reference=reference
    )
    registry.set_champion(M, "v1", by="ci", at=stream.at(n - 1))


def _context(
    clock: StreamClock,
    registry: Registry,
    telemetry: Telemetry,
    shelf: Shelf,
    config: Config,
    folder: Path,
) -> ActionContext:
    here = Path(__file__).parent
    trainer = CommandPipeline("forest", (sys.executable, str(here / "_healing_forest.py")), here)
    return ActionContext(
        clock=clock,
        registry=registry,
        models=config.models,
        telemetry=telemetry,
        outbox=Outbox(folder / "outbox", [LogNotifier("oncall"), LogNotifier("log")], clock),
        servers=cast("ModelServers", shelf),
        state_dir=folder / "state",
        gateway=cast("GatewayClient", shelf),
        pipelines={"forest": trainer},
    )


def _rounds(place: Place, folder: Path) -> Rounds:
    registry = place.registry
    watch = Watch(place.clock, registry, cast("GatewayClient", place.shelf), place.telemetry, PACE * 48 * 7)
    references = References(registry.reference_path)
    return Rounds(
        clock=place.clock,
        world=lambda: place.world,
        submit=place.submit,
        telemetry=place.telemetry,
        references=references,
        watch=watch,
        history=History(),
        state_file=folder / "monitors.json",
    )
