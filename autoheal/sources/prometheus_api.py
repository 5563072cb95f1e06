"""Two calls of Prometheus' HTTP API, ``query_range`` and ``query``, and what can be wrong with an answer, as one sentence.

Called by ``prometheus``. Nothing is retried here and no redirect is followed (a token must not travel). What
surprises: an error may say that less should be asked at once (``less``): a query that timed out or an answer that is
too long says nothing about the server's health.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from autoheal.errors import AutohealError
from autoheal.net import AsyncClient, HTTPError, TimeoutException
from autoheal.sources.secret import Credentials

#: An answer may be this long, in bytes; answers longer than ``LONG`` are parsed in a thread.
LARGEST = 32 * 1024 * 1024
LONG = 64 * 1024
_RANGE, _INSTANT = "/api/v1/query_range", "/api/v1/query"
_NATIVE = (
    "answered with native histograms, which are no numbers: ask for histogram_quantile(0.95, ...) of them"
)
_SENTENCES = {
    401: "does not accept our credentials (401)",
    403: "does not allow us to ask (403)",
    404: "has no Prometheus API at this address (404): give what stands before /api/v1",
    405: "does not take POST here (405)",
    429: "asks us to slow down (429)",
}


class PrometheusError(AutohealError):
    """No usable answer. ``reached`` says whether the server spoke at all, ``less`` that a smaller range may work."""

    def __init__(self, message: str, *, reached: bool = True, less: bool = False) -> None:
        self.reached = reached
        self.less = less
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Series:
    """One line of the answer; values may be NaN and infinite, as Prometheus gives them."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Answer:
    """No series at all is *no data*. ``partial`` are warnings that something is missing, ``notes`` other ones."""

    series: Sequence[Series]
    partial: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Api:
    """``timeout`` is for one call as a whole, in real seconds, and is told to the server too."""

    http: AsyncClient
    timeout: float
    credentials: Credentials = field(default_factory=Credentials)

    async def query_range(self, query: str, start: float, end: float, step: float) -> Answer:
        """The values of ``query`` at start, start + step ... end; raises ``PrometheusError`` or ``SecretError``."""
        return await self._ask(
            _RANGE,
            {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"},
        )

    async def query(self, query: str, time: float) -> Answer:
        """The value of ``query`` at one time; raises as ``query_range``."""
        return await self._ask(_INSTANT, {"query": query, "time": f"{time:.3f}"})

    async def _ask(self, path: str, asked: Mapping[str, str]) -> Answer:
        kinds = ("matrix",) if path == _RANGE else ("vector", "scalar")
        form = {
            **asked,
            "timeout": f"{self.timeout * 800:.0f}ms",  # so that a slow query is an answer, and silence a dead server
        }
        headers = await asyncio.to_thread(self.credentials.header)
        try:
            async with asyncio.timeout(self.timeout):
                status, body = await self._post(path, form, headers)
        except (TimeoutError, TimeoutException):
            raise PrometheusError(
                f"did not answer within {self.timeout:g}s", reached=False, less=True
            ) from None
        except (HTTPError, OSError) as error:
            raise PrometheusError(
                f"{type(error).__name__}: {str(error)[:200]}".rstrip(": "), reached=False
            ) from None
        if len(body) > LONG:
            return await asyncio.to_thread(read, status, body, kinds)
        return read(status, body, kinds)

    async def _post(
        self, path: str, form: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        parts, size = [], 0
        async with self.http.stream("POST", path, data=dict(form), headers=dict(headers)) as answer:
            async for part in answer.aiter_bytes():
                size += len(part)
                if size > LARGEST:
                    raise PrometheusError(f"answered more than {LARGEST >> 20} MiB", less=True)
                parts.append(part)
            return answer.status_code, b"".join(parts)


def read(status: int, body: bytes, kinds: Collection[str] = ("matrix",)) -> Answer:
    """The answer of a status and a body; raises ``PrometheusError`` for anything that is not one."""
    try:
        document = orjson.loads(body)
    except ValueError:
        document = None
    if status != 200:
        raise _error(status, document)
    try:
        kind = document["data"]["resultType"] if document["status"] == "success" else ""
        if kind not in kinds:
            raise _error(status, document)
        found = document["data"]["result"]
        if any(name in one for one in found if kind != "scalar" for name in ("histogram", "histograms")):
            raise PrometheusError(_NATIVE)
        series = [_series(one) for one in ([{"metric": {}, "value": found}] if kind == "scalar" else found)]
        warned = tuple(str(w)[:200] for w in document.get("warnings") or ())
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise PrometheusError("answered 200 with something that is no Prometheus result") from None
    partial = tuple(w for w in warned if not w.startswith("PromQL "))
    if document.get("isPartial") is True or document["data"].get("isPartial") is True:
        partial += ("the answer is partial",)
    return Answer(series, partial, tuple(w for w in warned if w.startswith("PromQL ")))


def _series(one: Mapping[str, Any]) -> Series:
    labels = {str(k): str(v) for k, v in one["metric"].items()}
    given = [one["value"]] if "value" in one else one.get("values", ())
    points = sorted((float(t), float(v)) for t, v in given)
    if not all(math.isfinite(t) for t, _ in points):
        raise ValueError("a time that is none")
    return Series(labels, points)


def _error(status: int, document: Any) -> PrometheusError:
    """The sentence for an error answer; Prometheus' own words where it has some."""
    known = document if isinstance(document, dict) else {}
    kind, said = str(known.get("errorType", "")), " ".join(str(known.get("error", "")).split())[:200]
    less = kind in {"timeout", "execution", "canceled"} or status in {413, 422, 503, 504}
    less = less or "exceeded maximum resolution" in said
    if kind == "bad_data":
        return PrometheusError(f"refuses the query ({status}): {said}", less=less)
    if status in _SENTENCES:
        return PrometheusError(_SENTENCES[status])
    if 300 <= status < 400:
        return PrometheusError(f"sends us elsewhere ({status}): give the final address")
    return PrometheusError(f"answered {status}{': ' if said else ''}{said}", less=less)
