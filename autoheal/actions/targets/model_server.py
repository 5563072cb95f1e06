"""Asking a model server for predictions of any version: what evaluations and gates stand on.

``POST BASE/versions/VERSION/predict {"rows": [...]}`` gives ``{"predictions": [...], "scores": [...] | null}``; a base
with ``{version}`` in it is a template of the whole address. The bases come from the settings, or else from the
gateway, which knows them anyway. An answer is believed only when it has one value a row; what the values are worth is
for the caller to judge. Time-outs are real time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson

from autoheal.clock import Clock
from autoheal.errors import ActionError, ActionRefused
from autoheal.net import HTTPError, client

if TYPE_CHECKING:
    from autoheal.actions.targets.gateway import GatewayClient

#: Rows in one request.
CHUNK: Final = 500


class VersionFailedError(ActionError):
    """The version itself does not answer as it must (5xx, nonsense): a verdict on it, not on the connection."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One value a row. ``seconds`` is the real time it took."""

    predictions: list[Any]
    scores: list[float] | None
    seconds: float


def predict_url(base: str, version: str) -> str:
    """Where a version answers."""
    name = quote(version, safe="")
    if "{version}" in base:
        return base.replace("{version}", name)
    return f"{base.rstrip('/')}/versions/{name}/predict"


@dataclass(frozen=True, slots=True)
class ModelServer:
    """The server of one model."""

    base: str
    clock: Clock
    timeout: timedelta = timedelta(seconds=20)

    async def predict(self, version: str, rows: Sequence[Mapping[str, Any]], *, chunk: int = CHUNK) -> Answer:
        """Predictions for all rows. ActionError (retryable) when the server is away, VersionFailedError when it fails."""
        predictions: list[Any] = []
        scores: list[float] | None = []
        seconds = 0.0
        async with client(timeout=self.timeout.total_seconds(), connections=2) as http:
            for at in range(0, len(rows), chunk):
                part = rows[at : at + chunk]
                begun = self.clock.monotonic()
                answer = await self._post(http, version, part)
                seconds += self.clock.monotonic() - begun
                predictions += _values(answer, "predictions", len(part), version)
                some = None if answer.get("scores") is None else _values(answer, "scores", len(part), version)
                scores = None if scores is None or some is None else scores + some
        return Answer(predictions, scores, seconds)

    async def latencies(
        self, versions: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> list[list[float]]:
        """Milliseconds of one-row requests a version, taken in turns so that all see the same machine."""
        taken: list[list[float]] = [[] for _ in versions]
        async with client(timeout=self.timeout.total_seconds(), connections=2) as http:
            for row in rows:
                for place, version in enumerate(versions):
                    begun = self.clock.monotonic()
                    await self._post(http, version, [row])
                    taken[place].append(1000.0 * (self.clock.monotonic() - begun))
        return taken

    async def _post(self, http: Any, version: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        try:
            response = await http.post(
                predict_url(self.base, version),
                content=orjson.dumps({"rows": list(rows)}),
                headers={"content-type": "application/json"},
            )
        except HTTPError as error:
            raise ActionError(
                f"the model server at {self.base} does not answer: {type(error).__name__} {error}".rstrip(),
                retryable=True,
            ) from error
        said = response.text[:200]
        if response.status_code == 404:
            raise VersionFailedError(f"the model server at {self.base} has no version {version}: {said}")
        if response.status_code != 200:
            raise VersionFailedError(f"version {version} answers {response.status_code}: {said}")
        try:
            answer = orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            raise VersionFailedError(f"version {version} does not answer in JSON: {said}") from error
        if not isinstance(answer, dict):
            raise VersionFailedError(f"version {version} does not answer with an object: {said}")
        return answer


@dataclass(frozen=True, slots=True)
class ModelServers:
    """The servers of all models: ``bases`` by name first, then what the gateway says."""

    clock: Clock
    gateway: GatewayClient | None = None
    bases: Mapping[str, str] = field(default_factory=dict)

    async def of(self, model: str) -> ModelServer:
        if model in self.bases:
            return ModelServer(self.bases[model], self.clock)
        if self.gateway is None:
            raise ActionRefused(f"nobody says where {model} is served: no gateway, and no server of its own")
        route = await self.gateway.route(model)
        return ModelServer(route.url, self.clock)


def _values(answer: Mapping[str, Any], name: str, count: int, version: str) -> list[Any]:
    values = answer.get(name)
    if not isinstance(values, list) or len(values) != count:
        shape = f"{len(values)} values" if isinstance(values, list) else type(values).__name__
        raise VersionFailedError(f"version {version} gives {shape} as {name} for {count} rows")
    return values
