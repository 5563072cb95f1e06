"""Plays the feeds: requests to the gateway in data-time order, labels to the daemon's telemetry door as they mature.

Runs inside the demo's own process, on the same scaled clock as the daemon. It also injects the faults and keeps the
books: what was answered to each row, and what the unhealed twin would have answered. A daemon that is away does not
stop it: labels wait and are sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from autoheal.actions.targets.gateway import GatewayClient
from autoheal.actions.targets.registry import Registry
from autoheal.clock import Clock
from autoheal.demo import first_versions
from autoheal.demo.faults import Faults, broken
from autoheal.demo.feeds import Row
from autoheal.demo.first_versions import Made
from autoheal.demo.fleet import DemoModel, requests, training_rows
from autoheal.demo.twin import Books, Twin
from autoheal.net import AsyncClient, HTTPError, HTTPStatusError, client

_LOG = logging.getLogger(__name__)
#: Labels in one post.
POST = 2000
#: With these answers the same labels would be refused for ever.
HOPELESS = frozenset({400, 404, 413, 422})
#: Who releases versions that autoheal did not make.
CI = "ci"

#: When it is known, and the record that says so.
Label = tuple[datetime, dict[str, object]]


@dataclass(slots=True)
class Player:
    """``gateway`` and ``telemetry`` are base URLs; ``finished`` says, for a data time, whether to end before it;
    ``say`` tells people (and nobody else) of a fault when it begins. With ``endless`` the data are played again."""

    clock: Clock
    fleet: tuple[DemoModel, ...]
    faults: Faults
    gateway: str
    telemetry: str
    registry: Registry
    scratch: Path
    finished: Callable[[datetime], bool]
    say: Callable[[str], None] = _LOG.info
    endless: bool = False
    books: Books = field(default_factory=Books)
    released_at: datetime | None = None
    _labels: deque[Label] = field(default_factory=deque)
    _handing: list[Label] = field(default_factory=list)
    _twins: dict[str, Twin] = field(default_factory=dict)
    _made: asyncio.Task[Made] | None = None
    _upstream_told: bool = False

    async def run(self) -> None:
        """Play to the end of the data, or until ``finished``."""
        self._twins = {m.name: Twin(self.registry, m.name) for m in self.fleet}
        victim = next((m for m in self.fleet if m.name == self.faults.release.model), None)
        if victim is not None:
            self._made = asyncio.create_task(asyncio.to_thread(self._make_bad_version, victim))
        async with (
            client(base_url=self.gateway, timeout=10) as web,
            client(base_url=self.telemetry, timeout=5) as door,
        ):
            posting = asyncio.create_task(self._post_labels(door))
            try:
                for model, rows in requests(self.fleet, endless=self.endless):
                    at = rows[-1].time
                    await self.clock.sleep_until(at)
                    if self.finished(at):
                        break
                    await self._faults_due(at)
                    await self._send(web, model, rows)
                await self._drain()
            finally:
                helpers = [task for task in (posting, self._made) if task is not None]
                for task in helpers:
                    task.cancel()
                await asyncio.gather(*helpers, return_exceptions=True)

    # --- requests -------------------------------------------------------------------------------------------------

    async def _send(self, web: AsyncClient, model: DemoModel, rows: tuple[Row, ...]) -> None:
        arrived = [broken(row.features, row.time, self.faults.upstream) for row in rows]
        answered = await self._ask(web, model, rows, arrived)
        alone = await asyncio.to_thread(self._twins[model.name].answer, arrived)
        for row, without in zip(rows, alone, strict=True):
            self.books.note(model.name, row, answered.get(row.id), without)
            due = row.time + model.lag
            label: dict[str, object] = {
                "kind": "outcome",
                "model": model.name,
                "id": row.id,
                "time": due.isoformat(),
                "label": row.label,
            }
            self._labels.append((due, label))

    async def _ask(
        self,
        web: AsyncClient,
        model: DemoModel,
        rows: tuple[Row, ...],
        arrived: list[dict[str, float | str | None]],
    ) -> dict[str, float]:
        """Predictions by row id; nothing for a request that failed."""
        sent = [
            {"id": row.id, "time": row.time.isoformat(), "features": features}
            for row, features in zip(rows, arrived, strict=True)
        ]
        body = {"id": f"{model.name}-{rows[0].id}", "rows": sent}
        try:
            response = await web.post(f"/v1/models/{model.name}/predict", json=body)
            response.raise_for_status()
            return {p["id"]: float(p["prediction"]) for p in response.json()["predictions"]}
        except (HTTPError, KeyError, ValueError, TypeError) as error:
            _LOG.warning("a request for %s was not answered: %r", model.name, error)
            return {}

    # --- labels ---------------------------------------------------------------------------------------------------

    async def _post_labels(self, door: AsyncClient) -> None:
        """Hand in what has matured, again and again until it was taken."""
        while True:
            self._handing = self._ripe()
            if self._handing:
                records = [label for _, label in self._handing]
                try:
                    response = await door.post("/v1/telemetry", json={"records": records})
                    response.raise_for_status()
                except HTTPError as error:
                    await self._not_taken(error)
                self._handing = []
            await self.clock.sleep(0.05)

    async def _not_taken(self, error: HTTPError) -> None:
        if isinstance(error, HTTPStatusError) and error.response.status_code in HOPELESS:
            _LOG.warning("%d labels were refused: %r", len(self._handing), error)
            return
        _LOG.info("labels wait for the daemon: %r", error)
        self._labels.extendleft(reversed(self._handing))
        await self.clock.sleep(0.3)

    def _ripe(self) -> list[Label]:
        now = self.clock.now()
        ripe: list[Label] = []
        rest: list[Label] = []
        for item in self._labels:
            (ripe if item[0] <= now and len(ripe) < POST else rest).append(item)
        self._labels = deque(rest)
        return ripe

    async def _drain(self) -> None:
        """Wait until every label was handed in."""
        for _ in range(200):
            if not self._labels and not self._handing:
                return
            await self.clock.sleep(0.05)

    # --- faults ---------------------------------------------------------------------------------------------------

    async def _faults_due(self, at: datetime) -> None:
        upstream = self.faults.upstream
        if not self._upstream_told and at >= upstream.start:
            self._upstream_told = True
            self.say(
                f"{upstream.start:%Y-%m-%d %H:%M}  ~ from now on {upstream.column} of the weather feed is empty"
            )
        if self._made is not None and self.released_at is None and at >= self.faults.release.at:
            await self._release(await self._made)

    def _make_bad_version(self, model: DemoModel) -> Made:
        release = self.faults.release
        return first_versions.with_unit_error(model, training_rows(model), release.column, release.factor)

    async def _release(self, made: Made) -> None:
        """What a team's CI does: register the new version, make it champion, send it all the traffic."""
        release = self.faults.release
        model = next(m for m in self.fleet if m.name == release.model)
        taken = {v.version for v in self.registry.versions(model.name)}
        version = next(f"v{n}" for n in range(2, 1000) if f"v{n}" not in taken)
        self.released_at = self.clock.now()
        await asyncio.to_thread(
            first_versions.put,
            self.registry,
            model,
            made.estimator,
            version,
            rows=made.rows,
            scratch=self.scratch,
            at=self.released_at,
            reference=made.reference,
        )
        await asyncio.to_thread(self.registry.set_champion, model.name, version, by=CI, at=self.released_at)
        await GatewayClient(self.gateway).put(model.name, {version: 100.0}, key=f"{CI}-{version}")
        self._twins[model.name].release(version)
        what = f"{model.name} {version}, trained with {release.column} in another unit"
        self.say(f"{self.released_at:%Y-%m-%d %H:%M}  ~ {CI} releases {what}")
