"""One daemon at the other end of a unix socket: ask, follow, command. I/O; errors are ``DoorError`` with a sentence.

Used by every CLI command and, through ``client.watch``, by the dashboard. A command whose answer was lost is sent once
more under the same Idempotency-Key, so it acts once. The surprise: the stream is split at line feeds by hand, because
httpx's own lines also break at characters that may stand inside a JSON string.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

import orjson
from pydantic import TypeAdapter, ValidationError

from autoheal import net
from autoheal.api.wire import (
    Accepted,
    Line,
    Reloaded,
    Snapshot,
    Why,
    decode_line,
    decode_snapshot,
    incidents_adapter,
    samples_adapter,
    why_adapter,
)
from autoheal.clock import Clock, SystemClock
from autoheal.domain.past import Samples
from autoheal.domain.records import Incident
from autoheal.errors import DoorError

#: Real seconds: an answer may take this long, a stream may be silent this long (three heartbeats).
ANSWER_WITHIN = 10.0
SILENT_FOR = 15.0
_LONGEST_LINE = 64 << 20
Answer = TypeVar("Answer")


class Connection:
    """Use as ``async with Connection(path) as daemon``."""

    def __init__(
        self, socket: str | Path, *, clock: Clock | None = None, timeout: float = ANSWER_WITHIN
    ) -> None:
        self.socket = str(socket)
        self._keys = itertools.count(1)
        self._clock = clock or SystemClock()
        self._ask = net.client(socket=self.socket, timeout=timeout)
        self._follow = net.client(socket=self.socket, timeout=SILENT_FOR)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._ask.aclose()
        await self._follow.aclose()

    # --- asking --------------------------------------------------------------------------------------------------

    async def snapshot(self) -> Snapshot:
        return decode_snapshot(await self._get("/v1/snapshot"))

    async def why(self, subject: str) -> Why:
        """The reasons about an incident (id) or a model (name)."""
        return _decoded(why_adapter(), await self._get(f"/v1/why/{quote(subject, safe='')}"))

    async def incidents(self, state: Literal["open", "closed", "all"] = "all") -> list[Incident]:
        return _decoded(incidents_adapter(), await self._get(f"/v1/incidents?state={state}"))

    async def samples(self, model: str, size: int = 20) -> Samples:
        """Raw rows of the newest day, without sensitive features."""
        query = f"/v1/samples?model={quote(model, safe='')}&size={size}"
        return _decoded(samples_adapter(), await self._get(query))

    async def metrics(self) -> str:
        return (await self._get("/metrics")).decode()

    async def lines(self, after: int, *, follow: bool = True) -> AsyncGenerator[Line, None]:
        """Entries after ``after``, heartbeats and at last the end, from one connection.

        DoorError: status 410 when ``after`` is no place in the daemon's log, 0 when the link breaks.
        """
        query = f"/v1/events?after={after}&follow={int(follow)}"
        try:
            async with self._follow.stream("GET", query) as answer:
                if answer.status_code != 200:
                    raise _refused(answer.status_code, await answer.aread())
                async for line in _split(answer):
                    yield decode_line(line)
        except net.RequestError as problem:
            raise self._broken(problem) from problem

    # --- commanding ----------------------------------------------------------------------------------------------

    async def reload(self) -> Reloaded:
        body = await self._post("/v1/reload", {})
        return Reloaded(bool(body["ok"]), tuple(str(p) for p in body["problems"]))

    async def answer(
        self, approval: str, answer: Literal["given", "refused"], plan_hash: str, note: str = ""
    ) -> Accepted:
        body = {"answer": answer, "plan_hash": plan_hash, "note": note}
        return await self._command(f"/v1/approvals/{quote(approval, safe='')}", body)

    async def pause(self, scope: str, reason: str, until: datetime | None = None) -> Accepted:
        body = {"scope": scope, "reason": reason, "until": until.isoformat() if until else None}
        return await self._command("/v1/pause", body)

    async def resume(self, scope: str) -> Accepted:
        return await self._command("/v1/resume", {"scope": scope})

    async def silence(self, target: str, path: str, reason: str, until: datetime) -> Accepted:
        body = {"target": target, "path": path, "reason": reason, "until": until.isoformat()}
        return await self._command("/v1/silences", body)

    async def expire_silence(self, silence: str) -> Accepted:
        return await self._command(f"/v1/silences/{quote(silence, safe='')}/expire", {})

    async def start_run(self, runbook: str, model: str, inputs: Mapping[str, object]) -> Accepted:
        return await self._command("/v1/runs", {"runbook": runbook, "model": model, "inputs": dict(inputs)})

    async def cancel_run(self, run: str, note: str = "") -> Accepted:
        return await self._command(f"/v1/runs/{quote(run, safe='')}/cancel", {"note": note})

    async def close_incident(self, incident: str, note: str = "") -> Accepted:
        return await self._command(f"/v1/incidents/{quote(incident, safe='')}/close", {"note": note})

    # --- the socket ----------------------------------------------------------------------------------------------

    async def _command(self, path: str, body: Mapping[str, object]) -> Accepted:
        answer = await self._post(path, body)
        return Accepted(int(answer["seq"]), str(answer.get("run", "")))

    async def _post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        key = f"{os.getpid()}-{self._clock.now().isoformat()}-{next(self._keys)}"
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        content = orjson.dumps(body)
        try:
            answer = await self._ask.post(path, content=content, headers=headers)
        except net.ConnectError as problem:
            raise self._broken(problem) from problem
        except net.RequestError:
            answer = await self._again(path, content, headers)
        return _object(_checked(answer))

    async def _again(self, path: str, content: bytes, headers: Mapping[str, str]) -> net.Response:
        """The answer was lost on the way: ask for it under the same key."""
        try:
            return await self._ask.post(path, content=content, headers=dict(headers))
        except net.RequestError as problem:
            raise self._broken(problem) from problem

    async def _get(self, path: str) -> bytes:
        try:
            answer = await self._ask.get(path)
        except net.RequestError as problem:
            raise self._broken(problem) from problem
        return _checked(answer)

    def _broken(self, problem: net.RequestError) -> DoorError:
        return DoorError(f"no answer from the daemon on {self.socket}: {_cause(problem, self.socket)}")


async def _split(answer: net.Response) -> AsyncGenerator[bytes, None]:
    rest = b""
    async for chunk in answer.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
        if len(rest) > _LONGEST_LINE:
            raise DoorError("the daemon sent an endless line")


def _checked(answer: net.Response) -> bytes:
    if answer.status_code >= 400:
        raise _refused(answer.status_code, answer.content)
    return answer.content


def _decoded(adapter: TypeAdapter[Answer], body: bytes) -> Answer:
    try:
        return adapter.validate_json(body)
    except ValidationError as problem:
        raise DoorError("the daemon's answer cannot be read; is this client of its release?") from problem


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise DoorError("the answer is no JSON object; is this autoheal's socket?")
    return value


def _refused(status: int, body: bytes) -> DoorError:
    """What the daemon said no to, in its own sentence."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    error = value.get("error") if isinstance(value, dict) else None
    return DoorError(str(error or f"the daemon answered with HTTP {status}"), status=status)


def _cause(problem: net.RequestError, socket: str) -> str:
    if isinstance(problem, net.TimeoutException):
        return "it did not answer in time"
    if not isinstance(problem, net.ConnectError):
        return "the connection broke"
    if not Path(socket).exists():
        return "there is no such socket"
    return "permission denied" if not os.access(socket, os.W_OK) else "nothing listens there"
