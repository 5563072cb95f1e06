"""Snapshot, incidents, why, health and metrics, read from a real kernel through a real socket."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from autoheal import net
from autoheal.api.wire import decode_line, decode_snapshot
from autoheal.client.connection import Connection
from autoheal.domain.events import Entry
from autoheal.errors import DoorError
from tests.api.house import House


async def test_a_snapshot_is_the_world_itself(home: House) -> None:
    await home.breach()
    async with Connection(home.view) as daemon:
        snapshot = await daemon.snapshot()
    assert snapshot.world == home.kernel.world
    assert snapshot.seq == home.kernel.world.seq
    assert snapshot.name == "test-house"
    assert snapshot.mode == "act"


async def test_a_snapshot_is_never_an_old_one(home: House) -> None:
    async with Connection(home.view) as daemon:
        before = await daemon.snapshot()
        await home.noise(1)
        after = await daemon.snapshot()
    assert before.seq < after.seq == home.kernel.world.seq


async def test_another_wire_version_is_refused_with_a_sentence(home: House) -> None:
    async with net.client(socket=str(home.view)) as client:
        body = orjson.loads((await client.get("/v1/snapshot")).content)
    with pytest.raises(DoorError, match="wire version 2"):
        decode_snapshot(orjson.dumps(body | {"wire": 2, "version": "9.9"}))
    with pytest.raises(DoorError, match="wire version 3"):
        decode_snapshot(orjson.dumps({"wire": 3, "all": "new"}))
    with pytest.raises(DoorError, match="cannot be read"):
        decode_snapshot(b"<html>")
    with pytest.raises(DoorError, match="does not know"):
        decode_line(b'{"seq":1,"at":"2026-01-01T00:00:00Z","event":{"kind":"from_the_future"}}')


async def test_incidents_and_their_reasons(home: House) -> None:
    await home.breach()
    async with Connection(home.view) as daemon:
        incidents = await daemon.incidents("open")
        assert [i.target for i in incidents] == ["fraud"]
        assert await daemon.incidents("closed") == []
        by_incident = await daemon.why(incidents[0].id)
        by_model = await daemon.why("fraud")
        quiet = await daemon.why("eta")
    world = home.kernel.world
    assert by_incident.incident == incidents[0] == by_model.incident
    assert by_incident.decisions == tuple(world.decisions.values())
    assert any("policies/fraud.yaml" in str(d.reason) for d in by_incident.decisions)
    assert [a.runbook for a in by_incident.approvals] == ["tell"]
    assert [f.value for f in by_incident.findings] == [0.2]
    assert quiet.incident is None


async def test_unknown_subjects_are_404(home: House) -> None:
    async with Connection(home.view) as daemon:
        for subject in ("INC-9999", "no/such model"):
            with pytest.raises(DoorError, match="there is no incident or model") as caught:
                await daemon.why(subject)
            assert caught.value.status == 404
    async with net.client(socket=str(home.view)) as client:
        assert (await client.get("/v1/incidents/x")).status_code == 404
        assert (await client.get("/v1/incidents?state=odd")).status_code == 422
        assert "error" in (await client.get("/nowhere")).json()


async def test_metrics_are_prometheus_text(home: House) -> None:
    await home.breach()
    async with Connection(home.view) as daemon:
        families = {f.name: f for f in text_string_to_metric_families(await daemon.metrics())}

    def value(name: str, **labels: str) -> float:
        return next(s.value for s in families[name].samples if s.labels == labels)

    assert value("autoheal_incidents_open") == 1
    assert value("autoheal_findings", verdict="breach") == 1
    assert value("autoheal_findings", verdict="no_data") == 0
    assert value("autoheal_alarms", state="firing") == 1
    assert value("autoheal_approvals_open") == 1
    assert value("autoheal_telemetry_refused", reason="not_json") == 2


async def test_ready_says_what_is_missing(folder: Path, home: House) -> None:
    async with net.client(socket=str(home.view)) as client:
        assert (await client.get("/readyz")).status_code == 200
        home.doors.doors[1].app.state.stopping.set()
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert "stopping" in answer.json()["error"]


async def test_openapi_names_the_types(home: House) -> None:
    async with net.client(socket=str(home.control)) as client:
        document = (await client.get("/openapi.json")).json()
    assert {"Snapshot", "World", "Incident", "Why", "ApprovalAnswer", "Refusal"} <= set(
        document["components"]["schemas"]
    )
    assert isinstance(home.kernel.world.seq, int)
    assert Entry.__name__ == "Entry"
