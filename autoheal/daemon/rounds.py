"""The beat: look at each model, run the monitors that are due, hand what is news to the kernel.

Supervised; one task for all models. Numerics run off the event loop. A model whose round breaks says so as a finding
of its own and disturbs no other. Monitor states are kept in a file between restarts, so that evidence is not lost;
they follow the champion and its reference, since evidence is about what it was measured against; starting anew only loses
evidence, so it costs nothing of the promise. A lost or foreign file only means starting over.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from autoheal.clock import Clock
from autoheal.daemon.history import History
from autoheal.daemon.news import finding_is_news
from autoheal.daemon.watch import Watch
from autoheal.domain.events import Event, FindingObserved
from autoheal.domain.finding import ITSELF, Finding
from autoheal.domain.names import ModelName, Verdict, Version
from autoheal.domain.specs import Config, ModelSpec, MonitorSpec
from autoheal.domain.world import World
from autoheal.durable import replace_file
from autoheal.errors import AutohealError, StoreError
from autoheal.monitors.evaluate import dump_states, evaluate, load_states
from autoheal.monitors.shares import Budgets, budgets
from autoheal.telemetry.reference import References
from autoheal.telemetry.service import Telemetry

_LOG = logging.getLogger(__name__)
#: Real seconds between two writes of the monitors' states, and how many times as long as a write took, if that is more.
SAVE_EVERY, SAVE_SHARE = 5.0, 50.0
#: Models that are looked at after one glance at the registry.
TOGETHER = 50


@dataclass(slots=True)
class ModelBeat:
    """What is remembered of one model between beats: monitor states of one champion and reference (by its digest, "" for
    none, None: not looked at yet), and when each kind ran."""

    champion: Version = Version("")
    states: dict[str, object] = field(default_factory=dict)
    ran: dict[str, datetime] = field(default_factory=dict)
    broken: bool = False
    reference: str | None = None


@dataclass(slots=True)
class Rounds:
    """``beat`` is the real pause between rounds in seconds; what is due in a round is policy time's business."""

    clock: Clock
    world: Callable[[], World]
    submit: Callable[[Event], Awaitable[int]]
    telemetry: Telemetry
    references: References
    watch: Watch
    history: History
    state_file: Path
    beat: float = 1.0
    _models: dict[ModelName, ModelBeat] = field(default_factory=dict)
    _save_at: float = float("-inf")
    _saving: threading.Lock = field(default_factory=threading.Lock)
    _shared: tuple[Config, Budgets] = field(default_factory=lambda: (Config(), {}))

    async def run(self) -> None:
        """Beat for ever; who ends it, ends it with all evidence saved."""
        await asyncio.to_thread(self._load)
        try:
            while True:
                started = self.clock.monotonic()
                await self._round()
                await self._keep()
                await self.clock.sleep(max(0.02, self.beat - (self.clock.monotonic() - started)))
        except asyncio.CancelledError:
            self._save()
            raise

    async def _round(self) -> None:
        specs = tuple(self.world().config.models.values())
        for first in range(0, len(specs), TOGETHER):
            await self.watch.glance(spec.name for spec in specs[first : first + TOGETHER])
            for spec in specs[first : first + TOGETHER]:
                await self._model(spec)

    async def _model(self, spec: ModelSpec) -> None:
        """One model's turn; whatever goes wrong in it is told about this model and stops no other."""
        beat = self._models.setdefault(spec.name, ModelBeat())
        try:
            for event in await self.watch.look(self.world(), spec):
                await self.submit(event)
            findings = await self._findings(spec, beat)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, other models go on
            if not (beat.broken or isinstance(error, AutohealError)):
                _LOG.exception("round of %s", spec.name)
            findings = (_round(spec, self.clock.now(), Verdict.ERROR, f"{type(error).__name__}: {error}"),)
            beat.broken = True
        else:
            if beat.broken:
                findings = (*findings, _round(spec, self.clock.now(), Verdict.OK, ""))
                beat.broken = False
        every = {m.kind: m.every for m in spec.monitors}
        for finding in findings:
            self.history.add(finding)
            if finding_is_news(self.world(), finding, every.get(finding.monitor, timedelta(minutes=1))):
                await self.submit(FindingObserved(finding))

    async def _findings(self, spec: ModelSpec, beat: ModelBeat) -> tuple[Finding, ...]:
        state = self.world().models.get(spec.name)
        if state is None or not state.champion or spec.name not in self.telemetry.tasks:
            return ()
        now = self.clock.now()
        if beat.champion != state.champion:
            beat.champion, beat.states, beat.ran, beat.reference = state.champion, {}, {}, None
        kinds = {m.kind for m in spec.monitors if _due(m, beat, now)}
        if not kinds:
            return ()
        champion, since = state.champion, state.champion_since
        return await asyncio.to_thread(self._evaluate, spec, beat, champion, since, now, kinds)

    def _evaluate(
        self,
        spec: ModelSpec,
        beat: ModelBeat,
        champion: Version,
        since: datetime | None,
        now: datetime,
        kinds: set[str],
    ) -> tuple[Finding, ...]:
        known = self.references.known(spec.name, champion)
        reference, digest = (known.reference, known.digest) if known else (None, "")
        if beat.reference != digest:
            if beat.reference is not None:
                beat.states = {}
            beat.reference = digest
        view = self.telemetry.view(spec.name, champion=champion, since=since, reference=reference, now=now)
        beat.states, findings = evaluate(spec, beat.states, view, now, kinds, self._budgets().get(spec.name))
        beat.ran.update(dict.fromkeys(kinds, now))
        return findings

    def _budgets(self) -> Budgets:
        """Who may spend what, worked out anew when the configuration changes."""
        config = self.world().config
        if self._shared[0] is not config:
            self._shared = (config, budgets(config))
        return self._shared[1]

    # --- between restarts ---------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Save now and then, a large fleet less often."""
        began = self.clock.monotonic()
        if began < self._save_at:
            return
        await asyncio.to_thread(self._save)
        took = self.clock.monotonic() - began
        self._save_at = began + max(SAVE_EVERY, SAVE_SHARE * took)

    def _save(self) -> None:
        data = {
            name: {
                "champion": beat.champion,
                "states": dump_states(beat.states),
                "reference": beat.reference,
            }
            for name, beat in self._models.items()
        }
        with self._saving:  # one that was under way in a thread when we were ended
            replace_file(self.state_file, orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY))

    def _load(self) -> None:
        try:
            data: dict[str, Any] = orjson.loads(self.state_file.read_bytes())
            for name, saved in data.items():
                self._models[ModelName(name)] = ModelBeat(
                    Version(saved["champion"]),
                    load_states(saved["states"]),
                    reference=saved.get("reference"),
                )
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            _LOG.warning("monitor states in %s are not usable, starting over: %s", self.state_file, error)


def _due(spec: MonitorSpec, beat: ModelBeat, now: datetime) -> bool:
    ran = beat.ran.get(spec.kind)
    return ran is None or now - ran >= spec.every


def _round(spec: ModelSpec, now: datetime, verdict: Verdict, detail: str) -> Finding:
    return Finding(spec.name, ITSELF, "round", now, verdict, detail=detail[:500])
