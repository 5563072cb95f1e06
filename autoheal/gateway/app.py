"""The gateway's HTTP side: a plain ASGI application, routed by hand.

    POST /v1/models/{model}/predict    GET /healthz  /metrics
    GET /admin/routes                  PUT /admin/routes/{model}       from loopback only

Plain ASGI and not a framework, because the one hot path has no parameters to inject and a framework's routing and
response objects cost as much as the rest of it. What surprises: the admin side answers 403 to any caller that is not
on this machine, since whoever moves weights moves the business.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from itertools import count
from typing import Annotated, Any, Final
from urllib.parse import unquote

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autoheal.clock import Clock
from autoheal.gateway.metrics import Meters
from autoheal.gateway.plane import NoAnswerError, Plane
from autoheal.gateway.requests import MAX_BODY, BadRequestError, parse, response
from autoheal.gateway.routes import Route
from autoheal.gateway.sender import Sender
from autoheal.gateway.settings import GatewaySettings, Version, Weights
from autoheal.gateway.table import ConflictError, Table, as_json
from autoheal.gateway.upstream import RowsRefusedError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PREDICT: Final = "/v1/models/"
_ROUTES: Final = "/admin/routes"
_JSON: Final = b"application/json"


class RouteWish(BaseModel):
    """The body of a PUT."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: Weights
    fallback: Version | None = None
    key: Annotated[str, Field(max_length=500)] = ""
    if_revision: int | None = None


class Gateway:
    """The ASGI application. ``name`` tells this process's own request ids from those of others."""

    def __init__(
        self, settings: GatewaySettings, table: Table, sender: Sender, clock: Clock, name: str
    ) -> None:
        self._settings = settings
        self._table = table
        self._sender = sender
        self._clock = clock
        self._ids = (f"{name}-{n}" for n in count(1))
        self._meters = Meters()
        self._plane = Plane(settings.models, sender, self._meters, clock)

    async def close(self) -> None:
        await self._plane.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is served, not {scope['type']}")
        try:
            status, content, kind = await self._answer(scope, receive)
        except BadRequestError as error:
            status, content, kind = error.status, orjson.dumps({"error": str(error)}), _JSON
        headers = [(b"content-type", kind), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes, bytes]:
        path, method = scope["path"], scope["method"]
        if path.startswith(_PREDICT) and path.endswith("/predict"):
            _only(method, "POST")
            return await self._predict(path[len(_PREDICT) : -len("/predict")], receive)
        if path == "/healthz":
            _only(method, "GET", "HEAD")
            return 200, orjson.dumps({"status": "ok", "state_set_aside": self._table.set_aside}), _JSON
        if path == "/metrics":
            _only(method, "GET")
            return (
                200,
                self._meters.page(self._sender, self._table),
                b"text/plain; version=0.0.4; charset=utf-8",
            )
        if path == _ROUTES or path.startswith(f"{_ROUTES}/"):
            _local(scope)
            return await self._admin(method, unquote(path[len(_ROUTES) + 1 :]), receive)
        raise BadRequestError(404, f"nothing is at {path[:200]}")

    async def _predict(self, model: str, receive: Receive) -> tuple[int, bytes, bytes]:
        route = self._route(model)
        body = await _body(receive)
        asked = parse(body, fresh_id=next(self._ids), now=self._clock.now().timestamp())
        try:
            served = await self._plane.serve(model, route, asked)
        except NoAnswerError as error:
            raise BadRequestError(504 if error.served.error == "timeout" else 503, str(error)) from error
        except RowsRefusedError as error:
            raise BadRequestError(422, f"the version refuses the rows: {error}") from error
        return 200, orjson.dumps(response(asked, served)), _JSON

    async def _admin(self, method: str, model: str, receive: Receive) -> tuple[int, bytes, bytes]:
        if not model:
            _only(method, "GET")
            routes = {name: self._shown(name, route) for name, route in self._table.all().items()}
            return 200, orjson.dumps(routes), _JSON
        _only(method, "GET", "PUT")
        route = self._route(model)
        if method == "PUT":
            route = await self._put(model, await _body(receive))
        return 200, orjson.dumps(self._shown(model, route)), _JSON

    async def _put(self, model: str, body: bytes) -> Route:
        try:
            wish = RouteWish.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise BadRequestError(
                400 if first["type"] == "json_invalid" else 422, f"{where}: {first['msg']}"
            ) from error
        try:
            return await self._table.change(
                model, wish.weights, fallback=wish.fallback, key=wish.key, if_revision=wish.if_revision
            )
        except ConflictError as error:
            raise BadRequestError(409, str(error)) from error
        except OSError as error:
            raise BadRequestError(503, f"the state cannot be written: {error}") from error

    def _route(self, model: str) -> Route:
        route = self._table.get(model)
        if route is None:
            raise BadRequestError(404, f"no model is called {model[:100]!r}")
        return route

    def _shown(self, model: str, route: Route) -> Mapping[str, Any]:
        return {"url": self._settings.models[model].url, **as_json(route)}


def _only(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise BadRequestError(405, f"{method} is not served here, only {', '.join(allowed)}")


def _local(scope: Scope) -> None:
    caller = scope.get("client")
    if caller is None or ipaddress.ip_address(caller[0]).is_loopback:
        return
    raise BadRequestError(403, "the admin side answers on this machine only")


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequestError(400, "the caller left before the request was whole")
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            raise BadRequestError(413, f"the body is larger than {MAX_BODY} bytes")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
