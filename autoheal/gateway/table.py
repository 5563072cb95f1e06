"""The live table of routes and its file: a change is on the disk before it takes hold.

One event loop owns it; changes go one after the other, requests read without waiting. A state file that cannot be read
is set aside and said so, since a gateway that answers with its first weights is better than one that does not start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson
from pydantic import TypeAdapter, ValidationError

from autoheal.durable import make_folder, replace_file
from autoheal.errors import AutohealError
from autoheal.gateway.routes import Move, Route
from autoheal.gateway.settings import GatewaySettings, checked_weights

_LOG = logging.getLogger(__name__)
_MOVES: Final = TypeAdapter(tuple[Move, ...])


class ConflictError(AutohealError):
    """The route has changed since the caller looked."""


class Table:
    """Routes by model. ``set_aside`` tells that the state file was unreadable at start."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._path = settings.state
        self._changing = asyncio.Lock()
        self.set_aside = False
        kept = self._read()
        first = {name: Route(dict(m.weights), m.fallback) for name, m in settings.models.items()}
        self._routes = {
            name: replace(kept[name], fallback=kept[name].fallback or route.fallback)
            if name in kept
            else route
            for name, route in first.items()
        }

    def get(self, model: str) -> Route | None:
        return self._routes.get(model)

    def all(self) -> Mapping[str, Route]:
        return self._routes

    async def change(
        self,
        model: str,
        weights: Mapping[str, float],
        *,
        fallback: str | None,
        key: str,
        if_revision: int | None,
    ) -> Route:
        """Set a model's weights. A key that was applied before changes nothing; ConflictError on another revision."""
        async with self._changing:
            route = self._routes[model]
            if route.moved_by(key):
                return route
            if if_revision is not None and if_revision != route.revision:
                raise ConflictError(f"the revision is {route.revision}, not {if_revision}")
            fresh = route.moved(weights, fallback, key)
            await asyncio.to_thread(self._write, {**self._routes, model: fresh})
            self._routes = {**self._routes, model: fresh}
            return fresh

    def _write(self, routes: Mapping[str, Route]) -> None:
        make_folder(self._path.parent)
        plain = {"version": 1, "models": {name: as_json(route) for name, route in routes.items()}}
        replace_file(self._path, orjson.dumps(plain))

    def _read(self) -> dict[str, Route]:
        try:
            models = orjson.loads(self._path.read_bytes())["models"]
            return {name: _route(data) for name, data in models.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            self.set_aside = True
            _LOG.error(
                "%s cannot be read and is set aside; starting with the configured weights: %r",
                self._path,
                error,
            )
            if self._path.is_file():
                self._path.replace(self._path.with_name(f"{self._path.name}.unreadable"))
            return {}


def as_json(route: Route) -> dict[str, Any]:
    """A route as the file and the admin side show it."""
    return {
        "weights": dict(route.weights),
        "fallback": route.fallback,
        "revision": route.revision,
        "key": route.key,
        "moves": [{"key": m.key, "revision": m.revision, "previous": dict(m.previous)} for m in route.moves],
    }


def _route(data: Mapping[str, Any]) -> Route:
    weights = {str(name): float(share) for name, share in data["weights"].items()}
    moves = _MOVES.validate_python(data["moves"])
    return Route(
        checked_weights(weights), str(data["fallback"]), int(data["revision"]), str(data["key"]), moves
    )
