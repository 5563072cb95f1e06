"""Sampled rows and facts of the past, asked of a real daemon's doors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from autoheal import net
from autoheal.client.connection import Connection
from autoheal.domain.names import ModelName
from autoheal.errors import DoorError
from autoheal.telemetry import Metric, Outcome, Prediction
from autoheal.telemetry.records import Features
from tests.api.house import House

START = datetime(2026, 2, 1, tzinfo=UTC).timestamp()


async def filled(home: House) -> None:
    """Three hours of a model, with a gap in the middle."""
    eta = ModelName("eta")
    rows: list[Any] = []
    for i in range(300):
        at = START + i * 12.0 + (7_200.0 if i >= 150 else 0.0)
        features = {"km": float(i), "street": f"secret-{i}"}
        rows.append(Prediction(eta, f"v{1 + i // 200}", f"e{i}", at, features, 1.0))  # type: ignore[arg-type]
        rows.append(Metric(eta, "latency_p95_ms", 5.0 + i % 3, at))
    rows.append(Outcome(eta, "e3", START + 60, 4.0))
    await home.telemetry.ingest(rows)


async def asked(home: House, route: str, /, **query: Any) -> tuple[int, Any]:
    async with net.client(socket=str(home.view)) as client:
        answer = await client.get(route, params=query)
    return answer.status_code, orjson.loads(answer.content)


async def test_sampled_rows_are_seen_through_the_view_door_without_what_is_sensitive(home: House) -> None:
    await filled(home)
    status, found = await asked(home, "/v1/samples", model="eta", size=300)
    assert status == 200
    assert len(found["rows"]) == 300
    assert found["hidden"] == ["street"]
    assert all(set(row["features"]) == {"km"} for row in found["rows"])
    assert b"secret" not in orjson.dumps(found)
    assert {row["id"]: row["label"] for row in found["rows"]}["e3"] == 4.0
    assert (await asked(home, "/v1/samples", model="eta", size=300))[1] == found
    _, newer = await asked(home, "/v1/samples", model="eta", version="v2", size=5)
    assert {row["version"] for row in newer["rows"]} == {"v2"}
    assert len(newer["rows"]) == 5
    until = datetime.fromtimestamp(START + 60, UTC).isoformat()
    _, early = await asked(home, "/v1/samples", model="eta", until=until, size=50)
    assert [row["id"] for row in early["rows"]] == [f"e{i}" for i in range(6)]
    async with Connection(home.view) as daemon:
        assert [row.id for row in (await daemon.samples("eta", 300)).rows] == [r["id"] for r in found["rows"]]


async def test_facts_come_by_step_and_a_gap_is_none(home: House) -> None:
    await filled(home)
    span = {"since": "2026-02-01T00:00:00Z", "until": "2026-02-01T04:00:00Z"}
    status, found = await asked(home, "/v1/history", model="eta", step="30m", **span)
    assert status == 200
    facts = found["facts"]
    assert {fact["path"] for fact in facts} >= {"serving/traffic", "serving/latency_p95_ms"}
    rows = [fact for fact in facts if fact["path"] == "serving/errors"]
    assert sum(fact["n"] for fact in rows) == 300
    assert {fact["since"][11:16] for fact in rows} == {"00:00", "02:30"}, "two hours without a row"
    _, only = await asked(home, "/v1/history", model="eta", path="serving/lat*", **span)
    assert {fact["path"] for fact in only["facts"]} == {"serving/latency_p95_ms"}
    assert (await asked(home, "/v1/history", model="fraud"))[1]["facts"] == []
    _, usual = await asked(home, "/v1/history", model="eta")
    assert {fact["since"][11:16] for fact in usual["facts"]} == {"00:00"}, (
        "the hour of the newest row is not over"
    )


async def test_skew_and_the_ids_that_the_pipeline_is_asked_for(home: House) -> None:
    await filled(home)
    eta = ModelName("eta")
    sent = [Features(eta, f"e{i}", {"km": float(i + i // 4), "street": f"secret-{i}"}) for i in range(6)]
    await home.telemetry.ingest(sent)
    span = {"since": "2026-02-01T00:00:00Z", "until": "2026-02-01T04:00:00Z"}
    status, found = await asked(home, "/v1/skew", model="eta", ids=4, **span)
    assert status == 200
    shares = {one["feature"]: (one["compared"], one["different"], one["share"]) for one in found["features"]}
    assert shares == {"km": (6, 2, 2 / 6), "street": (6, 0, 0.0)}
    assert found["records"]["compared"] == 6
    assert [one["id"] for one in found["ids"]] == ["e6", "e7", "e8", "e9"]
    assert found["more"]
    assert b"secret" not in orjson.dumps(found)
    _, few = await asked(home, "/v1/skew", model="eta", ids=10_000, **span)
    assert (len(few["ids"]), few["more"]) == (294, False)
    assert (await asked(home, "/v1/skew", model="eta", **span))[1]["ids"] == []


@pytest.mark.parametrize(
    ("path", "query", "status", "said"),
    [
        ("/v1/skew", {"model": "nobody"}, 404, "no model"),
        ("/v1/skew", {"model": "fraud"}, 422, "no skew"),
        ("/v1/skew", {"model": "eta", "ids": 10_001}, 422, "ids"),
        ("/v1/samples", {"model": "nobody"}, 404, "no model"),
        ("/v1/history", {"model": "nobody"}, 404, "no model"),
        ("/v1/samples", {"model": "eta", "size": 0}, 422, "size"),
        ("/v1/samples", {"model": "eta", "since": "2026-02-01T00:00:00"}, 422, "since"),
        ("/v1/samples", {"model": "eta", "since": "0001-01-01T00:00:00Z"}, 422, "between"),
        ("/v1/history", {"model": "eta", "step": "7m"}, 422, "divide an hour"),
        ("/v1/history", {"model": "eta", "step": "60"}, 422, "no unit"),
        ("/v1/history", {"model": "eta", "step": "1m", "since": "2020-01-01T00:00:00Z"}, 422, "steps"),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    home: House, path: str, query: dict[str, Any], status: int, said: str
) -> None:
    got, body = await asked(home, path, **query)
    assert (got, said in body["error"]) == (status, True), body


async def test_the_client_says_so_too(home: House) -> None:
    async with Connection(home.control) as daemon:
        with pytest.raises(DoorError, match="no model"):
            await daemon.samples("nobody")
