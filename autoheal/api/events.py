"""The event stream: the log from where the reader left off, then live, as one JSON object a line.

A stream that stays is the kernel's own subscription, which joins the past to the present without gap or double; one
that does not is read from the log, page by page. A quiet stream carries a heartbeat every ``HEARTBEAT`` real seconds;
a stream that the daemon ends says why in its last line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from autoheal.api.faults import Refused, documented
from autoheal.api.hub import Feed, Hub
from autoheal.api.parts import HubPart, StoppingPart
from autoheal.api.wire import Ended, Heartbeat, Line, line_adapter
from autoheal.domain.events import Entry

#: Real seconds between two signs of life on a quiet stream.
HEARTBEAT = 5.0
PAGE = 500
NDJSON = "application/x-ndjson"
_MOST = 10_000

router = APIRouter()


@router.get(
    "/v1/events",
    summary="Entries of the log after a sequence number, one JSON object a line",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {NDJSON: {"schema": {"type": "string"}}},
            "description": "Entries, heartbeats, an end",
        },
        **documented(410, 422),
    },
)
async def events(
    hub: HubPart,
    stopping: StoppingPart,
    after: Annotated[int, Query(ge=0, description="The last seq that the reader has")] = 0,
    follow: Annotated[bool, Query(description="Stay and wait for more")] = False,
    limit: Annotated[int | None, Query(ge=1, le=_MOST, description="End after so many entries")] = None,
) -> StreamingResponse:
    await _check_cursor(hub, after)
    lines = follow_log(hub, after, stopping) if follow else _past(hub, after)
    most = limit if limit is not None or follow else _MOST
    return StreamingResponse(_encoded(lines, most), media_type=NDJSON, headers={"Cache-Control": "no-store"})


async def _check_cursor(hub: Hub, after: int) -> None:
    head = hub.kernel.world.seq
    if after > head:
        raise Refused(410, f"the log ends at {head}, before {after}; fetch /v1/snapshot again")
    first = await asyncio.to_thread(hub.log.read, after, 1) if after < head else ()
    if first and first[0].seq != after + 1:
        raise Refused(410, f"the log begins at {first[0].seq}, after {after}; fetch /v1/snapshot again")


async def _encoded(lines: AsyncGenerator[Line, None], limit: int | None) -> AsyncIterator[bytes]:
    """Lines as bytes, at most ``limit`` entries."""
    dump = line_adapter().dump_json
    left = limit
    async with aclosing(lines) as source:
        async for line in source:
            yield dump(line) + b"\n"
            if isinstance(line, Entry) and left is not None:
                left -= 1
                if left == 0:
                    yield dump(Ended("the limit is reached", line.seq)) + b"\n"
                    return


async def _past(hub: Hub, after: int) -> AsyncGenerator[Line, None]:
    async for entry in _history(hub, after, hub.kernel.world.seq):
        yield entry


async def _history(hub: Hub, after: int, upto: int) -> AsyncIterator[Entry]:
    """Entries after ``after`` up to ``upto``, page by page so that a long log is never in memory."""
    while after < upto:
        page = await asyncio.to_thread(hub.log.read, after, min(PAGE, upto - after))
        if not page:
            return
        for entry in page:
            yield entry
        after = page[-1].seq


async def follow_log(hub: Hub, after: int, stopping: asyncio.Event) -> AsyncGenerator[Line, None]:
    """The log after ``after`` and everything that comes, until the kernel or the server ends it."""
    feed = hub.kernel.subscribe(after)
    stop = asyncio.ensure_future(stopping.wait())
    coming = asyncio.ensure_future(_next(feed))
    try:
        while True:
            await asyncio.wait({coming, stop}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                yield Heartbeat(hub.clock.now(), hub.kernel.world.seq)
            elif (entry := coming.result()) is not None:
                coming = asyncio.ensure_future(_next(feed))
                yield entry
                after = entry.seq
            else:
                yield Ended(str(feed.ended or "the log ended"), after)
                return
            if stop.done():
                yield Ended("the daemon is stopping", after)
                return
    finally:  # nothing may be awaited here: when the reader has left, every await is cancelled again
        coming.cancel()
        stop.cancel()
        feed.close()


async def _next(feed: Feed) -> Entry | None:
    return await anext(feed, None)
