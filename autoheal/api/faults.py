"""How the doors say no: every 4xx and 5xx has one shape, ``wire.Refusal``, whose ``error`` is a whole sentence.

Also the border that stands before all routes: the view door refuses every change, and no command body is larger than
a mebibyte (telemetry and alerts have their own, larger limits). Pure ASGI, because it must work before the body is read.
"""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autoheal.api.wire import Refusal
from autoheal.errors import AutohealError
from autoheal.store.codec import UnrecordableError

LARGEST_COMMAND = 1 << 20
#: Pushed from outside, with limits of their own.
PUSHED = frozenset({"/v1/telemetry", "/v1/alertmanager"})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Refused(Exception):
    """The door declines this request, with its HTTP status and the reason."""

    def __init__(self, status: int, error: str) -> None:
        self.status = status
        super().__init__(error)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, for OpenAPI."""
    return {status: {"model": Refusal} for status in statuses}


def refusal(status: int, error: str, problems: list[dict[str, str]] | None = None) -> Response:
    body = orjson.dumps({"error": error, "problems": problems or []})
    return Response(body, status, media_type="application/json")


def install_handlers(app: FastAPI) -> None:
    """Give ``app`` the one shape of refusals."""
    app.add_exception_handler(Refused, _on_refused)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(StarletteHTTPException, _on_http)
    app.add_exception_handler(AutohealError, _on_own)
    app.add_exception_handler(Exception, _on_anything)


async def _on_refused(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Refused)
    return refusal(problem.status, str(problem))


async def _on_invalid(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, RequestValidationError)
    defects = [
        {"field": ".".join(_text(part) for part in error["loc"]), "error": _text(error["msg"])}
        for error in problem.errors()
    ]
    if any(error["type"] == "json_invalid" for error in problem.errors()):
        return refusal(400, "the body is not JSON", defects)
    first = defects[0]
    return refusal(422, f"{first['field']}: {first['error']}", defects)


def _text(value: object) -> str:
    return str(value).encode("utf-8", "replace").decode()


async def _on_http(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, StarletteHTTPException)
    error = str(problem.detail)
    if problem.status_code == 404 and error == "Not Found":
        error = "there is nothing at this address; see /openapi.json"
    elif problem.status_code == 405:
        error = f"{request.method} is not possible here"
    answer = refusal(problem.status_code, error)
    answer.headers.update(problem.headers or {})
    return answer


async def _on_own(_request: Request, problem: Exception) -> Response:
    """The log cannot take it: this one fact (the sender's mistake), or anything at all."""
    return refusal(422 if isinstance(problem, UnrecordableError) else 503, str(problem))


async def _on_anything(_request: Request, _problem: Exception) -> Response:
    return refusal(500, "the daemon failed on this request; its log has the details")


class Border:
    """What is refused before any route sees it."""

    def __init__(self, app: ASGIApp, *, readonly: bool) -> None:
        self.app = app
        self.readonly = readonly

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self.readonly and scope["method"] not in _READS:
            answer = refusal(403, "this door is read only; send commands to the daemon's control.sock")
            await answer(scope, receive, send)
            return
        bounded = receive if scope["path"] in PUSHED else _bounded(receive, LARGEST_COMMAND)
        await self.app(scope, bounded, send)


def _bounded(receive: Receive, largest: int) -> Receive:
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > largest:
            raise HTTPException(413, f"a command's body may have {largest} bytes")
        return message

    return counted
