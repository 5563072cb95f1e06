"""What anybody may ask: the snapshot, incidents, the reasons, and whether the daemon lives. Reads the world, no more.

The surprise: the snapshot's JSON is kept per seq, because several readers ask for the same world at the same time.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from autoheal import __version__
from autoheal.api.faults import Refused, documented, refusal
from autoheal.api.hub import Hub
from autoheal.api.metrics import CONTENT_TYPE, metrics_text
from autoheal.api.parts import HubPart, StoppingPart
from autoheal.api.wire import (
    WIRE_VERSION,
    Snapshot,
    Why,
    incidents_adapter,
    labels_adapter,
    series_adapter,
    sources_adapter,
    why_adapter,
    why_of,
    world_adapter,
)
from autoheal.domain.label_state import ModelLabels
from autoheal.domain.names import IncidentId
from autoheal.domain.records import Incident
from autoheal.domain.source_health import SourceHealth

JSON = "application/json"
router = APIRouter()
health_router = APIRouter()


@router.get("/v1/snapshot", response_model=Snapshot, summary="The world after seq, for readers to start from")
async def snapshot(request: Request, hub: HubPart) -> Response:
    world = hub.kernel.world
    head = {
        "wire": WIRE_VERSION,
        "version": __version__,
        "name": hub.name,
        "seq": world.seq,
        "now": hub.clock.now().isoformat(),
        "mode": str(world.config.mode),
        "readonly": request.app.state.readonly,
    }
    parts = (
        orjson.dumps(head)[:-1],
        b',"series":',
        series_adapter().dump_json(hub.series()),
        b',"sources":',
        sources_adapter().dump_json(list(hub.sources())),
        b',"world":',
        _world_json(request, hub),
        b"}",
    )
    return Response(b"".join(parts), media_type=JSON)


def _world_json(request: Request, hub: Hub) -> bytes:
    world = hub.kernel.world
    seq, body = request.app.state.encoded_world
    if seq != world.seq:
        body = world_adapter().dump_json(world)
        request.app.state.encoded_world = (world.seq, body)
    assert isinstance(body, bytes)
    return body


@router.get("/v1/sources", response_model=list[SourceHealth], summary="How each telemetry source does")
async def sources(hub: HubPart) -> Response:
    return Response(sources_adapter().dump_json(list(hub.sources())), media_type=JSON)


@router.get("/v1/labels", response_model=list[ModelLabels], summary="What became of each model's outcomes")
async def labels(hub: HubPart) -> Response:
    return Response(labels_adapter().dump_json(list(await hub.labels())), media_type=JSON)


@router.get("/v1/incidents", response_model=list[Incident], summary="Incidents, the newest first")
async def incidents(
    hub: HubPart, state: Annotated[Literal["open", "closed", "all"], Query()] = "all"
) -> Response:
    chosen = [i for i in hub.kernel.world.incidents.values() if state == "all" or i.open == (state == "open")]
    chosen.sort(key=lambda i: i.opened_at, reverse=True)
    return Response(incidents_adapter().dump_json(chosen), media_type=JSON)


@router.get(
    "/v1/incidents/{incident_id}",
    response_model=Incident,
    summary="One incident",
    responses=documented(404, 422),
)
async def incident(hub: HubPart, incident_id: str) -> Response:
    found = hub.kernel.world.incidents.get(IncidentId(incident_id))
    if found is None:
        raise Refused(404, f"there is no incident {incident_id[:60]!a}")
    return Response(incidents_adapter().dump_json([found])[1:-1], media_type=JSON)


@router.get(
    "/v1/why/{subject:path}",
    response_model=Why,
    summary="Why: every decision about an incident or a model, with its tree of reasons",
    responses=documented(404, 422),
)
async def why(
    hub: HubPart, subject: Annotated[str, Path(description="An incident's id or a model's name")]
) -> Response:
    found = why_of(hub.kernel.world, subject, hub.clock.now())
    if found is None:
        raise Refused(404, f"there is no incident or model {subject[:60]!a}")
    return Response(why_adapter().dump_json(found), media_type=JSON)


@health_router.get("/healthz", summary="The daemon's loop turns")
async def healthz() -> dict[str, Any]:
    return {"ok": True}


@health_router.get(
    "/readyz", summary="The daemon watches and may act", responses=documented(503), response_model=None
)
async def readyz(hub: HubPart, stopping: StoppingPart) -> dict[str, Any] | Response:
    missing = ["stopping"] if stopping.is_set() else list(hub.not_ready())
    return refusal(503, f"not ready: {'; '.join(missing)}") if missing else {"ok": True}


@health_router.get(
    "/metrics",
    summary="Prometheus text",
    response_class=Response,
    responses={
        200: {"content": {CONTENT_TYPE: {"schema": {"type": "string"}}}, "description": "Prometheus text"}
    },
)
async def metrics(hub: HubPart) -> Response:
    return Response(metrics_text(hub, await hub.labels()), media_type=CONTENT_TYPE)
