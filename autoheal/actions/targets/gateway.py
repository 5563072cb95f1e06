"""The gateway's admin side, as a client: who gets which share of a model's traffic.

``PUT`` carries the step key, which the gateway remembers, and the revision that the plan was made on, so a repeat after
a crash changes nothing and a third party's change in between is noticed (``contested``) instead of overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from autoheal.errors import ActionError, ActionRefused
from autoheal.net import HTTPError, Response, client

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Move:
    """One change of a route that a step key made, with the weights before it."""

    key: str
    revision: int
    previous: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Route:
    """How one model's traffic goes. ``weights`` are percent by version; ``moves`` the changes of late, by key."""

    url: str
    weights: Mapping[str, float]
    revision: int
    fallback: str = ""
    key: str = ""
    moves: tuple[Move, ...] = ()

    @property
    def on_fallback(self) -> bool:
        """Whether the stand-in has all the traffic."""
        return bool(self.fallback) and self.weights.get(self.fallback, 0.0) >= 100.0

    def moved_by(self, key: str) -> Move | None:
        """The change that this key made, if it made one."""
        return next((move for move in reversed(self.moves) if key and move.key == key), None)


_ROUTE: Final = TypeAdapter(Route)
_ROUTES: Final = TypeAdapter(dict[str, Route])


@dataclass(frozen=True, slots=True)
class GatewayClient:
    """``url`` is the gateway's own, without ``/admin``; ``timeout`` in real seconds."""

    url: str
    timeout: float = 5.0

    async def routes(self) -> dict[str, Route]:
        """All models' routes."""
        response = await self._send("GET", "/admin/routes")
        return _parsed(_ROUTES, response)

    async def route(self, model: str) -> Route:
        found = (await self.routes()).get(model)
        if found is None:
            raise ActionRefused(f"the gateway at {self.url} does not serve {model}")
        return found

    async def put(
        self, model: str, weights: Mapping[str, float], *, key: str = "", if_revision: int | None = None
    ) -> Route:
        """Set the weights; the same key again changes nothing. Another revision than ``if_revision`` is contested."""
        wish: dict[str, Any] = {"weights": dict(weights), "key": key}
        if if_revision is not None:
            wish["if_revision"] = if_revision
        response = await self._send("PUT", f"/admin/routes/{quote(model, safe='')}", wish)
        return _parsed(_ROUTE, response)

    async def _send(self, method: str, path: str, body: object = None) -> Response:
        try:
            async with client(timeout=self.timeout, connections=1) as http:
                response = await http.request(method, f"{self.url.rstrip('/')}{path}", json=body)
        except HTTPError as error:
            raise ActionError(
                f"the gateway at {self.url} does not answer: {type(error).__name__} {error}".rstrip(),
                retryable=True,
            ) from error
        _check(response)
        return response


def _check(response: Response) -> None:
    if response.status_code == 200:
        return
    said = response.text[:300]
    if response.status_code == 409:
        raise ActionError(f"contested: somebody else changed the routes meanwhile: {said}", retryable=True)
    if response.status_code >= 500 or response.status_code == 429:
        raise ActionError(f"the gateway answers {response.status_code}: {said}", retryable=True)
    raise ActionRefused(f"the gateway refuses: {response.status_code} {said}")


def _parsed(kind: TypeAdapter[T], response: Response) -> T:
    try:
        return kind.validate_json(response.content)
    except ValidationError as error:
        raise ActionError(f"the gateway's answer is not understood: {error}") from error
