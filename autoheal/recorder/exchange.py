"""Predictions in the JSON of a request and its answer, as most services speak it. Pure; runs in the recorder's thread.

A request has ``features`` (and perhaps ``id``, ``time``), or ``rows`` of such, or ``rows`` of plain features; the answer
has ``prediction`` (``score``, ``version``), or ``predictions`` (``scores``), each a value or ``{prediction, score}``.
Anything else raises, and is counted as unusable: give the middleware a ``read`` of your own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from autoheal.recorder.asgi import Exchange

#: Names that are about a row and not its features.
_ABOUT = ("id", "time", "features")


def records(exchange: Exchange) -> Iterator[Mapping[str, Any]]:
    """A record per row asked; with an error where the service answered 5xx, none for a request it refused (4xx)."""
    if 400 <= exchange.status < 500:
        return
    asked = orjson.loads(exchange.request)
    rows = asked.get("rows", [asked])
    answer: Mapping[str, Any] = orjson.loads(exchange.response) if exchange.status < 400 else {}
    many = "predictions" in answer
    predictions = answer["predictions"] if many else [answer.get("prediction")]
    scores = answer.get("scores") if many else [answer.get("score")]
    named = exchange.headers.get("x-request-id") or os.urandom(12).hex()
    for i, row in enumerate(rows):
        plain = "features" not in row
        own = (
            _answer(predictions, scores, i) if exchange.status < 400 else {"error": f"http_{exchange.status}"}
        )
        yield {
            "id": (None if plain else row.get("id"))
            or answer.get("id")
            or (named if len(rows) == 1 else f"{named}-{i}"),
            "time": (None if plain else row.get("time")) or asked.get("time") or exchange.time,
            "version": answer.get("version") or exchange.version,
            "features": row if plain else row["features"],
            "latency_ms": exchange.latency_ms,
            "prediction": None,
        } | own


def _answer(predictions: list[Any], scores: list[Any] | None, i: int) -> dict[str, Any]:
    """The prediction of one row; IndexError when the answer has fewer."""
    one = predictions[i]
    if isinstance(one, Mapping):
        return {name: one[name] for name in ("id", "prediction", "score") if one.get(name) is not None}
    return {"prediction": one, "score": scores[i] if scores else None}
