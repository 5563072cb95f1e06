"""``http_push``: telemetry that others POST to ``/v1/telemetry``, as JSON or NDJSON, gzip or not.

``telemetry_router`` makes the route, the API mounts it on the control socket and on loopback TCP. A batch is stored
whole or refused whole: 400 not JSON, 404 unknown model, 408 too slow, 413 too large, 415 other media, 422 with row and field, 429
full (with Retry-After); 202 means that it is committed. An ``Idempotency-Key`` is committed with the rows, so a batch
sent again under it is answered as the first time, over restarts of the daemon too. The surprising part: the body is read against the limit piece by piece and unpacked against it
too, and all bodies under way against ``ROOM``, so neither a flood nor a gzip bomb costs more than the limits.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from autoheal.clock import Clock
from autoheal.domain.names import ModelName, Task
from autoheal.errors import StoreError
from autoheal.sources.contract import Pulse, Sink
from autoheal.telemetry import Batch, Record, Refusal, parse_body

LARGEST: Final = 16 * 1024 * 1024
#: Bytes of all bodies that are being read, parsed or stored; records of them take some ten times that.
ROOM: Final = 64 * 1024 * 1024
#: Bodies above this are parsed in a thread, so that the event loop stays quick.
LONG: Final = 64 * 1024
LONGEST_KEY: Final = 200
#: Real seconds in which a body must have come.
PATIENCE: Final = 60.0
STATUS: Final[Mapping[str, int]] = {
    "not_json": 400,
    "unknown_model": 404,
    "too_slow": 408,
    "too_large": 413,
    "media_type": 415,
    "bad_row": 422,
    "full": 429,
    "key_reused": 422,
}
LINES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
JSON: Final = frozenset({"application/json", ""})
UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii"})
#: What some senders write before UTF-8; it is no part of the document.
BOM: Final = b"\xef\xbb\xbf"

Models = Callable[[], Mapping[ModelName, Task]]


def telemetry_router(
    sink: Sink,
    models: Models,
    refused: Counter[str] | None = None,
    heard: Callable[[], None] | None = None,
    patience: float = PATIENCE,
    most: int = ROOM,
) -> APIRouter:
    """The router of ``POST /v1/telemetry``; ``models`` gives those that exist now, ``refused`` counts by reason,
    ``heard`` is called when a batch was stored. A body must be there after ``patience`` real seconds, and all that are
    under way have ``most`` bytes together."""
    router, room = APIRouter(), Room(most)
    counted = Counter[str]() if refused is None else refused

    @router.post(
        "/v1/telemetry",
        status_code=202,
        tags=["telemetry"],
        summary="Push predictions, outcomes, metrics, features",
    )
    async def push(request: Request) -> Response:
        """One record, a list, ``{"records": [...]}``, or NDJSON; the whole batch is stored or refused."""
        try:
            _media(request)
            key = _key(request)
            with room.share() as take:
                body = await _whole_body(request, patience, take)
                records, batch = await _read(request, key, body, models())
                counts = await sink(records, batch)
        except Refusal as refusal:
            counted[refusal.reason] += 1
            return _refuse(refusal)
        except StoreError as error:
            counted["store"] += 1
            return JSONResponse({"error": str(error), "problems": []}, 503, {"Retry-After": "5"})
        except ClientDisconnect:
            counted["disconnected"] += 1
            return Response(status_code=400)
        if heard is not None:
            heard()
        return JSONResponse(
            {"accepted": counts.accepted, "duplicates": counts.duplicates, "waiting": counts.waiting}, 202
        )

    return router


class Room:
    """Bytes of the bodies under way. Many senders at once must not cost more memory than some do: who finds no room is
    asked to come again, and what he had taken is free for the others, so that they get through."""

    def __init__(self, most: int) -> None:
        self._left = most

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """A function that takes so many bytes; all are given back at the end."""
        own = 0

        def take(size: int) -> None:
            nonlocal own
            if size > self._left:
                raise Refusal("full", "too many bodies are being read and stored already")
            own += size
            self._left -= size

        try:
            yield take
        finally:
            self._left += own


class HttpPush:
    """The source as the supervisor sees it; the work is done by the route, which calls ``heard``.

    With ``silent`` (seconds of the daemon's clock) the senders are away when nothing was pushed for so long.
    """

    def __init__(self, name: str, *, silent: float = 0.0, beat: float = 5.0) -> None:
        self.name = name
        self.silent = silent
        self.beat = beat
        self._heard = False

    def heard(self) -> None:
        self._heard = True

    async def run(self, sink: Sink, clock: Clock) -> None:
        """Nothing to bring: others push. Whether they do is looked at now and then, if it is wanted."""
        if not self.silent:
            await asyncio.Event().wait()
        pulse, last = Pulse(self.name), clock.now()
        while True:
            if self._heard:
                self._heard, last = False, clock.now()
                await pulse.up(sink, last)
            elif (clock.now() - last).total_seconds() > self.silent:
                await pulse.away(sink, clock.now(), f"nothing was pushed for more than {self.silent:g}s")
            await clock.sleep(self.beat)


def _key(request: Request) -> str:
    """The sender's name for the batch, empty when it gave none."""
    key = request.headers.get("idempotency-key", "").strip()
    if len(key) > LONGEST_KEY:
        raise Refusal("bad_row", f"has at most {LONGEST_KEY} characters", field="Idempotency-Key")
    return key


async def _read(
    request: Request, key: str, body: bytes, models: Mapping[ModelName, Task]
) -> tuple[Sequence[Record], Batch | None]:
    lines = _media(request) in LINES

    def work() -> tuple[Sequence[Record], Batch | None]:
        batch = Batch(key, sha256(body).hexdigest()) if key else None
        return parse_body(body, models, lines=lines), batch

    return await asyncio.to_thread(work) if len(body) > LONG else work()


def _media(request: Request) -> str:
    media, _, rest = request.headers.get("content-type", "").partition(";")
    media = media.strip().lower()
    if media not in LINES | JSON:
        raise Refusal(
            "media_type", f"{media[:80]!r} is not read here: send application/json or application/x-ndjson"
        )
    for name, _, value in (one.partition("=") for one in rest.split(";")):
        charset = value.strip().strip('"').lower()
        if name.strip().lower() == "charset" and charset not in UTF_8:
            raise Refusal("media_type", f"charset {charset[:40]!r} is not read here: send UTF-8")
    return media


async def _whole_body(request: Request, patience: float, take: Callable[[int], None]) -> bytes:
    """A sender that stops in the middle, or drips, must not hold memory and a connection for ever."""
    try:
        async with asyncio.timeout(patience):
            return await _body(request, take)
    except TimeoutError:
        raise Refusal("too_slow", f"the body did not come within {patience:g}s") from None


async def _body(request: Request, take: Callable[[int], None]) -> bytes:
    packing = request.headers.get("content-encoding", "identity").strip().lower()
    if packing not in {"identity", "gzip"}:
        raise Refusal("media_type", f"content-encoding {packing[:40]!r} is not read here: send gzip or none")
    unpack = Gunzip() if packing == "gzip" else None
    read, size, parts = 0, 0, []
    async for piece in request.stream():
        read += len(piece)
        part = unpack.take(piece, LARGEST - size + 1) if unpack else piece
        size += len(part)
        if max(size, read) > LARGEST:  # also as it is sent: empty members cost time and give nothing
            raise Refusal("too_large", f"a body may have {LARGEST >> 20} MiB (unpacked)")
        take(len(part))
        parts.append(part)
    if unpack and not unpack.whole:
        raise Refusal("not_json", "the gzip body ends too early")
    return b"".join(parts).removeprefix(BOM)


class Gunzip:
    """Unpacks a body piece by piece. A gzip body may have several members, one after the other (``pigz`` and ``cat``
    make such): all of them are the body, and what is no member is an error, never left away."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)

    @property
    def whole(self) -> bool:
        """Whether the last member has come to its end."""
        return self._member.eof

    def take(self, piece: bytes, most: int) -> bytes:
        """At least what is in a piece, or ``most`` bytes of it (above 0): then there is more than is wanted."""
        parts = []
        try:
            while piece and most > 0:
                if self._member.eof:
                    self._member = zlib.decompressobj(31)
                parts.append(self._member.decompress(piece, most))
                most -= len(parts[-1])
                piece = self._member.unused_data
        except zlib.error as error:
            raise Refusal("not_json", f"the gzip body is broken: {error}") from None
        return b"".join(parts)


def _refuse(refusal: Refusal) -> Response:
    problems = [{"field": refusal.field, "error": refusal.message}] if refusal.field else []
    body = {"error": str(refusal), "row": refusal.row, "field": refusal.field, "problems": problems}
    return JSONResponse(
        body, STATUS[refusal.reason], {"Retry-After": "1"} if refusal.reason == "full" else None
    )
