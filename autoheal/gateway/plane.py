"""The data plane: route a request, ask the version, let the stand-in answer when it does not, tell the daemon.

One ``Plane`` serves all models in one event loop. A request is routed by the route of the moment at which it began.
What surprises: a version that was *given* the stand-in's name by the weights answers as ``by: fallback`` too, so that
its rows never count as the champion's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autoheal.clock import Clock
from autoheal.errors import AutohealError
from autoheal.gateway.breaker import Breaker
from autoheal.gateway.metrics import Meters
from autoheal.gateway.requests import Asked, Served, records
from autoheal.gateway.routes import Route
from autoheal.gateway.sender import Sender
from autoheal.gateway.settings import ModelSettings
from autoheal.gateway.upstream import Answer, Pair, RowsRefusedError, Upstream, UpstreamError


class NoAnswerError(AutohealError):
    """Neither the version nor a stand-in answered; ``served`` says what was recorded."""

    def __init__(self, served: Served) -> None:
        self.served = served
        super().__init__(
            f"version {served.version} does not answer ({served.error}), and nothing stands in for it"
        )


@dataclass(slots=True)
class Plane:
    models: Mapping[str, ModelSettings]
    sender: Sender
    meters: Meters
    clock: Clock
    _pairs: dict[str, Pair] = field(default_factory=dict)
    _breakers: dict[tuple[str, str], Breaker] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._pairs = {name: Pair.of(settings) for name, settings in self.models.items()}

    async def close(self) -> None:
        for pair in self._pairs.values():
            await pair.close()

    async def serve(self, model: str, route: Route, asked: Asked) -> Served:
        """Answer a request. Raises NoAnswerError, or RowsRefusedError when the version refuses the rows."""
        begun = self.clock.monotonic()
        version = route.choose(asked.id)
        answer, error = None, None
        try:
            answer = await self._ask(model, version, route, asked)
        except UpstreamError as failure:
            error = failure.word
        except RowsRefusedError:
            self._tell(model, asked, self._served(route, version, None, "rejected", begun))
            raise
        if answer is None and route.fallback and version != route.fallback:
            stand_in = await self._stand_in(model, route, asked)
            if stand_in is not None:
                version, answer = route.fallback, stand_in
        served = self._served(route, version, answer, error, begun)
        self._tell(model, asked, served)
        if answer is None:
            raise NoAnswerError(served)
        return served

    async def _ask(self, model: str, version: str, route: Route, asked: Asked) -> Answer:
        """The routed version, unless its breaker is open and somebody can stand in."""
        pair = self._pairs[model]
        upstream = pair.fallback if version == route.fallback else pair.versions
        breaker = self._breakers.setdefault((model, version), Breaker())
        may_skip = bool(route.fallback) and version != route.fallback
        if may_skip and not breaker.lets_through(self.clock.monotonic()):
            raise UpstreamError(breaker.why)
        return await self._try(upstream, breaker, version, asked)

    async def _try(self, upstream: Upstream, breaker: Breaker, version: str, asked: Asked) -> Answer:
        try:
            answer = await upstream.predict(version, asked.features)
        except UpstreamError as failure:
            breaker.failed(self.clock.monotonic(), failure.word)
            raise
        except RowsRefusedError:
            breaker.succeeded()
            raise
        breaker.succeeded()
        return answer

    async def _stand_in(self, model: str, route: Route, asked: Asked) -> Answer | None:
        try:
            return await self._pairs[model].fallback.predict(route.fallback, asked.features)
        except (UpstreamError, RowsRefusedError):
            return None

    def _served(
        self, route: Route, version: str, answer: Answer | None, error: str | None, begun: float
    ) -> Served:
        by = "fallback" if version == route.fallback else "champion"
        return Served(version, by, answer, error, 1000.0 * (self.clock.monotonic() - begun))

    def _tell(self, model: str, asked: Asked, served: Served) -> None:
        self.meters.count(model, served, len(asked.ids))
        self.sender.put(records(model, asked, served))
