"""What is kept of a model's past: sampled raw rows, facts per stretch of time, and skew. Reads, on both doors.

The telemetry behind it is asked off the event loop. Sensitive features never come this far.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime

from autoheal.api.faults import Refused, documented
from autoheal.api.hub import PastDoor
from autoheal.api.parts import HubPart
from autoheal.api.wire import facts_adapter, samples_adapter, skew_adapter
from autoheal.domain.durations import parse_duration
from autoheal.domain.past import Facts, Samples, Skew

JSON = "application/json"
Found = TypeVar("Found")
router = APIRouter()

Model = Annotated[str, Query(description="A model's name", max_length=200)]
When = Annotated[AwareDatetime | None, Query()]


@router.get(
    "/v1/samples",
    response_model=Samples,
    summary="A uniform sample of raw rows, without sensitive features",
    responses=documented(404, 422),
)
async def samples(
    hub: HubPart,
    model: Model,
    since: When = None,
    until: When = None,
    version: Annotated[str | None, Query(max_length=200)] = None,
    size: Annotated[int, Query(ge=1, le=500)] = 20,
) -> Response:
    past = _door(hub.past, since, until)
    found = await _asked(model, lambda: past.samples(model, since, until, version, size))
    return Response(samples_adapter().dump_json(found), media_type=JSON)


@router.get(
    "/v1/history",
    response_model=Facts,
    summary="What monitors would have measured, per step of time",
    responses=documented(404, 422),
)
async def history(
    hub: HubPart,
    model: Model,
    since: When = None,
    until: When = None,
    step: Annotated[str, Query(max_length=20)] = "1h",
    path: Annotated[str, Query(max_length=200, description="A glob, such as performance/*")] = "*",
) -> Response:
    past = _door(hub.past, since, until)
    found = await _asked(model, lambda: past.facts(model, since, until, parse_duration(step), path))
    return Response(facts_adapter().dump_json(found), media_type=JSON)


@router.get(
    "/v1/skew",
    response_model=Skew,
    summary="Served features beside the training pipeline's, and the ids that it is asked for",
    responses=documented(404, 422),
)
async def skew(
    hub: HubPart,
    model: Model,
    since: When = None,
    until: When = None,
    ids: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> Response:
    past = _door(hub.past, since, until)
    found = await _asked(model, lambda: past.skew(model, since, until, ids))
    return Response(skew_adapter().dump_json(found), media_type=JSON)


async def _asked(model: str, ask: Callable[[], Found]) -> Found:
    """The answer, read in a thread."""
    try:
        return await asyncio.to_thread(ask)
    except KeyError:
        raise Refused(404, f"there is no model {model[:60]!a}") from None
    except ValueError as problem:
        raise Refused(422, str(problem)) from problem


def _door(past: PastDoor | None, *times: AwareDatetime | None) -> PastDoor:
    if past is None:
        raise Refused(404, "this daemon keeps no telemetry")
    if any(time is not None and not 1970 < time.year < 2100 for time in times):
        raise Refused(422, "times lie between 1971 and 2099")
    return past
