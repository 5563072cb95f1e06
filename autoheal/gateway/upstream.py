"""Asking a version for predictions within its time, and saying in one word why it did not give any.

Champions and stand-ins have connection pools of their own, so that a hanging version cannot take the last connection
from the one that has to stand in for it. Time-outs are real time over the whole exchange.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson

from autoheal.errors import AutohealError
from autoheal.gateway.settings import ModelSettings
from autoheal.net import ConnectError, HTTPError, Response, TimeoutException, client

CONNECTIONS: Final = 100
_JSON: Final = {"content-type": "application/json"}


class UpstreamError(AutohealError):
    """A version did not answer as it must: ``word`` goes into telemetry and metrics."""

    def __init__(self, word: str, detail: str = "") -> None:
        self.word = word
        super().__init__(detail or word)


class RowsRefusedError(AutohealError):
    """The version refuses these rows (4xx): the caller's fault, so nobody stands in."""


@dataclass(frozen=True, slots=True)
class Answer:
    predictions: list[Any]
    scores: list[Any]


class Upstream:
    """The server of one model's versions, or of its stand-in."""

    def __init__(self, base: str, timeout: float) -> None:
        self._base = base
        self._timeout = timeout
        self._http = client(timeout=timeout, connections=CONNECTIONS)

    async def close(self) -> None:
        await self._http.aclose()

    async def predict(self, version: str, rows: Sequence[Mapping[str, Any]]) -> Answer:
        """One value a row; UpstreamError or RowsRefusedError otherwise."""
        body = orjson.dumps({"rows": rows})
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._post(self._url(version), body)
        except (TimeoutError, TimeoutException) as error:
            raise UpstreamError("timeout") from error
        except ConnectError as error:
            raise UpstreamError("refused", str(error)) from error
        except HTTPError as error:
            raise UpstreamError("broken", f"{type(error).__name__} {error}") from error
        return self._read(response, len(rows))

    async def _post(self, url: str, body: bytes) -> Response:
        """Once more when the connection breaks: a kept one may have been closed under our hands, and asking a model
        twice is harmless."""
        try:
            return await self._http.post(url, content=body, headers=_JSON)
        except (TimeoutException, ConnectError):
            raise
        except HTTPError:
            return await self._http.post(url, content=body, headers=_JSON)

    @staticmethod
    def _read(response: Response, count: int) -> Answer:
        status = response.status_code
        if status == 404:
            raise UpstreamError("unknown_version", response.text[:200])
        if 400 <= status < 500 and status not in {408, 429}:
            raise RowsRefusedError(response.text[:500])
        if status != 200:
            raise UpstreamError(f"status_{status}", response.text[:200])
        return _answer(response.content, count)

    def _url(self, version: str) -> str:
        name = quote(version, safe="")
        if "{version}" in self._base:
            return self._base.replace("{version}", name)
        return f"{self._base.rstrip('/')}/versions/{name}/predict"


@dataclass(frozen=True, slots=True)
class Pair:
    """Both servers of a model."""

    versions: Upstream
    fallback: Upstream

    @staticmethod
    def of(settings: ModelSettings) -> Pair:
        seconds = settings.timeout.total_seconds()
        return Pair(Upstream(settings.url, seconds), Upstream(settings.fallback_url or settings.url, seconds))

    async def close(self) -> None:
        await self.versions.close()
        await self.fallback.close()


def _answer(content: bytes, count: int) -> Answer:
    try:
        data = orjson.loads(content)
        predictions, scores = data["predictions"], data.get("scores")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UpstreamError("bad_answer", f"not an answer: {content[:100]!r}") from error
    if scores is None:
        scores = [None] * count
    if not _fits(predictions, count) or not _fits(scores, count):
        raise UpstreamError("bad_answer", f"not one value for each of {count} rows")
    if not all(_is_value(p) for p in predictions) or not all(s is None or _is_number(s) for s in scores):
        raise UpstreamError("bad_answer", "a value is missing or of a wrong type")
    return Answer(predictions, scores)


def _fits(values: object, count: int) -> bool:
    return isinstance(values, list) and len(values) == count


def _is_value(value: object) -> bool:
    return isinstance(value, str | bool) or _is_number(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
