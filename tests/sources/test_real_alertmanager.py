"""A real Alertmanager and our door: what fires arrives, over deaths of either side, and what was left away is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from autoheal.clock import SystemClock
from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict
from autoheal.errors import StoreError
from autoheal.sources.alertmanager import Alertmanager, alertmanager_router
from tests.contracts import servers
from tests.contracts.servers import eventually, free_port, stopping


@dataclass
class Door:
    """The daemon as Alertmanager sees it, on one port whenever it is there; ``full`` says no."""

    folder: Path
    port: int = field(default_factory=free_port)
    findings: list[Finding] = field(default_factory=list)
    full: bool = False
    source: Alertmanager | None = None

    async def report(self, finding: Finding) -> None:
        if self.full:
            raise StoreError("disk full")
        self.findings.append(finding)

    async def __call__(self, records: object, batch: object = None) -> Any:
        raise AssertionError("alerts are no records")

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """A new source on the state of the one before."""
        self.source = Alertmanager(
            "alerts", models={"fraud", "bike"}, sources=(), state_file=self.folder / "s.json"
        )
        app = FastAPI()
        app.include_router(alertmanager_router(lambda: self.source, self, SystemClock()))
        config = uvicorn.Config(app, port=self.port, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)  # fmt: skip
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        await eventually(lambda: server.started)
        try:
            yield
        finally:
            server.should_exit = True
            await task

    def said(self, model: str, name: str = "ModelSlow") -> list[Verdict]:
        """What was said about an alert, once for each change."""
        every = [f.verdict for f in self.findings if f.key == f"{model}|alertmanager|{name}"]
        return [v for i, v in enumerate(every) if not i or v is not every[i - 1]]


def alert(model: str, *, ends: datetime | None = None, **labels: str) -> dict[str, Any]:
    now = SystemClock().now()
    return {
        "labels": {"alertname": "ModelSlow", "severity": "critical", "model": model} | labels,
        "annotations": {"summary": "p99 is high"},
        "startsAt": (now - timedelta(seconds=60)).isoformat(),
        "endsAt": (ends or now + timedelta(hours=1)).isoformat(),
    }


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


async def test_alerts_arrive_whoever_dies_in_between(tmp_path: Path, door: Door) -> None:
    webhook = f"http://127.0.0.1:{door.port}/v1/alertmanager"
    async with stopping(servers.Alertmanager.at(tmp_path, webhook)) as server:
        assert isinstance(server, servers.Alertmanager)
        async with door.opened():
            await server.post(alert("fraud"), alert("nobody"))
            await eventually(lambda: door.said("fraud") == [Verdict.BREACH])
            first = door.findings[0]
            assert (first.severity, first.detail) == (Severity.CRITICAL, "p99 is high")
            assert first.started_at is not None
            await eventually(lambda: door.source is not None and "unknown_model" in door.source.tally.refused)
        await server.post(alert("bike"))  # nobody listens
        door.full = True
        async with door.opened():
            await asyncio.sleep(0.3)
            assert door.said("bike") == [], "what could not be stored was not taken"
            door.full = False
            await eventually(lambda: door.said("bike") == [Verdict.BREACH])
            await server.kill()
            await server.start()
            door.findings.clear()
            await server.post(alert("fraud"), alert("bike"))  # it has forgotten them, Prometheus has not
            await eventually(lambda: door.said("fraud") == [Verdict.BREACH])
            await server.post(alert("fraud", ends=SystemClock().now()))
            await eventually(lambda: door.said("fraud") == [Verdict.BREACH, Verdict.OK])
            await eventually(lambda: door.said("bike") == [Verdict.BREACH])


async def test_alerts_that_a_message_left_away_are_counted(tmp_path: Path, door: Door) -> None:
    webhook = f"http://127.0.0.1:{door.port}/v1/alertmanager"
    async with stopping(servers.Alertmanager.at(tmp_path, webhook, max_alerts=2)) as server, door.opened():
        assert isinstance(server, servers.Alertmanager)
        await server.post(*(alert("fraud", instance=f"{n}") for n in range(5)))
        await eventually(lambda: door.source is not None and door.source.tally.refused["truncated"] >= 3)
        assert door.said("fraud") == [Verdict.BREACH]
