"""Plays the feeds: requests to the gateway in data-time order, labels to the daemon's telemetry door as they mature.

Runs inside the demo's own process, on the same scaled clock as the daemon. It also injects the faults and keeps the
books: what was answered to each row, and what the unhealed twin would have answered. A daemon that is away does not
stop it: labels wait and are sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from autoheal.actions.targets.gateway import GatewayClient
from autoheal.actions.targets.registry import Registry
from autoheal.clock import Clock
from autoheal.demo import first_versions
from autoheal.demo.faults import Faults, broken
from autoheal.demo.feeds import Row
from autoheal.demo.fleet import DemoModel, service_rows, training_rows
from autoheal.demo.twin import Books, Twin
from autoheal.net import AsyncClient, HTTPError, client

_LOG = logging.getLogger(__name__)
#: Labels in one post.
POST = 2000


@dataclass(slots=True)
class Player:
    """``gateway`` and ``telemetry`` are base URLs; ``finished`` says, for a data time, whether to end before it."""

    clock: Clock
    fleet: tuple[DemoModel, ...]
    faults: Faults
    gateway: str
    telemetry: str
    registry: Registry
    scratch: Path
    finished: Callable[[datetime], bool]
    books: Books = field(default_factory=Books)
    told: list[tuple[datetime, str]] = field(default_factory=list)
    _labels: deque[tuple[datetime, dict[str, object]]] = field(default_factory=deque)
    _released: bool = False

    async def run(self) -> None:
        """Play to the end of the data, or until ``finished``."""
        twins = {m.name: Twin(self.registry, m.name) for m in self.fleet}
        batches = sorted((b for m in self.fleet for b in _batches(m)), key=lambda b: b[1][-1].time)
        async with (
            client(base_url=self.gateway, timeout=10) as web,
            client(base_url=self.telemetry, timeout=5) as door,
        ):
            posting = asyncio.create_task(self._post_labels(door))
            try:
                for model, rows in batches:
                    at = rows[-1].time
                    await self.clock.sleep_until(at)
                    if self.finished(at):
                        break
                    await self._faults_due(at, twins)
                    await self._send(web, model, rows, twins[model.name])
                await self._drain()
            finally:
                posting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await posting

    async def _send(self, web: AsyncClient, model: DemoModel, rows: tuple[Row, ...], twin: Twin) -> None:
        arrived = [broken(row.features, row.time, self.faults.upstream) for row in rows]
        body = {
            "id": f"{model.name}-{rows[0].id}",
            "time": rows[-1].time.isoformat(),
            "rows": [{"id": row.id, "features": sent} for row, sent in zip(rows, arrived, strict=True)],
        }
        answered: dict[str, float] = {}
        try:
            response = await web.post(f"/v1/models/{model.name}/predict", json=body)
            response.raise_for_status()
            answered = {p["id"]: float(p["prediction"]) for p in response.json()["predictions"]}
        except (HTTPError, KeyError, ValueError, TypeError) as error:
            self._unanswered(model.name, error)
        alone = await asyncio.to_thread(twin.answer, arrived)
        for row, without in zip(rows, alone, strict=True):
            self.books.note(model.name, row, answered.get(row.id), without)
            due = row.time + model.lag
            label = {
                "kind": "outcome",
                "model": model.name,
                "id": row.id,
                "time": due.isoformat(),
                "label": row.label,
            }
            self._labels.append((due, label))

    def _unanswered(self, model: str, error: Exception) -> None:
        """Said once a model; the books count the rest."""
        if not self.books.unanswered(model):
            self.told.append((self.clock.now(), f"a request for {model} was not answered: {error!r}"[:300]))
            _LOG.warning("%s", self.told[-1][1])

    # --- labels ---------------------------------------------------------------------------------------------------

    async def _post_labels(self, door: AsyncClient) -> None:
        """Hand in what has matured, again and again until it was taken."""
        while True:
            ripe = self._ripe()
            if ripe:
                try:
                    response = await door.post(
                        "/v1/telemetry", json={"records": [label for _, label in ripe]}
                    )
                    response.raise_for_status()
                except HTTPError as error:
                    _LOG.info("labels wait for the daemon: %r", error)
                    self._labels.extendleft(reversed(ripe))
                    await self.clock.sleep(0.3)
            await self.clock.sleep(0.05)

    def _ripe(self) -> list[tuple[datetime, dict[str, object]]]:
        now = self.clock.now()
        ripe: list[tuple[datetime, dict[str, object]]] = []
        rest: list[tuple[datetime, dict[str, object]]] = []
        for item in self._labels:
            (ripe if item[0] <= now and len(ripe) < POST else rest).append(item)
        self._labels = deque(rest)
        return ripe

    async def _drain(self) -> None:
        """Wait until every label was handed in."""
        for _ in range(200):
            if not self._labels:
                return
            await self.clock.sleep(0.05)

    # --- faults ---------------------------------------------------------------------------------------------------

    async def _faults_due(self, at: datetime, twins: dict[str, Twin]) -> None:
        release = self.faults.release
        if self._released or at < release.at:
            return
        self._released = True
        model = next(m for m in self.fleet if m.name == release.model)
        version = self._free_version(model)
        rows = training_rows(model)
        await asyncio.to_thread(
            first_versions.bad_release,
            self.registry,
            model,
            version,
            rows,
            at=release.at,
            scratch=self.scratch,
        )
        await asyncio.to_thread(self.registry.set_champion, model.name, version, by="ci", at=self.clock.now())
        admin = GatewayClient(self.gateway)
        await admin.put(model.name, {version: 100.0}, key=f"ci-{version}")
        twins[model.name].release(version)
        self.told.append((self.clock.now(), f"{model.name} {version} released by ci"))

    def _free_version(self, model: DemoModel) -> str:
        taken = {v.version for v in self.registry.versions(model.name)}
        return next(f"v{n}" for n in range(2, 1000) if f"v{n}" not in taken)


def _batches(model: DemoModel) -> list[tuple[DemoModel, tuple[Row, ...]]]:
    rows = service_rows(model)
    return [(model, tuple(rows[n : n + model.batch])) for n in range(0, len(rows), model.batch)]


def last_row(fleet: tuple[DemoModel, ...]) -> datetime:
    return max(service_rows(m)[-1].time for m in fleet) + timedelta(hours=1)
